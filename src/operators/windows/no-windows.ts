/** No windows: all records of a key are together, for as long as its state is kept. */
import type { Kept, TakenRecord } from '../operator.ts'
import type { Codec } from '../../streams/flows/contract.ts'
import type { ValueSet } from '../values/value-set.ts'
import { OpenWindow, openWindowsCodec } from './open-windows.ts'
import { WINDOWS, type Windowing, type WindowListener } from './windowing.ts'

const always = { startMs: 0, endMs: 0 }

export class NoWindows implements Windowing {
  readonly codec: Codec<unknown>
  readonly #values: ValueSet

  constructor(name: string, values: ValueSet) {
    this.codec = openWindowsCodec(name, values)
    this.#values = values
  }

  take({ keyText, timeMs }: TakenRecord, kept: Kept, listener: WindowListener | null): null {
    const before = kept.get(WINDOWS, keyText!) as OpenWindow | undefined
    const slots = this.#values.withSelected(before?.slots ?? null, timeMs)
    const after = new OpenWindow(always, Math.max(before?.timeMs ?? timeMs, timeMs), slots, null)
    kept.set(WINDOWS, keyText!, after)
    listener?.changed(null, after)
    return null
  }

  due(): void {
    // Nothing is ever due: no timer is set.
  }
}
