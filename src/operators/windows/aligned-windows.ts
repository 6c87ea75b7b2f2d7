/** Tumbling and hopping windows: they begin at multiples of the epoch, whatever records there are. */
import type { DueTimer, Kept, TakenRecord } from '../operator.ts'
import type { Codec } from '../../streams/flows/contract.ts'
import type { ValueSet } from '../values/value-set.ts'
import { closeDue, OpenWindow, openWindowsCodec, withNewer } from './open-windows.ts'
import { closingTime, WINDOWS } from './windowing.ts'
import type { Contents, Late, Window, Windowing, WindowListener } from './windowing.ts'

export interface AlignedShape {
  readonly sizeMs: number
  readonly advanceMs: number
  readonly graceMs: number
  readonly offsetMs: number
}

export class AlignedWindows implements Windowing {
  readonly codec: Codec<unknown>
  readonly #shape: AlignedShape
  readonly #values: ValueSet
  readonly #closesMs = (endMs: number) => endMs + this.#shape.graceMs

  constructor(name: string, shape: AlignedShape, values: ValueSet) {
    this.codec = openWindowsCodec(name, values)
    this.#shape = shape
    this.#values = values
  }

  take(record: TakenRecord, kept: Kept, listener: WindowListener | null): Late | null {
    const { advanceMs, graceMs, offsetMs, sizeMs } = this.#shape
    const { timeMs } = record
    const keyText = record.keyText!
    const startMs = Math.floor((timeMs - offsetMs) / advanceMs) * advanceMs + offsetMs
    const lateByMs = closingTime(record) - (startMs + sizeMs + graceMs)
    if (lateByMs >= 0) return { window: { startMs, endMs: startMs + sizeMs }, lateByMs }
    const newest = (kept.get(WINDOWS, keyText) ?? null) as OpenWindow | null
    if (advanceMs === sizeMs && newest?.window.startMs === startMs) {
      const slots = this.#values.withSelected(newest.slots, timeMs)
      const changed = new OpenWindow(newest.window, Math.max(newest.timeMs, timeMs), slots, newest.older)
      kept.set(WINDOWS, keyText, changed)
      listener?.changed(changed.window, changed)
      return null
    }
    this.#takeAll(record, startMs, newest, kept, listener)
    return null
  }

  due(key: DueTimer, kept: Kept, closed: (window: Window, contents: Contents) => void): void {
    closeDue(key, kept, this.#closesMs, closed)
  }

  /** Into this window, and into the older ones that have its time, as far as they are open. */
  #takeAll(
    record: TakenRecord,
    lastStartMs: number,
    newest: OpenWindow | null,
    kept: Kept,
    listener: WindowListener | null,
  ): void {
    const { advanceMs, graceMs, sizeMs } = this.#shape
    const { timeMs } = record
    const closedToMs = closingTime(record) - graceMs
    const newer: OpenWindow[] = []
    const changed: OpenWindow[] = []
    let rest = newest
    for (let startMs = lastStartMs; startMs + sizeMs > Math.max(timeMs, closedToMs); startMs -= advanceMs) {
      // No window begins before the epoch, where there is another one.
      if (startMs < 0 && startMs !== lastStartMs) break
      for (; rest !== null && rest.window.startMs > startMs; rest = rest.older) newer.push(rest)
      const before = rest?.window.startMs === startMs ? rest : null
      if (before !== null) rest = before.older
      const slots = this.#values.withSelected(before?.slots ?? null, timeMs)
      const window = before?.window ?? { startMs, endMs: startMs + sizeMs }
      const after = new OpenWindow(window, Math.max(before?.timeMs ?? timeMs, timeMs), slots, null)
      newer.push(after)
      changed.push(after)
    }
    // The oldest of all decides when its key is looked at again; if it was there before, that is so already.
    const oldest = changed.at(-1)!.window
    const firstBefore = newest === null ? null : oldestStart(newest)
    kept.set(WINDOWS, record.keyText!, withNewer(newer, rest))
    if (firstBefore === null || oldest.startMs < firstBefore) {
      kept.setTimer(record.keyText!, oldest.endMs + graceMs)
    }
    if (listener !== null) for (const contents of changed.reverse()) listener.changed(contents.window, contents)
  }
}

function oldestStart(newest: OpenWindow): number {
  let oldest = newest
  while (oldest.older !== null) oldest = oldest.older
  return oldest.window.startMs
}
