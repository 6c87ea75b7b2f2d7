/** What others than its handler know of a state: plain data, which crosses from threads. */
export interface StateShape {
  /** Given by the handler, and a part of each key in its changelog. */
  readonly name: string
  /** By name. */
  readonly codec: string
  /** Stream time after which a value that was not set again is gone; null: it stays. */
  readonly ttlMs: number | null
  /** Most bytes that a key and its value take in the changelog. */
  readonly maxBytes: number
}
