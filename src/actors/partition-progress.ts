/**
 * How far one partition actor has come: which of its records are finished, where its position may
 * stand, and when something last went on. What they hold and where they wait is no matter of this.
 */
import type { Clock } from '../clock.ts'
import { OffsetTracker, type TrackerStart } from '../streams/positions/offset-tracker.ts'
import type { ActorStats } from '../metrics/stats.ts'
import type { Invocation } from './invocation.ts'

export interface PartitionProgressOptions {
  readonly start: TrackerStart
  readonly clock: Clock
  readonly actorStats: ActorStats
}

export class PartitionProgress {
  readonly tracker: OffsetTracker
  /** Clock time when an attempt last ended or a record was finished, or the actor was idle. */
  atMs: number
  readonly #clock: Clock
  readonly #actorStats: ActorStats
  #finishedCount = 0
  /** Where the log ended when it was last told. */
  #logEnd = 0
  /** Clock time, while the verdicts of a run are taken. */
  #runAtMs: number | null = null

  constructor({ actorStats, clock, start }: PartitionProgressOptions) {
    this.tracker = new OffsetTracker(start)
    this.#clock = clock
    this.#actorStats = actorStats
    this.atMs = clock.now()
  }

  /** Records finished since the start. */
  get finishedCount(): number {
    return this.#finishedCount
  }

  /** The verdicts of a run are being taken. */
  get isWithinRun(): boolean {
    return this.#runAtMs !== null
  }

  /** What is finished until `endRun` is finished at this time: a look at the clock costs as much as a small handler. */
  beginRun(nowMs: number): void {
    this.#runAtMs = nowMs
  }

  endRun(): void {
    this.#runAtMs = null
  }

  /** The log ends here for now. True: the position has moved there, since nothing is in flight. */
  noteEnd(position: number): boolean {
    this.#logEnd = position
    return this.tracker.isIdle && this.tracker.advanceTo(position)
  }

  /** False: it was finished before. */
  finish({ admittedAtMs, sequence }: Invocation): boolean {
    if (!this.tracker.finish(sequence)) return false
    if (this.#logEnd > 0 && this.tracker.isIdle) this.tracker.advanceTo(this.#logEnd)
    this.#finishedCount += 1
    this.atMs = this.#runAtMs ?? this.#clock.now()
    this.#actorStats.latencySeconds.observe((this.atMs - admittedAtMs) / 1000)
    return true
  }
}
