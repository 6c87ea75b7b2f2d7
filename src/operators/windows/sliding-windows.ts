/**
 * Sliding windows: one for each time at which there is a record, which ends there. What is kept is what the records of each
 * time came to; a window is what those within its size come to together.
 */
import type { DueKey, Kept, TakenRecord } from '../operator.ts'
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

/** All records of a key at one time. */
type Moment = Contents

/** Never changed. */
class Moments {
  /** By time. */
  readonly list: readonly Moment[]
  /** Windows that end up to here are closed. */
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
    const closedToMs = Math.max(before.closedToMs, this.#closedToMs(closingTime(record)))
    const lastEndMs = timeMs + this.#sizeMs
    if (lastEndMs <= closedToMs) {
      return { window: { startMs: timeMs, endMs: lastEndMs }, lateByMs: closedToMs - lastEndMs + 1 }
    }
    const at = firstFrom(before.list, timeMs)
    const same = before.list[at]?.timeMs === timeMs ? before.list[at] : undefined
    const moment = { timeMs, slots: this.#values.withSelected(same?.slots ?? null, timeMs) }
    const list = before.list.toSpliced(at, same === undefined ? 0 : 1, moment)
    const after = new Moments(list, closedToMs)
    kept.set(WINDOWS, record.keyText!, after)
    const dueMs = this.#nextDueMs(after)
    if (before === none || dueMs !== this.#nextDueMs(before)) kept.setTimer(record.keyText!, dueMs)
    if (listener !== null) this.#tell(after, at, lastEndMs, listener)
    return null
  }

  due({ dueMs, keyText }: DueKey, kept: Kept, closed: (window: Window, contents: Contents) => void): void {
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
      closed(this.#windowTo(timeMs), this.#contentsTo(list, at))
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

  /** Of the windows that have this moment, the oldest first. */
  #tell({ closedToMs, list }: Moments, from: number, lastEndMs: number, listener: WindowListener): void {
    for (let at = from; at < list.length; at += 1) {
      const { timeMs } = list[at]!
      if (timeMs > lastEndMs) break
      if (timeMs > closedToMs) listener.changed(this.#windowTo(timeMs), this.#contentsTo(list, at))
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
      slots = slots === null ? list[at]!.slots : this.#values.merged(slots, list[at]!.slots)
    }
    return { timeMs, slots: slots! }
  }
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
  const at = firstFrom(list, timeMs)
  return list[at]?.timeMs === timeMs ? at + 1 : at
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
      for (const { slots, timeMs } of list) {
        writer.number(timeMs - firstMs)
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
        return { timeMs, slots: values.read(reader) }
      })
      return new Moments(list, closedToMs)
    },
  }
}
