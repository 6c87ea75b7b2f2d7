/** Long work in small slices: between two of them the event loop has its turn. */
import type { Clock } from '../../clock.ts'

const SLICE_MS = 4
/** A look at the clock costs more than a step. */
const STEPS_A_LOOK = 32

export class Slices {
  readonly #clock: Clock
  #beganAtMs: number
  #steps = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#beganAtMs = clock.now()
  }

  /** A step was made. true: wait for `next` before another one. */
  step(): boolean {
    this.#steps += 1
    return this.#steps % STEPS_A_LOOK === 0 && this.isOver
  }

  /** The same, where a step is long. */
  get isOver(): boolean {
    return this.#clock.now() - this.#beganAtMs >= SLICE_MS
  }

  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.after(0, () => {
        this.#beganAtMs = this.#clock.now()
        resolve()
      })
    })
  }
}
