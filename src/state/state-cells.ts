/**
 * The values of one state that are at hand, by the text of their key: what has changed since the store was written, and of
 * the rest what was asked for lately. The map of keys would otherwise be a second store, on the heap.
 */
import type { StateValue } from './state-value.ts'

export class Cell {
  /** Which of its actor's states it is. */
  readonly at: number
  /** The bytes of its key as latin-1: each of them is one character, so equal texts are equal keys. */
  readonly key: string
  /** As of the records handled so far; null: it has none. */
  current: StateValue | null
  /** Number of the generation in which it changed last; 0: it has not. */
  changedIn = 0
  /** What it was in the frozen generation, if it has changed again since. */
  frozen: StateValue | null = null
  /** Number of the generation that `frozen` is of. */
  frozenOf = 0

  constructor(at: number, key: string, current: StateValue | null) {
    this.at = at
    this.key = key
    this.current = current
  }

  /** What it is in this generation, in which it has changed. */
  in(generation: number): StateValue | null {
    return this.frozenOf === generation ? this.frozen : this.current
  }
}

/** Of each half. */
const MAX_CELLS = 16_384
const MAX_BYTES = 2 * 1024 * 1024

export class StateCells {
  #recent = new Map<string, Cell>()
  #older = new Map<string, Cell>()
  #recentBytes = 0
  /** What must stay, because it is nowhere else. */
  readonly #kept: () => Iterable<Cell>
  #maxCells = MAX_CELLS

  constructor(kept: () => Iterable<Cell>) {
    this.#kept = kept
  }

  find(key: string): Cell | undefined {
    const cell = this.#recent.get(key)
    if (cell !== undefined) return cell
    const older = this.#older.get(key)
    if (older !== undefined) this.#recent.set(key, older)
    return older
  }

  add(cell: Cell, bytes: number): void {
    this.#recent.set(cell.key, cell)
    this.#recentBytes += bytes
    if (this.#recent.size > this.#maxCells || this.#recentBytes > MAX_BYTES) this.#turnOver()
  }

  /** A value of so many bytes was set in one that was there. */
  noteBytes(bytes: number): void {
    this.#recentBytes += bytes
  }

  /** Forgets the half that was asked for least lately. */
  #turnOver(): void {
    this.#older = this.#recent
    this.#recent = new Map()
    this.#recentBytes = 0
    for (const cell of this.#kept()) this.#recent.set(cell.key, cell)
    // As long as most of it must stay, a turn would only cost.
    this.#maxCells = Math.max(MAX_CELLS, 2 * this.#recent.size)
  }
}
