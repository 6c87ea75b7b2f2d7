/** A wait that grows with each failure, and that an end cuts short. */
import type { Clock } from '../../../clock.ts'

const FIRST_MS = 100
const MAX_MS = 5_000

export class BackOff {
  readonly #clock: Clock
  #wake: () => void = () => undefined
  #isEnded = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** After so many failures in a row; of 0, one turn of the loop: so that whoever waits for an end comes before the next try. */
  wait(failures: number): Promise<void> {
    if (this.#isEnded) return Promise.resolve()
    const delayMs = failures === 0 ? 0 : Math.min(FIRST_MS * 2 ** (failures - 1), MAX_MS)
    return new Promise((resolve) => {
      const cancel = this.#clock.after(delayMs, resolve)
      this.#wake = () => {
        cancel()
        resolve()
      }
    })
  }

  /** Ends the wait that there is: what it waited for may have changed. */
  cutShort(): void {
    this.#wake()
  }

  end(): void {
    this.#isEnded = true
    this.#wake()
  }
}
