/** How often something may be started again: at most `max` times within `windowMs`, each after a longer back-off. */
export class RestartPolicy {
  readonly #limits: { readonly max: number; readonly windowMs: number; readonly backoffMs: number }
  #failuresAtMs: number[] = []

  constructor(limits: { readonly max: number; readonly windowMs: number; readonly backoffMs: number }) {
    this.#limits = limits
  }

  /** Notes a failure. Returns how long to wait before the restart; null: it happens too often, escalate. */
  noteFailure(nowMs: number): number | null {
    const { max, windowMs, backoffMs } = this.#limits
    this.#failuresAtMs = this.#failuresAtMs.filter((at) => nowMs - at < windowMs)
    this.#failuresAtMs.push(nowMs)
    const failures = this.#failuresAtMs.length
    return failures > max ? null : backoffMs * 2 ** (failures - 1)
  }

  /** How long to wait before asking again for what is merely away. That is nobody's failure, so it does not count. */
  get outageDelayMs(): number {
    return this.#limits.backoffMs
  }
}
