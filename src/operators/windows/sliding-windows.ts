/**
 * Sliding windows: one for each time at which there is a record, which ends there. What is kept is what the records of each
 * time came to; a window is what those within its size come to together.
 */
import type { DueTimer, Kept, TakenRecord } from '../operator.ts'
import type { Codec } from '../../streams/flows/contract.ts'
import { ByteReader, ByteWriter } from '../values/bytes.ts'
import type { Slots, ValueSet } from '../values/value-set.ts'
import { refuseOtherVersion } from './open-windows.ts'
import { closingTime, WINDOWS } from './windowing.ts'
import type { Contents, Late, Window, Windowing, WindowListener } from './windowing.ts'

export interface SlidingShape {
  readonly sizeMs: number
  readonly graceMs: number
}

/** The records of a key at one time: those that were in time for its own window, or some that were late for it. */
interface Moment extends Contents {
  /** They came when windows that end up to here were closed to them, and count in none of those. */
  readonly lateToMs: number
}

const IN_TIME = -1

/** Never changed. */
class Moments {
  /** By time. */
  readonly list: readonly Moment[]
  /** Windows that end up to here are closed, and were told. */
  readonly closedToMs: number

  constructor(list: readonly Moment[], closedToMs: number) {
    this.list = list
    this.closedToMs = closedToMs
  }
}

const none = new Moments([], -1)

export class SlidingWindows implements Windowing {
  readonly codec: Codec<unknown>
  readonly #sizeMs: number
  readonly #graceMs: number
  readonly #values: ValueSet

  constructor(name: string, { graceMs, sizeMs }: SlidingShape, values: ValueSet) {
    this.codec = momentsCodec(name, values)
    this.#sizeMs = sizeMs
    this.#graceMs = graceMs
    this.#values = values
  }

