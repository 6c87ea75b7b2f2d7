/** Sessions: a window reaches from its first record to its last, and ends where none comes for longer than the gap. */
import type { DueTimer, Kept, TakenRecord } from '../operator.ts'
import type { Codec } from '../../streams/flows/contract.ts'
import type { ValueSet } from '../values/value-set.ts'
import { closeDue, OpenWindow, openWindowsCodec, withNewer } from './open-windows.ts'
import { closingTime, WINDOWS } from './windowing.ts'
import type { Contents, Late, Window, Windowing, WindowListener } from './windowing.ts'

export interface SessionShape {
  readonly gapMs: number
  readonly graceMs: number
}

export class SessionWindows implements Windowing {
  readonly codec: Codec<unknown>
  readonly #gapMs: number
  readonly #values: ValueSet
  readonly #closesMs: (endMs: number) => number

  constructor(name: string, { gapMs, graceMs }: SessionShape, values: ValueSet) {
    this.codec = openWindowsCodec(name, values)
    this.#gapMs = gapMs
    this.#values = values
    // A record that comes just after the gap, with all its grace, still belongs to it.
    this.#closesMs = (endMs) => endMs + gapMs + graceMs + 1
  }

  take(record: TakenRecord, kept: Kept, listener: WindowListener | null): Late | null {
    const { timeMs } = record
    const keyText = record.keyText!
    const newest = (kept.get(WINDOWS, keyText) ?? null) as OpenWindow | null
    const newer: OpenWindow[] = []
    let rest = newest
    for (; rest !== null && rest.window.startMs - this.#gapMs > timeMs; rest = rest.older) newer.push(rest)
    // At most two: any others are further apart.
    const joined: OpenWindow[] = []
    for (; rest !== null && rest.window.endMs + this.#gapMs >= timeMs; rest = rest.older) joined.push(rest)
    if (joined.length === 0) {
      const overMs = closingTime(record) - this.#closesMs(timeMs)
      if (overMs >= 0) return { window: { startMs: timeMs, endMs: timeMs }, lateByMs: overMs + 1 }
    }
    const session = this.#session(joined, timeMs, rest)
    kept.set(WINDOWS, keyText, withNewer(newer, session))
    // Where the oldest one has grown, its timer comes too early, and is set again then: better than with each record.
    if (rest === null && joined.length === 0) kept.setTimer(keyText, this.#closesMs(session.window.endMs))
    if (listener !== null) {
      for (const { window } of joined.reverse()) listener.merged(window)
      listener.changed(session.window, session)
    }
    return null
  }

  due(key: DueTimer, kept: Kept, closed: (window: Window, contents: Contents) => void): void {
    closeDue(key, kept, this.#closesMs, closed)
  }

  /** Of the record and the sessions that it joins, the newest first. */
  #session(joined: readonly OpenWindow[], timeMs: number, older: OpenWindow | null): OpenWindow {
    const [last, first = last] = joined
    if (last === undefined || first === undefined) {
      const window = { startMs: timeMs, endMs: timeMs }
      return new OpenWindow(window, timeMs, this.#values.withSelected(null, timeMs), older)
    }
    const before = first === last ? last.slots : this.#values.merged(first.slots, last.slots)
    const slots = this.#values.withSelected(before, timeMs)
    const endMs = Math.max(last.window.endMs, timeMs)
    return new OpenWindow({ startMs: Math.min(first.window.startMs, timeMs), endMs }, endMs, slots, older)
  }
}
