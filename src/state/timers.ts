/**
 * The timers of one partition of one actor, by when they are due. What they are, and whether they are there at all, is state
 * like any other (`partition-state.ts`); this only knows which is next.
 *
 * A timer is set until it is set again, cancelled, or handled. Taken for firing it stays set: should it be moved or cancelled
 * before its turn comes, it is not the one that is set any more, and must not fire.
 */
import { TroupeError } from '../errors.ts'
import { namePattern, type TimerClock } from './changelog-format.ts'
import { unread, type StateChange, type StateValue } from './state-value.ts'

/** One timer of one key, as it was set. */
export interface SetTimer {
  /** Which of the actor's timers it is: its place among what is kept for a key. */
  readonly at: number
  /** The bytes of its key as latin-1. */
  readonly key: string
  /** Milliseconds since the Unix epoch. */
  readonly dueMs: number
  /** Stream time when it was set; null: it goes by the wall clock. */
  readonly setAtMs: number | null
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

/** When a change makes a timer by stream time come up; null: it makes none. `stateCount`: of what comes before the timers. */
export function streamDueMs({ at, value }: StateChange, stateCount: number): number | null {
  const isOfStream = at >= stateCount && (at - stateCount) % 2 === 0
  return isOfStream && value !== null ? dueTimeOf(value) : null
}

export function dueTimeOf(value: StateValue): number {
  const dueMs = value.live === unread ? Number(Buffer.from(value.payload).toString('latin1')) : value.live
  if (typeof dueMs === 'number' && Number.isFinite(dueMs)) return dueMs
  throw new TroupeError('CHANGELOG_UNREADABLE', 'a timer in the changelog has a time that is no number')
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
  /** It was taken for firing. */
  isTaken: boolean
  /** It stands in the heap. */
  isQueued: boolean
}

export class Timers {
  readonly #set = new Map<string, Entry>()
  /** Those in no queue, though they are set: they were taken, or passed over. */
  readonly #aside = new Set<Entry>()
  /** A binary heap: the first is the next one due. Those that are not set any more, or taken, stay until they come up. */
  #heap: Entry[] = []

  /** How many are set, those included that were taken. */
  get size(): number {
    return this.#set.size
  }

  /** The next in the queue; null: there is none. */
  get nextDueMs(): number | null {
    return this.#first()?.dueMs ?? null
  }

  /** When the first of all that are set is due, those included that were taken or passed over; null: none is set. */
  get earliestDueMs(): number | null {
    let earliest = this.nextDueMs
    for (const { dueMs } of this.#aside) if (earliest === null || dueMs < earliest) earliest = dueMs
    return earliest
  }

  /** Sets it, moves it, or (null) cancels it. `setAtMs`: stream time then, where it is one by stream time. */
  set(at: number, key: string, dueMs: number | null, setAtMs: number | null = null): void {
    const name = nameOf(at, key)
    const before = this.#set.get(name)
    if (before !== undefined) this.#aside.delete(before)
    if (dueMs === null) {
      this.#set.delete(name)
      return
    }
    const entry = { at, key, dueMs, setAtMs, isTaken: false, isQueued: false }
    this.#set.set(name, entry)
    this.#enqueue(entry)
  }

  /** The next one that is due by then, in the order of their times. null: there is none. */
  peek(untilMs: number): SetTimer | null {
    const first = this.#first()
    return first === undefined || first.dueMs > untilMs ? null : first
  }

  /** The same, which is fired, and stays set. */
  take(untilMs: number): SetTimer | null {
    const first = this.#first()
    if (first === undefined || first.dueMs > untilMs) return null
    this.#removeFirst()
    this.#takeAside(first)
    return first
  }

  /** The one of this key that is set and was not taken; null: there is none. */
  find(at: number, key: string): SetTimer | null {
    const entry = this.#set.get(nameOf(at, key))
    return entry === undefined || entry.isTaken ? null : entry
  }

  /** One that was found is fired. */
  takeFound({ at, key }: SetTimer): void {
    const entry = this.#set.get(nameOf(at, key))
    if (entry !== undefined) this.#takeAside(entry)
  }

  /** One that was taken is not fired now. It stands in no queue until `requeue`, but may be found. */
  passOver(timer: SetTimer): void {
    const entry = this.#set.get(nameOf(timer.at, timer.key))
    if (entry === timer) entry.isTaken = false
  }

  /** What was passed over comes up again. */
  requeue(at: number, key: string): void {
    const entry = this.#set.get(nameOf(at, key))
    if (entry?.isTaken === false && !entry.isQueued) this.#enqueue(entry)
  }

  /** Whatever was taken or passed over comes up again. */
  requeueAll(): void {
    for (const entry of [...this.#aside]) {
      entry.isTaken = false
      if (entry.isQueued) this.#aside.delete(entry)
      else this.#enqueue(entry)
    }
  }

  /** Nobody has set it again or cancelled it since it was taken. */
  isSet(timer: SetTimer): boolean {
    return this.#set.get(nameOf(timer.at, timer.key)) === timer
  }

  #first(): Entry | undefined {
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (!first.isTaken && this.isSet(first)) return first
      this.#removeFirst()
    }
    return undefined
  }

  #takeAside(entry: Entry): void {
    entry.isTaken = true
    this.#aside.add(entry)
  }

  #enqueue(entry: Entry): void {
    this.#aside.delete(entry)
    entry.isQueued = true
    this.#heap.push(entry)
    this.#rise(this.#heap.length - 1)
    // One that is moved again and again leaves much behind.
    if (this.#heap.length > 2 * this.#set.size + FEW) this.#sweep()
  }

  #sweep(): void {
    // A sorted list is a heap.
    const [kept, gone]: [Entry[], Entry[]] = [[], []]
    for (const entry of this.#heap) (!entry.isTaken && this.isSet(entry) ? kept : gone).push(entry)
    for (const entry of gone) entry.isQueued = false
    this.#heap = kept.sort((a, b) => (comesBefore(a, b) ? -1 : 1))
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
    heap[0]!.isQueued = false
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

/** Those of one moment by place and key: in which order they were set, nobody knows after a restart. */
export function comesBefore(a: SetTimer, b: SetTimer): boolean {
  if (a.dueMs !== b.dueMs) return a.dueMs < b.dueMs
  return a.at === b.at ? a.key < b.key : a.at < b.at
}

function nameOf(at: number, key: string): string {
  return `${at}/${key}`
}