  take(record: TakenRecord, kept: Kept, listener: WindowListener | null): Late | null {
    const { timeMs } = record
    const before = (kept.get(WINDOWS, record.keyText!) ?? none) as Moments
    // Its own source may be ahead of the time by which windows close: it is late by that one, and closes nothing yet.
    const closedToMs = Math.max(before.closedToMs, this.#closedToMs(record.streamTimeMs))
    const lateToMs = Math.max(closedToMs, this.#closedToMs(closingTime(record)))
    const lastEndMs = timeMs + this.#sizeMs
    if (lastEndMs <= lateToMs) {
      return { window: { startMs: timeMs, endMs: lastEndMs }, lateByMs: lateToMs - lastEndMs + 1 }
    }
    const at = firstFrom(before.list, timeMs)
    const after = new Moments(this.#withRecord(before.list, at, timeMs, lateToMs), closedToMs)
    kept.set(WINDOWS, record.keyText!, after)
    const dueMs = this.#nextDueMs(after)
    if (before === none || dueMs !== this.#nextDueMs(before)) kept.setTimer(record.keyText!, dueMs)
    if (listener !== null) this.#tell(after, at, { lateToMs, lastEndMs }, listener)
    return null
  }

  due({ dueMs, keyText }: DueTimer, kept: Kept, closed: (window: Window, contents: Contents) => void): void {
    const before = kept.get(WINDOWS, keyText) as Moments | undefined
    if (before === undefined) {
      kept.setTimer(keyText, null)
      return
    }
    const { list } = before
    const closedToMs = Math.max(before.closedToMs, this.#closedToMs(dueMs))
    for (let at = firstAfter(list, before.closedToMs); at < list.length; at += 1) {
      const { timeMs } = list[at]!
      if (timeMs > closedToMs) break
      if (endsWindow(list, at)) closed(this.#windowTo(timeMs), this.#contentsTo(list, at))
    }
    // Those that no open window reaches back to, nor will one that comes yet.
    const after = new Moments(list.slice(firstAfter(list, closedToMs - this.#sizeMs)), closedToMs)
    const isEmpty = after.list.length === 0
    kept.set(WINDOWS, keyText, isEmpty ? undefined : after)
    kept.setTimer(keyText, isEmpty ? null : this.#nextDueMs(after))
  }

  /** By this time windows that end so are closed: their last moment, and all grace, is over. */
  #closedToMs(timeMs: number): number {
    return timeMs - this.#graceMs - 1
  }

  /** When the next window closes; where none is open, when nothing of the key is needed any more. */
  #nextDueMs({ closedToMs, list }: Moments): number {
    const open = list[firstAfter(list, closedToMs)]
    const lastMs = open === undefined ? list[list.length - 1]!.timeMs + this.#sizeMs : open.timeMs
    return lastMs + this.#graceMs + 1
  }

  /** `at`: where the first stands that is not before it. */
  #withRecord(list: readonly Moment[], at: number, timeMs: number, closedMs: number): Moment[] {
    const lateToMs = closedMs < timeMs ? IN_TIME : closedMs
    let same = at
    while (list[same]?.timeMs === timeMs && list[same]?.lateToMs !== lateToMs) same += 1
    const found = list[same]?.timeMs === timeMs ? list[same] : undefined
    const moment = { timeMs, lateToMs, slots: this.#values.withSelected(found?.slots ?? null, timeMs) }
    // Those that were in time are the last of their moment: their window is.
    return list.toSpliced(found === undefined && lateToMs !== IN_TIME ? at : same, found === undefined ? 0 : 1, moment)
  }

  /** Of the windows that have a record of this moment, the oldest first. */
  #tell(
    { list }: Moments,
    from: number,
    { lastEndMs, lateToMs }: { readonly lateToMs: number; readonly lastEndMs: number },
    listener: WindowListener,
  ): void {
    for (let at = from; at < list.length; at += 1) {
      const { timeMs } = list[at]!
      if (timeMs > lastEndMs) break
      if (timeMs > lateToMs && endsWindow(list, at))
        listener.changed(this.#windowTo(timeMs), this.#contentsTo(list, at))
    }
  }

  #windowTo(endMs: number): Window {
    return { startMs: endMs - this.#sizeMs, endMs }
  }

  /** Of the window that ends with this moment. */
  #contentsTo(list: readonly Moment[], last: number): Contents {
    const { timeMs } = list[last]!
    let slots: Slots | null = null
    for (let at = firstFrom(list, timeMs - this.#sizeMs); at <= last; at += 1) {
      const moment = list[at]!
      if (moment.lateToMs >= timeMs) continue
      slots = slots === null ? moment.slots : this.#values.merged(slots, moment.slots)
    }
    return { timeMs, slots: slots! }
  }
}

/** A window ends with records that were in time for it; of their moment they are the last. */
function endsWindow(list: readonly Moment[], at: number): boolean {
  return list[at]?.lateToMs === IN_TIME
}

/** Where the first stands that is not before this time. */
function firstFrom(list: readonly Moment[], timeMs: number): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (list[middle]!.timeMs < timeMs) low = middle + 1
    else high = middle
  }
  return low
}

function firstAfter(list: readonly Moment[], timeMs: number): number {
  let at = firstFrom(list, timeMs)
  while (list[at]?.timeMs === timeMs) at += 1
  return at
}

const VERSION = 1

function momentsCodec(name: string, values: ValueSet): Codec<unknown> {
  const writer = new ByteWriter()
  return {
    name,
    encode(value) {
      const { closedToMs, list } = value as Moments
      const firstMs = list[0]?.timeMs ?? 0
      writer.reset()
      writer.byte(VERSION)
      writer.number(closedToMs)
      writer.number(list.length)
      writer.number(firstMs)
      for (const { lateToMs, slots, timeMs } of list) {
        writer.number(timeMs - firstMs)
        // They are not before their own time.
        writer.number(lateToMs === IN_TIME ? 0 : lateToMs - timeMs + 1)
        values.write(slots, writer)
      }
      return writer.written
    },
    decode(bytes) {
      const reader = new ByteReader(bytes)
      refuseOtherVersion(reader.byte(), VERSION)
      const closedToMs = reader.number()
      const length = reader.number()
      const firstMs = reader.number()
      const list = Array.from({ length }, () => {
        const timeMs = firstMs + reader.number()
        const late = reader.number()
        return { timeMs, lateToMs: late === 0 ? IN_TIME : timeMs + late - 1, slots: values.read(reader) }
      })
      return new Moments(list, closedToMs)
    },
  }
}
