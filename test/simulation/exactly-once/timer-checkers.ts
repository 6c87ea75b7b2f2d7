/** Each timer fires once, at the right place in the order of its key, whatever crashes, moves and is read again. */
import { entry, shortened, type Checker } from '../checker.ts'
import { placeName, type JournalEvent } from '../journal.ts'
import { historyOf, type RecordOfKey } from './simulated-timers.ts'

interface Partition {
  /** By key, of those that count. */
  readonly keys: Map<string, RecordOfKey[]>
  streamTime: number
  /** Some of its records are gone: what they have set nobody can tell. */
  isThinned: boolean
}

function partitionsOf(events: readonly JournalEvent[]): Map<string, Partition> {
  const partitions = new Map<string, Partition>()
  for (const event of events) {
    if (event.type !== 'input' && event.type !== 'removed') continue
    const partition = entry(partitions, placeName(event), () => ({
      keys: new Map<string, RecordOfKey[]>(),
      streamTime: Number.NEGATIVE_INFINITY,
      isThinned: false,
    }))
    if (event.type === 'removed') {
      partition.isThinned = true
      continue
    }
    const { fate, key, offset, timestampMs = 0 } = event
    partition.streamTime = Math.max(partition.streamTime, timestampMs)
    if (key === null || fate.type === 'dead-letter') continue
    entry(partition.keys, key, () => []).push({ offset, timestampMs, streamTime: partition.streamTime })
  }
  return partitions
}

/** What committed transactions have left in the end of what each key went through. */
function committedHistories(events: readonly JournalEvent[]): Map<string, readonly string[]> {
  const histories = new Map<string, readonly string[]>()
  for (const event of events) {
    if (event.type !== 'transaction' || event.outcome !== 'committed') continue
    for (const commit of event.state) {
      for (const { key, state, value } of commit.values) {
        if (state === 'history') histories.set(`${placeName(commit)} ${key}`, (value ?? []) as readonly string[])
      }
    }
  }
  return histories
}

const timersFireOnceInOrder: Checker = (events, facts) => {
  if (facts.state?.timers !== true) return []
  const histories = committedHistories(events)
  const violations: string[] = []
  for (const [place, { isThinned, keys, streamTime }] of partitionsOf(events)) {
    if (isThinned) continue
    for (const [key, records] of keys) {
      const expected = historyOf(records, streamTime)
      const found = histories.get(`${place} ${key}`) ?? []
      const at = expected.findIndex((line, place) => line !== found[place])
      if (at < 0 && found.length === expected.length) continue
      const from = Math.max(0, (at < 0 ? expected.length : at) - 2)
      const told = (lines: readonly string[]): string => lines.slice(from, from + 5).join(', ')
      violations.push(`${key} of ${place} went through … ${told(found)}, and not … ${told(expected)}`)
    }
  }
  return shortened(violations)
}

export const timerCheckers: Readonly<Record<string, Checker>> = { timersFireOnceInOrder }
