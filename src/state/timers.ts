/**
 * The timers of one partition of one actor, by when they are due. What they are, and whether they are there at all, is state
 * like any other (`partition-state.ts`); this only knows which is next.
 *
 * A timer is set until it is set again, cancelled, or handled. Taken for firing it stays set: should it be moved or cancelled
 * before its turn comes, it is not the one that is set any more, and must not fire.
 */
import { namePattern, type TimerClock } from './changelog-format.ts'

/** One timer of one key, as it was set. */
export interface SetTimer {
  /** Which of the actor's timers it is: its place among what is kept for a key. */
  readonly at: number
  /** The bytes of its key as latin-1. */
  readonly key: string
  /** Milliseconds since the Unix epoch. */
  readonly dueMs: number
}

/** As a handler declares it, with one of the two clocks. */
export interface TimerShape {
  readonly name: string
  readonly clock: TimerClock
}

/** In the order of the places that they have among what is kept for a key. */
export function timerShapes(names: readonly string[]): readonly TimerShape[] {
  return names.flatMap((name) => [
    { name, clock: 'stream' as const },
    { name, clock: 'wall' as const },
  ])
}

/** The place of a timer among what is kept for a key: timers come after the states. -1: there is none of that name. */
export function timerPlace(names: readonly string[], stateCount: number, name: string, clock: TimerClock): number {
  const at = names.indexOf(name)
  return at < 0 ? -1 : stateCount + 2 * at + (clock === 'stream' ? 0 : 1)
}

/** What is wrong with the `timers` of a definition. */
export function problemsOfTimers(timers: unknown, onTimer: unknown): string[] {
  if (timers === undefined) {
    return onTimer === undefined ? [] : [`onTimer: there are no timers; name them: timers: ['reminder']`]
  }
  if (!Array.isArray(timers) || timers.length === 0) {
    return [`timers: it takes a list of names, one at least, as ['reminder']; leave it out where there are none`]
  }
  const names = timers as unknown[]
  const problems = names.flatMap((name, at) => {
    if (typeof name !== 'string' || !namePattern.test(name)) {
      return [`timers[${at}]: no name of a timer: letters, digits, _ and -, a letter first, at most 64`]
    }
    return names.indexOf(name) < at ? [`timers[${at}]: ${name} is there already`] : []
  })
  if (typeof onTimer !== 'function') problems.push('onTimer: it is missing, and timers are of no use without it')
  return problems
}

interface Entry extends SetTimer {
  readonly sequence: number
}

export class Timers {
  readonly #set = new Map<string, Entry>()
  /** A binary heap: the first is the next one due. Those that are not set any more stay until they come up. */
  #heap: Entry[] = []
  #sequence = 0

  /** How many are set, those included that were taken. */
  get size(): number {
    return this.#set.size
  }

  /** The next that was not taken; null: there is none. */
  get nextDueMs(): number | null {
    return this.#first()?.dueMs ?? null
  }

  /** Sets it, moves it, or (null) cancels it. */
  set(at: number, key: string, dueMs: number | null): void {
    const name = nameOf(at, key)
    if (dueMs === null) {
      this.#set.delete(name)
      return
    }
    const entry = { at, key, dueMs, sequence: (this.#sequence += 1) }
    this.#set.set(name, entry)
    this.#heap.push(entry)
    this.#rise(this.#heap.length - 1)
    // One that is moved again and again leaves much behind.
    if (this.#heap.length > 2 * this.#set.size + FEW) this.#sweep()
  }

  /** The next one that is due by then, in the order of their times; it stays set. null: there is none. */
  take(untilMs: number): SetTimer | null {
    const first = this.#first()
    if (first === undefined || first.dueMs > untilMs) return null
    this.#removeFirst()
    return first
  }

  /** Nobody has set it again or cancelled it since it was taken. */
  isSet(timer: SetTimer): boolean {
    return this.#set.get(nameOf(timer.at, timer.key)) === timer
  }

  #first(): Entry | undefined {
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (this.isSet(first)) return first
      this.#removeFirst()
    }
    return undefined
  }

  #sweep(): void {
    // A sorted list is a heap.
    this.#heap = this.#heap.filter((entry) => this.isSet(entry)).sort((a, b) => (comesBefore(a, b) ? -1 : 1))
  }

  #rise(from: number): void {
    const heap = this.#heap
    const entry = heap[from]!
    let at = from
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if (!comesBefore(entry, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = entry
  }

  #removeFirst(): void {
    const heap = this.#heap
    const entry = heap.pop()!
    if (heap.length === 0) return
    let at = 0
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && comesBefore(heap[child + 1]!, heap[child]!)) child += 1
      if (!comesBefore(heap[child]!, entry)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = entry
  }
}

const FEW = 64

/** Those of one moment in the order in which they were set. */
function comesBefore(a: Entry, b: Entry): boolean {
  return a.dueMs === b.dueMs ? a.sequence < b.sequence : a.dueMs < b.dueMs
}

function nameOf(at: number, key: string): string {
  return `${at}/${key}`
}
