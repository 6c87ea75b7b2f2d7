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
  /** It has the rows of this topic, of which the changelog gets none; missing: it is the handler's own. */
  readonly table?: string
}
