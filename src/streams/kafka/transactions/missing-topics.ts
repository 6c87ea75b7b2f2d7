/** Tells a topic that is gone from one that the brokers do not know just now: one that was there is only gone when it stays away. */

const PATIENCE_MS = 30_000

export class MissingTopics {
  /** Those that were there, and since when (clock time) they are missing; null: they are not. */
  readonly #seen = new Map<string, number | null>()

  noteSeen(topic: string): void {
    this.#seen.set(topic, null)
  }

  /** The brokers do not know it. */
  isGone(topic: string, nowMs: number): boolean {
    const since = this.#seen.get(topic)
    if (since === undefined) return true
    // Nobody has asked for it for long: what was seen then says nothing of now.
    if (since === null || nowMs - since >= 2 * PATIENCE_MS) {
      this.#seen.set(topic, nowMs)
      return false
    }
    return nowMs - since >= PATIENCE_MS
  }
}
