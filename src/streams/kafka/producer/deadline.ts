import type { Clock } from '../../../clock.ts'

/**
 * Until when a write may wait: so long after the last sign that it gets on. A slow line is no failure, and what
 * takes its time is not sent again. Drawn in for good when the producer is to end.
 */
export class Deadline {
  readonly #clock: Clock
  readonly #patienceMs: number
  #atMs: number
  #isDrawnIn = false

  constructor(clock: Clock, patienceMs: number) {
    this.#clock = clock
    this.#patienceMs = patienceMs
    this.#atMs = clock.now() + patienceMs
  }

  get leftMs(): number {
    return this.#atMs - this.#clock.now()
  }

  /** Something was acknowledged. */
  noteProgress(): void {
    if (!this.#isDrawnIn) this.#atMs = this.#clock.now() + this.#patienceMs
  }

  drawIn(leftMs: number): void {
    this.#isDrawnIn = true
    this.#atMs = Math.min(this.#atMs, this.#clock.now() + leftMs)
  }
}
