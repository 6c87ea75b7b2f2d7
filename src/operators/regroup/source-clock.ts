/**
 * The time of one partition of an input, for those who read its records by way of a repartition topic: how far it has come,
 * and which partitions of that topic have not heard of it. A record says it to the partition that it goes to; the others need a
 * mark, since what they know is what they wait for.
 */
import type { Said } from './source-header.ts'

export interface SourceClockOptions {
  readonly source: number
  /** Partitions of the repartition topic. */
  readonly targets: number
  /** What a target knows may be behind by less than so much. */
  readonly markEveryMs: number
  /** A record that would move it further at once does not move it; null: each may. */
  readonly maxAdvanceMs: number | null
  /** As the last checkpoint has it; null: no record had a time. */
  readonly streamTimeMs: number | null
}

/** What a record is stamped with. */
export interface Stamp {
  readonly streamTimeMs: number
  readonly isFarFuture: boolean
}

const NO_TIME = -1
const NEVER = -Infinity

export class SourceClock {
  readonly #options: SourceClockOptions
  /** What each target has heard last. */
  readonly #heard: Float64Array
  #streamTimeMs: number
  /** Until then nobody is behind by a step. */
  #lookAtMs = NEVER
  #isIdle = false

  constructor(options: SourceClockOptions) {
    this.#options = options
    this.#streamTimeMs = options.streamTimeMs ?? NO_TIME
    // What was said before a restart is in the topic; that it is said once more changes nothing.
    this.#heard = new Float64Array(options.targets).fill(NEVER)
  }

  get said(): Said {
    return { source: this.#options.source, streamTimeMs: this.#streamTimeMs, isIdle: this.#isIdle }
  }

  /** It had no record with a time yet. */
  get isUnknown(): boolean {
    return this.#streamTimeMs === NO_TIME
  }

  get isIdle(): boolean {
    return this.#isIdle
  }

  /** Takes the next record, in offset order. */
  take(timeMs: number): Stamp {
    if (this.#isIdle) this.#speakAgain()
    const { maxAdvanceMs } = this.#options
    const advanceMs = timeMs - this.#streamTimeMs
    const isFarFuture = maxAdvanceMs !== null && !this.isUnknown && advanceMs > maxAdvanceMs
    if (timeMs >= 0 && advanceMs > 0 && !isFarFuture) this.#streamTimeMs = timeMs
    return { streamTimeMs: this.#streamTimeMs, isFarFuture }
  }

  /** A record goes there, and says how far the time has come. */
  noteHeard(target: number): void {
    this.#heard[target] = this.#streamTimeMs
  }

  /** Those that are behind by a step need a mark each, which they get now. */
  marksDue(): readonly number[] {
    return this.#streamTimeMs < this.#lookAtMs ? none : this.#mark(this.#options.markEveryMs)
  }

  /** The same of those that are behind at all: nothing comes for the moment. */
  marksAtRest(): readonly number[] {
    return this.#mark(Number.MIN_VALUE)
  }

  /** Nothing is to come for now, so nobody need wait for it: all targets hear that. Empty: they have. */
  becomeIdle(): readonly number[] {
    if (this.#isIdle) return none
    this.#isIdle = true
    this.#heard.fill(NEVER)
    return this.#mark(0)
  }

  /** All hear it once more: one that has begun to read since does not believe what was said before. Empty: it is not idle. */
  idleAgain(): readonly number[] {
    if (!this.#isIdle) return none
    this.#heard.fill(NEVER)
    return this.#mark(0)
  }

  /** What was said last did not go out: all hear it again. */
  forgetHeard(): void {
    this.#heard.fill(NEVER)
    this.#lookAtMs = NEVER
  }

  #speakAgain(): void {
    this.#isIdle = false
    this.forgetHeard()
  }

  /** Tells those that are behind by so much. */
  #mark(behindMs: number): readonly number[] {
    const marks: number[] = []
    let leastMs = Infinity
    for (let target = 0; target < this.#heard.length; target += 1) {
      if (this.#streamTimeMs - this.#heard[target]! >= behindMs) {
        this.#heard[target] = this.#streamTimeMs
        marks.push(target)
      }
      leastMs = Math.min(leastMs, this.#heard[target]!)
    }
    this.#lookAtMs = leastMs + this.#options.markEveryMs
    return marks
  }
}

const none: readonly number[] = []
