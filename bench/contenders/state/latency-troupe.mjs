// Troupe with its defaults: counts by key and passes each value on, whose stamp tells a reader in another process how late it is.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { bytes, defineHandler, done, startSupervisor, state, topic as topicNamed } from 'troupe'
import { startGenerator } from '../latency.mjs'
import { outputOf, Written } from './written.mjs'

const reader = fileURLToPath(new URL('committed-reader.mjs', import.meta.url))

export async function run(task) {
  const { brokers, topic, group, settings, meter } = task
  const written = await Written.begin(task, { isFromEnd: true })
  const output = topicNamed(outputOf(group), { value: bytes })
  const shape = {
    name: 'count',
    input: topicNamed(topic, { value: bytes }),
    outputs: [output],
  }
  const pass = (value, record) => done([output.record(value, { key: record.key })])
  const handler = settings.hasState
    ? defineHandler({
        ...shape,
        state: { total: state({ initial: () => 0 }) },
        handle(value, { record, state: { total } }) {
          total.set(total.get() + 1)
          return pass(value, record)
        },
      })
    : defineHandler({ ...shape, handle: (value, { record }) => pass(value, record) })
  const supervisor = await startSupervisor({
    kafka: { brokers, groupId: group },
    ...(settings.guarantee === undefined ? {} : { guarantee: settings.guarantee }),
    actors: [{ handler, runOn: 'main', order: 'key', startFrom: 'latest' }],
    log: { level: 'error' },
  })
  const child = fork(reader, [], { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  child.send({ brokers, topic: outputOf(group), partitions: settings.partitions })
  await once(child, 'message')
  const times = []
  const late = []
  child.on('message', ({ seen }) => {
    for (const [number, tookMs, sentLateMs] of seen) {
      if (number < settings.warmUp) continue
      times.push(tookMs)
      late.push(sentLateMs)
    }
    meter.count(seen.length)
  })
  const isReady = () => supervisor.status().partitions.length === settings.partitions
  while (!isReady()) await new Promise((resolve) => setTimeout(resolve, 10))
  const stopSending = startGenerator(task)
  meter.noteAtEnd(async () => {
    stopSending()
    const quantile = (values, share) => values.sort((a, b) => a - b)[Math.floor(share * values.length)]
    const notes = {
      p50: quantile(times, 0.5),
      p95: quantile(times, 0.95),
      p99: quantile(times, 0.99),
      greatest: quantile(times, 1 - 1e-9),
      sentLateP95: quantile(late, 0.95),
    }
    child.kill('SIGKILL')
    await supervisor.stop()
    return { ...notes, ...(await written.perInput()) }
  })
}
