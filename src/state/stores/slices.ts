/** Long work in small slices: between two of them the event loop has its turn. */
import type { Clock } from '../../clock.ts'

const SLICE_MS = 4
/** A look at the clock costs more than a step. */
const STEPS_A_LOOK = 32

export class Slices {
  readonly #clock: Clock
  readonly #stepsALook: number
  #beganAtMs: number
  #steps = 0

  /** `stepsALook`: fewer where a step takes long. */
  constructor(clock: Clock, stepsALook = STEPS_A_LOOK) {
    this.#clock = clock
    this.#stepsALook = stepsALook
    this.#beganAtMs = clock.now()
  }

  /** A step was made. true: wait for `next` before another one. */
  step(): boolean {
    this.#steps += 1
    return this.#steps % this.#stepsALook === 0 && this.#clock.now() - this.#beganAtMs >= SLICE_MS
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
