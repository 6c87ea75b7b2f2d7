/** State of one partition on disk: a database of its own, and a row in the ledger. */
import type { Clock } from '../../../clock.ts'
import { TroupeError, describeError, isTroupeError } from '../../../errors.ts'
import type {
  Change,
  KeyRange,
  StateStore,
  StoreEntry,
  StoreMark,
  StorePlace,
  WalkPlace,
  WalkStep,
} from '../../store.ts'
import { Slices } from '../slices.ts'
import type { FreeSpace } from './free-space.ts'
import { decodeRow, encodeRow, ledgerKey } from './ledger.ts'
import type { Environment, KeptBytes } from './lmdb.ts'
import { LONGEST_KEY, changeList, isLong, listKey, readList } from './long-keys.ts'
import type { Turns } from './turns.ts'

export interface DiskStoreOptions {
  readonly place: StorePlace
  readonly environment: Environment
  readonly entries: KeptBytes
  readonly ledger: KeptBytes
  readonly turns: Turns
  readonly freeSpace: FreeSpace
  readonly clock: Clock
  readonly onClose: () => void
}

export class DiskStore implements StateStore {
  readonly #options: DiskStoreOptions
  readonly #entries: KeptBytes
  readonly #ledgerKey: Buffer
  #mark: StoreMark | null
  /** null: it takes writes. */
  #refusal: TroupeError | null = null

  constructor(options: DiskStoreOptions) {
    this.#options = options
    this.#entries = options.entries
    this.#ledgerKey = ledgerKey(options.place)
    const row = options.ledger.getBinary(this.#ledgerKey)
    this.#mark = row === undefined ? null : decodeRow(row).mark
  }

  get mark(): StoreMark | null {
    return this.#mark
  }

  /** Long keys that begin alike count as one. */
  get keyCount(): number {
    return this.#stats.entryCount
  }

  get byteCount(): number {
    const { overflowPages, pageSize, treeBranchPageCount, treeLeafPageCount } = this.#stats
    return (treeBranchPageCount + treeLeafPageCount + overflowPages) * pageSize
  }

  get(key: Uint8Array): Uint8Array | undefined {
    if (isLong(key)) return this.#readList(key).find(([each]) => Buffer.compare(each, key) === 0)?.[1]
    return this.#entries.getBinary(key)
  }

  order(): void {
    // All of it is.
  }

  scan({ from, to }: KeyRange, limit: number): readonly StoreEntry[] {
    const entries: StoreEntry[] = []
    if (limit <= 0) return entries
    const range = this.#entries.getRange({
      ...(from === undefined ? {} : { start: listKey(from) }),
      // A list may begin below `to` and end above it.
      ...(to === undefined ? {} : { end: listKey(to), inclusiveEnd: true }),
    })
    for (const { key, value } of range) {
      for (const entry of entriesOf(key, value)) {
        if (from !== undefined && Buffer.compare(entry[0], from) < 0) continue
        if (to !== undefined && Buffer.compare(entry[0], to) >= 0) return entries
        entries.push(entry)
        if (entries.length === limit) return entries
      }
    }
    return entries
  }

  walk(from: WalkPlace | null, limit: number): WalkStep {
    const start = from instanceof Uint8Array ? { start: from, exclusiveStart: true } : {}
    const rows = [...this.#entries.getRange({ ...start, limit })]
    const last = rows.at(-1)
    const next = last === undefined || rows.length < limit ? null : last.key
    return { entries: rows.flatMap(({ key, value }) => entriesOf(key, value)), next }
  }

  async write(changes: Iterable<Change>, mark: StoreMark): Promise<void> {
    if (this.#refusal !== null) throw this.#refusal
    const { environment, ledger, turns } = this.#options
    try {
      await turns.take(() =>
        environment.transactionSync(async () => {
          await this.#change(changes)
          ledger.putSync(this.#ledgerKey, encodeRow(this.#rowOf(mark)))
        }),
      )
    } catch (error) {
      this.#refusal = this.#failed(error)
      throw this.#refusal
    }
    this.#mark = mark
  }

  async wipe(): Promise<void> {
    await this.#options.turns.take(() => {
      // The row first: entries without one are wiped when they are found.
      this.#options.ledger.removeSync(this.#ledgerKey)
      this.#entries.clearSync()
    })
    this.#mark = null
    this.#refusal = null
  }

  async close(): Promise<void> {
    this.#refusal = new TroupeError('INTERNAL', `the store of ${this.#ledgerKey.toString()} is closed`)
    // What is being written is written to its end.
    await this.#options.turns.take(this.#options.onClose)
  }

  async #change(changes: Iterable<Change>): Promise<void> {
    const { clock, freeSpace } = this.#options
    const slices = new Slices(clock)
    for (const [key, value] of changes) {
      freeSpace.take(key.byteLength + (value?.byteLength ?? 0))
      this.#changeOne(key, value)
      if (slices.step()) await slices.next()
    }
  }

  #changeOne(key: Uint8Array, value: Uint8Array | null): void {
    const stored = isLong(key) ? changeList(this.#entries.getBinary(listKey(key)), key, value) : value
    if (stored === null) this.#entries.removeSync(listKey(key))
    else this.#entries.putSync(listKey(key), stored as Buffer)
  }

  #readList(key: Uint8Array): StoreEntry[] {
    const list = this.#entries.getBinary(listKey(key))
    return list === undefined ? [] : readList(listKey(key), list)
  }

  #rowOf(mark: StoreMark): Parameters<typeof encodeRow>[0] {
    const { clock, place } = this.#options
    const { changelogId, deleteRetentionMs } = place
    return { mark, changelogId, deleteRetentionMs, writtenAtMs: clock.wallNow() }
  }

  #failed(error: unknown): TroupeError {
    if (isTroupeError(error)) return error
    const { actor, partition } = this.#options.place
    return new TroupeError(
      'STORE_FAILED',
      `state of ${actor}, partition ${partition}, cannot be written to disk: ${describeError(error)}`,
      { cause: error },
    )
  }

  get #stats(): Stats {
    return this.#entries.getStats() as Stats
  }
}

/** What LMDB tells of a database, of which its typings say nothing. */
interface Stats {
  readonly entryCount: number
  readonly pageSize: number
  readonly treeBranchPageCount: number
  readonly treeLeafPageCount: number
  readonly overflowPages: number
}

function entriesOf(key: Uint8Array, value: Uint8Array): readonly StoreEntry[] {
  return key.byteLength === LONGEST_KEY ? readList(key, value) : [[key, value]]
}
