/**
 * What simulated handlers do with timers, and what that comes to: which of them a record or a timer sets, moves and cancels
 * depends on nothing but itself, so what a key goes through follows from its records alone.
 */
import type { TimerContext } from '../../../src/actors/handlers/handler.ts'
import type { KeyedState } from '../../../src/state/declared-state.ts'

export const timerNames = ['reminder', 'other'] as const
export type TimerName = (typeof timerNames)[number]

/** Stands in what an attempt sets that fails: nobody may ever find it. */
const forgotten = 'failed'

/** `atMs` null: it is cancelled. */
interface Change {
  readonly name: TimerName
  readonly atMs: number | null
}

function changesOfRecord(offset: number, timestampMs: number): readonly Change[] {
  switch (offset % 6) {
    case 0:
    case 1:
      return [{ name: 'reminder', atMs: timestampMs + ((offset * 37) % 400) }]
    case 2:
      return [{ name: 'other', atMs: timestampMs + ((offset * 91) % 900) }]
    case 3:
      return [
        { name: 'reminder', atMs: timestampMs - 5 },
        { name: 'other', atMs: timestampMs + 60 },
      ]
    case 4:
      return [{ name: 'reminder', atMs: null }]
    default:
      return []
  }
}

/** Now and then a timer sets itself again, or cancels the other one. */
function changesOfTimer(name: TimerName, dueMs: number): readonly Change[] {
  if (dueMs % 3 === 0) return [{ name, atMs: dueMs + 70 }]
  return dueMs % 5 === 0 ? [{ name: name === 'other' ? 'reminder' : 'other', atMs: null }] : []
}

type Setting = Pick<TimerContext<unknown>, 'timer' | 'cancelTimer'>

function carryOut({ cancelTimer, timer }: Setting, changes: readonly Change[]): void {
  for (const { atMs, name } of changes) {
    if (atMs === null) cancelTimer(name)
    else timer(name, atMs)
  }
}

/** A record is handled, or this attempt of it fails. */
export function setTimers(
  context: Setting,
  history: KeyedState<string[]>,
  { offset, timestamp }: { readonly offset: number; readonly timestamp: number },
  isHandled: boolean,
): void {
  history.set([...(history.get() ?? []), isHandled ? recordLine(offset) : forgotten])
  carryOut(context, isHandled ? changesOfRecord(offset, timestamp) : [{ name: 'other', atMs: 0 }])
}

/** Some fail at first, where there are attempts enough: `attempts`. */
export function fireTimer(
  name: TimerName,
  context: Setting & { readonly atMs: number; readonly attempt: number },
  history: KeyedState<string[]>,
  attempts: number | 'unlimited',
): void {
  const { atMs, attempt } = context
  const fails = attempt === 1 && atMs % 4 === 1 && (attempts === 'unlimited' || attempts > 2)
  history.set([...(history.get() ?? []), fails ? forgotten : timerLine(name, atMs)])
  carryOut(context, fails ? [{ name: 'other', atMs: 0 }] : changesOfTimer(name, atMs))
  if (fails) throw new Error('a planned failure of a timer')
}

const recordLine = (offset: number): string => `record ${offset}`
const timerLine = (name: string, dueMs: number): string => `${name} ${dueMs}`

export interface RecordOfKey {
  readonly offset: number
  readonly timestampMs: number
  /** The greatest timestamp of it and all before it in its partition. */
  readonly streamTime: number
}

/** What a key goes through, whose partition has come to this stream time: each timer once, before the first record that is as late. */
export function historyOf(records: readonly RecordOfKey[], streamTime: number): string[] {
  const history: string[] = []
  const set = new Map<TimerName, number>()
  const change = (changes: readonly Change[]): void => {
    for (const { atMs, name } of changes) {
      if (atMs === null) set.delete(name)
      else set.set(name, atMs)
    }
  }
  const fireUntil = (untilMs: number): void => {
    for (;;) {
      const due = timerNames.filter((name) => (set.get(name) ?? Number.POSITIVE_INFINITY) <= untilMs)
      const [next] = due.sort((a, b) => set.get(a)! - set.get(b)!)
      if (next === undefined) return
      const dueMs = set.get(next)!
      set.delete(next)
      history.push(timerLine(next, dueMs))
      change(changesOfTimer(next, dueMs))
    }
  }
  for (const record of records) {
    fireUntil(record.streamTime)
    history.push(recordLine(record.offset))
    change(changesOfRecord(record.offset, record.timestampMs))
  }
  fireUntil(streamTime)
  return history
}
