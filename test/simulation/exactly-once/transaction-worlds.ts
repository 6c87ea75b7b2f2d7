/** Worlds whose app is exactly-once: any world, and what goes wrong in the middle of its transactions. */
import { Random } from '../../../src/testing/random.ts'
import type { CrashStep } from '../../../src/testing/broker/transactions/crash-step.ts'
import { changelogName } from './state-notes.ts'
import { makeAction, makeWorld, type Action, type World } from '../world.ts'

const crashSteps: readonly CrashStep[] = [
  'id-taken',
  'begun',
  'written-open',
  'written-open',
  'positions-sent',
  'positions-sent',
  'commit-decided',
  'commit-decided',
  'aborted',
]

const faults = ['transactions-refused', 'transactions-slow', 'commit-answers-lost', 'markers-held'] as const

export function makeTransactionWorld(seed: number): World {
  const world = makeWorld(seed)
  const random = new Random(seed).fork('transactions')
  const durationMs = Math.max(500, ...world.timetable.map(({ atMs }) => atMs))
  const trouble = (): Action =>
    random.chance(0.5)
      ? { type: 'crash', member: random.integer(0, 5), step: random.pick(crashSteps) }
      : makeAction(random, random.pick(faults), world.topics)
  const count = world.theme === 'calm' ? 0 : random.integer(0, 6)
  const more = Array.from({ length: count }, () => ({ atMs: random.integer(0, durationMs), action: trouble() }))
  const state = random.fork('state')
  const keepsState = world.order !== 'unordered' && state.chance(0.7)
  // Where a changelog's own marker comes later than the position that goes with it.
  if (keepsState && world.theme !== 'calm' && state.chance(0.3)) more.push(heldChangelog(state, world, durationMs))
  const all = [...world.timetable, ...more].sort((one, other) => one.atMs - other.atMs)
  const skewMs = state.pick([0, 0, 100, 3_000])
  return {
    ...world,
    records: world.records.map((record) => ({ ...record, skewMs: state.integer(-skewMs, skewMs) })),
    guarantee: 'exactly-once',
    // A map that does not fit would make finished records be handled again: then nothing may be promised.
    maxMetadataCharacters: 4_096,
    // State cannot be shared out anew: an input that grows beyond it is refused.
    timetable: keepsState ? all.filter(({ action }) => action.type !== 'add-partition') : all,
    ...(keepsState
      ? {
          state: {
            store: state.pick(['memory', 'disk']),
            ttlMs: state.pick([100, 1_000, 10_000]),
            // Handlers of whole calls have none.
            timers: world.calls === null && random.fork('timers').chance(0.7),
          },
        }
      : {}),
  }
}

function heldChangelog(random: Random, { topics }: World, withinMs: number): World['timetable'][number] {
  const at = random.integer(0, topics.length - 1)
  const place = `${changelogName(at)}/${random.integer(0, topics[at]!.partitions - 1)}`
  const durationMs = random.pick([50, 300, 1_500, 4_000])
  return { atMs: random.integer(0, withinMs), action: { type: 'markers-held', durationMs, place } }
}
