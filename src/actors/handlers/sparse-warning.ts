/** A warning that is told once a minute at most: what fails once fails often, and must neither go by in silence nor flood the log. */
import type { Clock } from '../../clock.ts'
import type { Log } from '../../log.ts'

const INTERVAL_MS = 60_000

export class SparseWarning {
  readonly #clock: Clock
  readonly #log: Log
  #toldAtMs = Number.NEGATIVE_INFINITY

  constructor({ clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = clock
    this.#log = log
  }

  tell(fields: object, message: string): void {
    const nowMs = this.#clock.now()
    if (nowMs - this.#toldAtMs < INTERVAL_MS) return
    this.#toldAtMs = nowMs
    this.#log.warn(fields, message)
  }
}
