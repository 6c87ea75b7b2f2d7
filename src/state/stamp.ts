/**
 * What a record is stamped with when its turn comes in the order of its partition: its time, as its value tells it. It is
 * stamped once, whatever becomes of its attempts, and whoever handles it need not decode it again.
 */
import type { StateReader } from './partition-state.ts'
import type { StateChange } from './state-value.ts'
import type { SetTimer } from './timers.ts'
import type { SourceRecord } from '../streams/record.ts'

/** What is read off one record. */
export interface ReadTime {
  /** What was read: nothing (its time is known without), its value, or why it has none, or no time, with which it fails. */
  readonly found: 'nothing' | 'value' | 'error'
  /** That. */
  readonly read: unknown
  /** −1: it has none. */
  readonly timeMs: number
}

export interface Stamp extends ReadTime {
  /** It would have moved stream time further than it may at once, so it has not moved it. */
  readonly isFarFuture: boolean
}

/** How the records of an input tell their time. */
export interface RecordTimes {
  /** A record that would move stream time further than so much at once does not move it; null: each may. */
  readonly maxAdvanceMs: number | null
  /** null: it cannot be read yet, since a schema is not known. Never throws. */
  read(record: SourceRecord): ReadTime | null
}

/** What is changed for whoever has set a timer that is given up, so that it goes on without; its timer, too, unless that is not set any more. */
export type GiveUpTimer = (before: StateReader, timer: SetTimer, streamTimeMs: number) => readonly StateChange[]

/** How an actor's stream time comes on. */
export interface Timing {
  /** null: by what is on its records unread. */
  readonly times: RecordTimes | null
  /** With nothing new for so long, at the end of its input, what is open is closed; null: never. */
  readonly idleAfterMs: number | null
  /** null: of a timer that is given up nothing is left. */
  readonly giveUpTimer: GiveUpTimer | null
}

export const timedByRecords: Timing = { times: null, idleAfterMs: null, giveUpTimer: null }
