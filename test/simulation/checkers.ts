/**
 * What has to hold in every world, whatever happened in it. The checkers know the promises of the
 * README and nothing of how worlds are made.
 */
import { shortened, type Checker, type WorldFacts } from './checker.ts'
import { commitsAreTrue, finishedIsSkipped, nothingIsLost } from './commit-checkers.ts'
import { exactlyOnceCheckers } from './exactly-once/checkpoint-checkers.ts'
import { stateCheckers } from './exactly-once/state-checkers.ts'
import { timerCheckers } from './exactly-once/timer-checkers.ts'
import { outputName, type JournalEvent } from './journal.ts'
import { fencedWritesNothing, handlingIsOrdered, outputsAreOrdered } from './order-checkers.ts'

/** Where nothing but clean stops and hand-overs happened, nothing is repeated. */
const calmRepeatsNothing: Checker = (events, facts) => {
  if (!facts.isCalm) return []
  const seen = new Set<string>()
  const violations: string[] = []
  for (const event of events) {
    // Rows are at least once: a checkpoint that is refused is made again without the record.
    const isRow = facts.guarantee === 'exactly-once' && event.type === 'durable' && event.sink === 'table'
    if (event.type !== 'durable' || isRow) continue
    const name = outputName(event.output)
    if (seen.has(name)) violations.push(`${event.client} repeated ${name}`)
    seen.add(name)
  }
  return shortened(violations)
}

/** Each sets two at most, and a timer sets itself again at most twice. */
const TIMERS_A_RECORD = 6

/** Everything is bounded: records read and not finished, records at handlers. */
const allIsBounded: Checker = (events, facts) => {
  const busy = new Map<string, number>()
  const violations: string[] = []
  // A record may bring timers of its key with it, which need no room of the intake.
  const allowed = facts.maxRecords * (facts.state?.timers === true ? TIMERS_A_RECORD + 1 : 1)
  for (const event of events) {
    if (event.type === 'sample' && event.records > allowed) {
      violations.push(`${event.client} holds ${event.records} records, ${allowed} are allowed`)
    }
    if (event.type !== 'handle-begin' && event.type !== 'handle-end') continue
    const count = (busy.get(event.client) ?? 0) + (event.type === 'handle-begin' ? 1 : -1)
    busy.set(event.client, count)
    if (count > facts.concurrency) {
      violations.push(`${event.client} has ${count} records at handlers, ${facts.concurrency} are allowed`)
    }
  }
  return shortened(violations)
}

/** Everything ends: whoever started has ended. */
const allHasEnded: Checker = (events) => {
  const running = new Set<string>()
  for (const event of events) {
    if (event.type === 'started') running.add(event.client)
    if (event.type === 'ended') running.delete(event.client)
  }
  return shortened([...running].map((client) => `${client} never ended`))
}

export const checkers: Readonly<Record<string, Checker>> = {
  nothingIsLost,
  commitsAreTrue,
  finishedIsSkipped,
  handlingIsOrdered,
  outputsAreOrdered,
  fencedWritesNothing,
  calmRepeatsNothing,
  allIsBounded,
  allHasEnded,
}

/** All violations, each with the promise it breaks. */
export function findViolations(events: readonly JournalEvent[], facts: WorldFacts): string[] {
  const all =
    facts.guarantee === 'exactly-once'
      ? { ...checkers, ...exactlyOnceCheckers, ...stateCheckers, ...timerCheckers }
      : checkers
  return Object.entries(all).flatMap(([name, check]) => check(events, facts).map((each) => `${name}: ${each}`))
}
