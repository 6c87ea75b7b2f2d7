/**
 * How long two threads take to wake each other up, from what round trips take beside the work: from just before the task
 * is posted until main sees the reply. Whatever else goes on only makes one longer (the posting itself, main is busy and
 * does not see the reply, the machine is), so the quickest of some is the nearest to the truth.
 */
const ROUND_TRIPS = 16

export class WakeEstimate {
  #ms: number | null = null
  #quickest = Number.POSITIVE_INFINITY
  #noted = 0

  /** Milliseconds there and back; null: nothing was noted yet. */
  get ms(): number | null {
    return this.#ms
  }

  note(ms: number): void {
    this.#quickest = Math.min(this.#quickest, Math.max(0, ms))
    this.#noted += 1
    if (this.#noted < ROUND_TRIPS) {
      this.#ms = Math.min(this.#ms ?? Number.POSITIVE_INFINITY, this.#quickest)
      return
    }
    this.#ms = this.#quickest
    this.#quickest = Number.POSITIVE_INFINITY
    this.#noted = 0
  }
}
