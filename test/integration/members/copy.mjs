// Copies records from one topic to another (and into a table, if TABLE names one). What to do is in the record:
// `{ n, workMs?, waitMs?, gate?, fail?, kill? }`; `gate` waits until the file GATE_FILE exists, `kill` ends or holds its thread.
import { existsSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { deadLetter, defineHandler, done, json, table, topic } from 'troupe'

const { GATE_FILE: gateFile, MEMBER: member = 'member', TABLE: tableName } = process.env
const input = topic(process.env.INPUT_TOPIC, { value: json() })
const output = topic(process.env.OUTPUT_TOPIC, { value: json() })
const copies =
  tableName === undefined
    ? undefined
    : table(tableName, { columns: { id: 'text', key: 'text', n: 'bigint' }, key: ['id'] })

function spin(ms) {
  const end = performance.now() + ms
  while (performance.now() < end);
}

async function gateOpens() {
  while (!existsSync(gateFile)) await sleep(20)
}

const killers = {
  exit: () => process.exit(3),
  error() {
    setTimeout(() => {
      throw new Error('thrown where nobody catches')
    }, 1)
    return new Promise(() => undefined)
  },
  memory() {
    const list = []
    for (;;) list.push(new Array(10_000).fill(0))
  },
  loop() {
    for (;;);
  },
}

export default defineHandler({
  name: 'copy',
  input,
  outputs: copies === undefined ? [output] : [output, copies],
  handle(value, context) {
    if (value.kill) return killers[value.kill]()
    if (value.waitMs) return sleep(value.waitMs).then(() => copy(value, context))
    if (value.gate) return gateOpens().then(() => copy(value, context))
    return copy(value, context)
  },
})

function copy(value, { record, attempt, id }) {
  if (value.workMs) spin(value.workMs)
  if (value.fail === 'dead-letter') return deadLetter('as asked')
  if (value.fail === 'always' || (value.fail === 'once' && attempt === 1)) throw new Error(`fails: ${value.fail}`)
  const copied = output.record({ n: value.n }, { key: record.key, headers: { member } })
  if (copies === undefined) return done([copied])
  return done([copied, copies.upsert({ id, key: String(record.key), n: value.n })])
}
