/**
 * Where the state of one partition of one actor is kept between checkpoints: what is committed, and nothing else.
 * Memory or disk behind one port; one contract suite runs against both. Keys and values are bytes; what they mean is for
 * `state-key.ts` and the codecs to say.
 */

/** How far a store has come. It is written in one batch with the changes that it speaks of. */
export interface StoreMark {
  /** The next offset of the changelog to be read: all below it is in the store. */
  readonly changelogPosition: number
  /** Stream time of the committed position, milliseconds since the Unix epoch; null: nothing had a time yet. */
  readonly streamTime: number | null
  /** Of the checkpoint that was written last. */
  readonly checkpoint: number
}

/** null: the key is deleted. */
export type Change = readonly [key: Uint8Array, value: Uint8Array | null]

export type StoreEntry = readonly [key: Uint8Array, value: Uint8Array]

/** From `from`, included, up to `to`, excluded, in the order of the bytes. Left out: from the first, to the last. */
export interface KeyRange {
  readonly from?: Uint8Array
  readonly to?: Uint8Array
}

/** Where a walk goes on: for the store that gave it to read. */
export type WalkPlace = number | Uint8Array

export interface WalkStep {
  readonly entries: readonly StoreEntry[]
  /** null: that was the last. */
  readonly next: WalkPlace | null
}

export interface StateStore {
  /** null: nothing was ever written, or it was wiped when it was opened. */
  readonly mark: StoreMark | null
  /** Entries. */
  readonly keyCount: number
  /** Bytes that keys and values take, and what the store needs for them. */
  readonly byteCount: number
  /** Synchronous, since handlers on main ask in the middle of a record. The bytes are the caller's own. */
  get(key: Uint8Array): Uint8Array | undefined
  /**
   * Keys that begin like this are going to be asked for in ranges. Again and again the same is told once. For a store that is
   * empty: else it looks at all of its entries first.
   */
  order(prefix: Uint8Array): void
  /**
   * A copy of what there is in this range, in order, at most `limit`. Costs what it gives where all of the range begins like
   * something that was told to `order`, from the first of those on. Elsewhere in memory it looks at all entries of the store, a
   * third of a second for each million.
   */
  scan(range: KeyRange, limit: number): readonly StoreEntry[]
  /**
   * The next entries in an order of the store's own; at least `limit` while there are as many, and at most some thousands
   * more. Costs what it gives. Of writes in between: an entry that is there all the time comes once or more often.
   */
  walk(from: WalkPlace | null, limit: number): WalkStep
  /**
   * All of it or nothing, with the mark. Gives way to the event loop every few milliseconds; reads in between may see some of
   * it. At most one call at a time. Rejects with STORE_FAILED (disk full, for one): from then on it takes no more, and when
   * it is opened again, it stands where its mark says.
   */
  write(changes: Iterable<Change>, mark: StoreMark): Promise<void>
  /** Forgets everything, the mark too: the changelog is read from its beginning. */
  wipe(): Promise<void>
  close(): Promise<void>
}

/** Of which partition a store is, and of which changelog: another topic id is another state. */
export interface StorePlace {
  readonly groupId: string
  readonly actor: string
  readonly partition: number
  /** null: the brokers do not tell. */
  readonly changelogId: string | null
  /** Tombstones are kept in the changelog for so long, milliseconds: a store that was written longer ago than half of it is wiped. */
  readonly deleteRetentionMs: number
}

/** What makes the stores of a process; closed at its end. */
export interface Stores {
  readonly kind: 'memory' | 'disk'
  open(place: StorePlace): Promise<StateStore>
  /** What a partition left here that belongs to others by now may be thrown away. */
  sweep(owned: readonly StorePlace[]): Promise<void>
  close(): Promise<void>
}
