/** The stores of state that are open here. They know their sizes by themselves: nothing is counted for a metric. */

/** As much of a store as a scrape reads. */
export interface StoreSize {
  /** Entries. */
  readonly keyCount: number
  /** What keys and values take, and what the store needs for them. */
  readonly byteCount: number
}

export interface KeptStore {
  readonly actor: string
  readonly partition: number
  readonly kind: 'memory' | 'disk'
  readonly size: StoreSize
}

export class StateStats {
  readonly #open = new Set<KeptStore>()

  /** What it returns says that the store is closed. */
  begin(kept: KeptStore): () => void {
    this.#open.add(kept)
    return () => {
      this.#open.delete(kept)
    }
  }

  open(): Iterable<KeptStore> {
    return this.#open
  }
}
