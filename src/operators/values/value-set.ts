/** All values of an aggregation as one: what is kept of a window's records is one list, with a place for each. */
import { TerminalError } from '../../errors.ts'
import type { ByteReader, ByteWriter } from './bytes.ts'
import type { Fold } from './fold.ts'
import { Unfit } from './unfit.ts'
import type { Value } from './value.ts'

/** Never changed. undefined: nothing was added there. */
export type Slots = readonly unknown[]

export class ValueSet {
  /** What the bytes of a window's values depend on. */
  readonly shape: string
  readonly #names: readonly string[]
  readonly #folds: readonly Fold[]
  readonly #selects: readonly ((value: never) => unknown)[]
  readonly #empty: Slots
  /** Of the record at hand. */
  readonly #selected: unknown[]

  constructor(values: Readonly<Record<string, Value<never, unknown>>>) {
    // By name, so that it does not matter in which order they are written down.
    const entries = Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1))
    this.#names = entries.map(([name]) => name)
    this.#folds = entries.map(([, { fold }]) => fold)
    this.#selects = entries.map(([, { select }]) => select)
    this.#empty = entries.map(() => undefined)
    this.#selected = entries.map(() => undefined)
    this.shape = entries.map(([name, { fold }]) => `${name}:${fold.name}`).join(',')
  }

  /** What of this record counts: for the calls of `withSelected` that follow. */
  select(value: unknown): void {
    for (let at = 0; at < this.#selects.length; at += 1) this.#selected[at] = this.#selects[at]!(value as never)
  }

  /** null: the record is the first. Throws TerminalError for what a value cannot take. */
  withSelected(slots: Slots | null, timeMs: number): Slots {
    // A copy that is changed: a list that grows by `push` takes room for seventeen.
    const next = (slots ?? this.#empty).slice()
    let at = 0
    try {
      for (; at < this.#folds.length; at += 1) {
        const selected = this.#selected[at]
        if (selected != null) next[at] = this.#folds[at]!.add(next[at], selected, timeMs)
      }
    } catch (error) {
      throw this.#named(error, at)
    }
    return next
  }

  /** Of these, which stand before the others in time. */
  merged(slots: Slots, others: Slots): Slots {
    return this.#folds.map((fold, at) => {
      if (slots[at] === undefined) return others[at]
      if (others[at] === undefined) return slots[at]
      try {
        return fold.merge(slots[at], others[at])
      } catch (error) {
        throw this.#named(error, at)
      }
    })
  }

  results(slots: Slots): Record<string, unknown> {
    const results: Record<string, unknown> = {}
    for (let at = 0; at < this.#folds.length; at += 1) {
      const fold = this.#folds[at]!
      results[this.#names[at]!] = slots[at] === undefined ? fold.none : fold.result(slots[at])
    }
    return results
  }

  write(slots: Slots, to: ByteWriter): void {
    for (let at = 0; at < this.#folds.length; at += 1) {
      const isThere = slots[at] !== undefined
      to.byte(isThere ? 1 : 0)
      if (isThere) this.#folds[at]!.write(slots[at], to)
    }
  }

  read(from: ByteReader): Slots {
    const slots = this.#empty.slice()
    for (let at = 0; at < slots.length; at += 1) if (from.byte() === 1) slots[at] = this.#folds[at]!.read(from)
    return slots
  }

  /** What a value cannot take it takes as little on another attempt. Others are as they are: they are of the user's own code. */
  #named(error: unknown, at: number): unknown {
    if (!(error instanceof Unfit)) return error
    const { cause, message } = error
    return new TerminalError(`values.${this.#names[at]} (${this.#folds[at]!.name}): ${message}`, { cause })
  }
}
