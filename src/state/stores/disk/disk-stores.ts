/** State on disk: the stores of all partitions that this process has or had, in one environment of LMDB. */
import type { Clock } from '../../../clock.ts'
import { TroupeError } from '../../../errors.ts'
import type { Log } from '../../../log.ts'
import type { StateStore, StorePlace, Stores } from '../../store.ts'
import { readBootId } from './boot-id.ts'
import { DiskStore } from './disk-store.ts'
import { FreeSpace, readFreeBytes, type ReadFreeBytes } from './free-space.ts'
import { decodeRow, isTooOld, ledgerKey, reasonToWipe } from './ledger.ts'
import { asBytes, loadLmdb } from './lmdb.ts'
import { StateDirectory } from './state-directory.ts'
import { Turns } from './turns.ts'

export interface DiskStoresOptions {
  /** Of this process alone. It is made where it is missing. */
  readonly directory: string
  readonly clock: Clock
  readonly log: Log
  /** Given in tests: a machine that has started anew, a disk that is full. */
  readonly bootId?: string | null
  readonly readFreeBytes?: ReadFreeBytes
}

export class DiskStores implements Stores {
  readonly kind = 'disk'
  readonly #options: DiskStoresOptions
  readonly #directory: StateDirectory
  /** Writes and whatever else changes the environment: one after the other, each in a transaction. */
  readonly #turns = new Turns()
  readonly #open = new Map<string, DiskStore>()

  private constructor(options: DiskStoresOptions, directory: StateDirectory) {
    this.#options = options
    this.#directory = directory
  }

  /** Throws OPTIONS_INVALID without the package lmdb, STORE_FAILED when the directory is in use or cannot be written. */
  static async open(options: DiskStoresOptions): Promise<DiskStores> {
    const openLmdb = await loadLmdb()
    const bootId = options.bootId === undefined ? await readBootId() : options.bootId
    return new DiskStores(
      options,
      await StateDirectory.open({ path: options.directory, openLmdb, bootId, log: options.log }),
    )
  }

  async open(place: StorePlace): Promise<StateStore> {
    const key = ledgerKey(place)
    const name = key.toString()
    if (this.#open.has(name)) throw new TroupeError('INTERNAL', `the store of ${name} is open already`)
    const { clock } = this.#options
    const store = await this.#turns.take(() => {
      const { environment, ledger, path } = this.#directory
      const made = new DiskStore({
        place,
        entries: environment.openDB(name, asBytes),
        environment,
        ledger,
        turns: this.#turns,
        freeSpace: new FreeSpace(path, this.#options.readFreeBytes ?? readFreeBytes),
        clock,
        onClose: () => this.#open.delete(name),
      })
      // In the same turn, or a sweep would take it away.
      this.#open.set(name, made)
      return made
    })
    const row = this.#directory.ledger.getBinary(key)
    const reason = row === undefined ? null : reasonToWipe(decodeRow(row), place, clock.wallNow())
    if (reason !== null) {
      const { actor, partition } = place
      const text = `state of ${actor}, partition ${partition}, on disk is wiped and restored from its changelog: ${reason}`
      this.#options.log.warn({ actor, partition, reason }, text)
    }
    // Entries without a row are of a wipe that was not finished.
    if (reason !== null || (row === undefined && store.keyCount > 0)) await store.wipe()
    return store
  }

  /** What is nobody's here, and too old to be gone on with. */
  async sweep(owned: readonly StorePlace[]): Promise<void> {
    const kept = new Set(owned.map((place) => ledgerKey(place).toString()))
    const { clock, log } = this.#options
    for (const { key, value } of [...this.#directory.ledger.getRange()]) {
      const name = Buffer.from(key).toString()
      const row = decodeRow(value)
      if (kept.has(name) || !isTooOld(row, row.deleteRetentionMs, clock.wallNow())) continue
      const isGone = await this.#turns.take(async () => {
        // It may have been opened while this waited for its turn.
        if (this.#open.has(name)) return false
        this.#directory.ledger.removeSync(key)
        await this.#directory.environment.openDB(name, asBytes).drop()
        return true
      })
      if (!isGone) continue
      log.info({ store: name }, `state of ${name} on disk has long been somebody else's, and was thrown away`)
    }
  }

  async close(): Promise<void> {
    for (const store of [...this.#open.values()]) await store.close()
    await this.#turns.take(() => this.#directory.close())
  }
}
