/** What windows of every kind do for an aggregation. */
import type { DueTimer, Kept, TakenRecord } from '../operator.ts'
import type { Codec } from '../../streams/flows/contract.ts'
import type { Slots } from '../values/value-set.ts'

/** Where the only state of an aggregation stands. */
export const WINDOWS = 0

/** From when to when, milliseconds since the Unix epoch. Whether the end belongs to it depends on its kind. */
export interface Window {
  readonly startMs: number
  readonly endMs: number
}

/** What was kept of a window's records. */
export interface Contents {
  /** The greatest time of its records. */
  readonly timeMs: number
  readonly slots: Slots
}

/** A record that came when the last window that it could have been in was closed. */
export interface Late {
  readonly window: Window
  /** So much more grace, and a little, would have let it in. */
  readonly lateByMs: number
}

/** Who is told of windows. `window` is null where there are none, and all records of a key are together. */
export interface WindowListener {
  changed(window: Window | null, contents: Contents): void
  /** It is no more: it is a part of one that changes next. */
  merged(window: Window): void
}

export interface Windowing {
  readonly codec: Codec<unknown>
  /** null: the record counts. `listener` is told of what it changes; null: nobody cares. The record has a key and a time. */
  take(record: TakenRecord, kept: Kept, listener: WindowListener | null): Late | null
  /** Closes what is due, in the order of time, and tells how it stood. */
  due(key: DueTimer, kept: Kept, closed: (window: Window, contents: Contents) => void): void
}

/** By this time windows close. Where several sources come together, a record is late by its own, which is not behind. */
export function closingTime({ sourceTimeMs, streamTimeMs }: TakenRecord): number {
  return Math.max(sourceTimeMs, streamTimeMs)
}
