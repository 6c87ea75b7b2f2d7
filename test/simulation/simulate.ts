/**
 * Plays worlds until the time is over, or one world with its story. Started by `npm run simulate`,
 * in as many processes as there are cores.
 *
 *     --minutes N          how long (default 1)
 *     --worlds N           how many, instead of a time; --seed says the first
 *     --seed N             this world only, and tell its story
 *     --exactly-once       worlds whose app is that
 *     --only topic/p/o     of the story, what concerns this record, or this partition
 *     --from N --step N    the first seed, and from one to the next
 */
import { parseArgs } from 'node:util'
import { troupe } from './engine-under-test.ts'
import type { JournalEvent } from './journal.ts'
import { play } from './play.ts'
import { makeTransactionWorld } from './exactly-once/transaction-worlds.ts'
import { makeWorld } from './world.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    worlds: { type: 'string' },
    seed: { type: 'string' },
    only: { type: 'string' },
    from: { type: 'string', default: String(Date.now() % 2 ** 31) },
    step: { type: 'string', default: '1' },
    'exactly-once': { type: 'boolean', default: false },
  },
})

const isExactlyOnce = values['exactly-once']
const make = isExactlyOnce ? makeTransactionWorld : makeWorld

/** After so many failures more of them say little. */
const MAX_FAILURES = 10

if (values.seed !== undefined && values.worlds === undefined) await tellStory(Number(values.seed), values.only)
else {
  const minutes = values.worlds === undefined ? Number(values.minutes) : Number.POSITIVE_INFINITY
  await playOn(Number(values.from), Number(values.step), { minutes, worlds: Number(values.worlds ?? Infinity) })
}

async function playOn(first: number, step: number, most: { minutes: number; worlds: number }): Promise<void> {
  const endsAtMs = Date.now() + most.minutes * 60_000
  let worlds = 0
  let failures = 0
  for (let seed = first; Date.now() < endsAtMs && worlds < most.worlds && failures < MAX_FAILURES; seed += step) {
    const world = make(seed)
    const { violations } = await play(world, troupe)
    worlds += 1
    if (violations.length === 0) continue
    failures += 1
    console.log(
      `\nnpm run simulate -- --seed ${seed}${isExactlyOnce ? ' --exactly-once' : ''}    (${world.theme}, ${world.strategy}, ${world.order}, ${world.runOn})`,
    )
    for (const violation of violations) console.log(`  ${violation}`)
  }
  const seeds = step === 1 ? `from seed ${first} on` : `from seed ${first} on, each ${step}th`
  console.log(`${worlds} worlds ${seeds}, ${failures} failed`)
  process.exitCode = failures === 0 ? 0 : 1
}

async function tellStory(seed: number, only: string | undefined): Promise<void> {
  const { records, ...world } = make(seed)
  console.log(JSON.stringify({ ...world, records: records.length }))
  const { events, stuck, violations } = await play({ ...world, records }, troupe)
  const startedAtMs = events[0]?.atMs ?? 0
  for (const event of events) {
    if (event.type !== 'sample' && concerns(event, only)) console.log(told(event, startedAtMs))
  }
  if (stuck !== undefined) console.log(JSON.stringify(stuck, null, 1))
  for (const violation of violations) console.log(violation)
  console.log(violations.length === 0 ? 'all holds' : `${violations.length} violations`)
  process.exitCode = violations.length === 0 ? 0 : 1
}

function told({ atMs, type, ...rest }: JournalEvent, startedAtMs: number): string {
  return `${(atMs - startedAtMs).toFixed(2).padStart(10)} ${type.padEnd(12)} ${JSON.stringify(rest)}`
}

function concerns(event: JournalEvent, only: string | undefined): boolean {
  if (only === undefined || event.type === 'started' || event.type === 'ended') return true
  const [topic, partition, offset] = only.split('/')
  const place = `"topic":"${topic}","partition":${partition}`
  const text = JSON.stringify(event)
  if (!text.includes(place)) return false
  return offset === undefined || !text.includes('"offset"') || text.includes(`${place},"offset":${offset}`)
}
