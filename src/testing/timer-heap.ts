/** Timers by due time; those of one moment in the order they were made. */
export interface HeapTimer {
  readonly dueAtMs: number
  readonly callback: () => void
}

interface Entry extends HeapTimer {
  readonly sequence: number
  isPending: boolean
}

export class TimerHeap {
  /** A binary heap: the first is the next one due. Cancelled ones stay until they come up. */
  readonly #entries: Entry[] = []
  #sequence = 0
  #pending = 0

  /** Timers that are neither taken nor cancelled. */
  get size(): number {
    return this.#pending
  }

  push(dueAtMs: number, callback: () => void): HeapTimer {
    const entry: Entry = { dueAtMs, callback, sequence: this.#sequence, isPending: true }
    this.#sequence += 1
    this.#pending += 1
    this.#entries.push(entry)
    this.#rise(this.#entries.length - 1)
    return entry
  }

  cancel(timer: HeapTimer): void {
    const entry = timer as Entry
    if (!entry.isPending) return
    entry.isPending = false
    this.#pending -= 1
  }

  peek(): HeapTimer | undefined {
    while (this.#entries[0]?.isPending === false) this.#removeFirst()
    return this.#entries[0]
  }

  pop(): HeapTimer | undefined {
    const first = this.peek() as Entry | undefined
    if (first === undefined) return undefined
    this.#removeFirst()
    first.isPending = false
    this.#pending -= 1
    return first
  }

  #removeFirst(): void {
    const last = this.#entries.pop()
    if (last === undefined || this.#entries.length === 0) return
    this.#entries[0] = last
    this.#sink(0)
  }

  #rise(from: number): void {
    const entries = this.#entries
    let at = from
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if (!isBefore(entries[at]!, entries[parent]!)) return
      ;[entries[at], entries[parent]] = [entries[parent]!, entries[at]!]
      at = parent
    }
  }

  #sink(from: number): void {
    const entries = this.#entries
    let at = from
    for (;;) {
      let first = at
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < entries.length && isBefore(entries[child]!, entries[first]!)) first = child
      }
      if (first === at) return
      ;[entries[at], entries[first]] = [entries[first]!, entries[at]!]
      at = first
    }
  }
}

function isBefore(one: Entry, other: Entry): boolean {
  return one.dueAtMs < other.dueAtMs || (one.dueAtMs === other.dueAtMs && one.sequence < other.sequence)
}
