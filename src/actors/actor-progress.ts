/** When something of a partition actor last went on, and how much it has finished. */
import type { Clock } from '../clock.ts'
import type { ActorStats } from '../metrics/stats.ts'

export class ActorProgress {
  /** Clock time when an attempt last ended or a record was finished, or the actor was idle. */
  atMs: number
  readonly #clock: Clock
  readonly #stats: ActorStats
  #finishedCount = 0
  /** Clock time, while the verdicts of a run are taken. */
  #runAtMs: number | null = null

  constructor(clock: Clock, stats: ActorStats) {
    this.#clock = clock
    this.#stats = stats
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

  noteFinished(admittedAtMs: number): void {
    this.#finishedCount += 1
    this.atMs = this.#runAtMs ?? this.#clock.now()
    this.#stats.latencySeconds.observe((this.atMs - admittedAtMs) / 1000)
  }
}
