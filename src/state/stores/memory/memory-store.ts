/** State in memory: about as fast as a Map, for any number of keys, and nothing of it is seen by the garbage collector. */
import { randomInt } from 'node:crypto'
import type { Clock } from '../../../clock.ts'
import { TroupeError, describeError } from '../../../errors.ts'
import type { Change, KeyRange, StateStore, StoreEntry, StoreMark, Stores, WalkPlace, WalkStep } from '../../store.ts'
import { Slices } from '../slices.ts'
import { Arena } from './arena.ts'
import { FirstEntries } from './first-entries.ts'
import { HashIndex, NO_ADDRESS } from './hash-index.ts'
import { keyHash } from './key-hash.ts'
import { OrderedPart } from './ordered-part.ts'

const HASHES = 2 ** 32

export class MemoryStores implements Stores {
  readonly kind = 'memory'
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  open(): Promise<StateStore> {
    return Promise.resolve(new MemoryStore(this.#clock))
  }

  /** There is nothing that a process before this one could have left. */
  sweep(): Promise<void> {
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

class MemoryStore implements StateStore {
  readonly #clock: Clock
  readonly #seed = randomInt(2 ** 32)
  #arena = new Arena()
  #index = new HashIndex()
  readonly #ordered: OrderedPart[] = []
  #mark: StoreMark | null = null
  #keyCount = 0
  /** null: it takes writes. */
  #refusal: TroupeError | null = null

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get mark(): StoreMark | null {
    return this.#mark
  }

  get keyCount(): number {
    return this.#keyCount
  }

  get byteCount(): number {
    return this.#ordered.reduce((sum, { byteCount }) => sum + byteCount, this.#arena.byteCount + this.#index.byteCount)
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const address = this.#find(this.#hashOf(key), key)
    return address === NO_ADDRESS ? undefined : this.#arena.valueOf(address)
  }

  order(prefix: Uint8Array): void {
    if (this.#ordered.some((part) => part.isOf(prefix))) return
    const part = new OrderedPart(prefix)
    for (const address of this.#addresses()) part.add(this.#arena.keyOf(address))
    this.#ordered.push(part)
  }

  scan(range: KeyRange, limit: number): readonly StoreEntry[] {
    for (const part of this.#ordered) {
      const keys = part.keysIn(range, limit)
      if (keys !== null) return keys.map((key) => [key, this.#arena.valueOf(this.#find(this.#hashOf(key), key))])
    }
    const first = new FirstEntries(this.#arena, range, limit)
    for (const address of this.#addresses()) first.offer(address)
    return first.inOrder()
  }

  walk(from: WalkPlace | null, limit: number): WalkStep {
    const entries: StoreEntry[] = []
    for (let hash = Number(from ?? 0); hash < HASHES;) {
      const { addresses, next } = this.#index.tableFrom(hash)
      for (const address of addresses) entries.push([this.#arena.keyOf(address), this.#arena.valueOf(address)])
      hash = next
      if (entries.length >= limit && next < HASHES) return { entries, next }
    }
    return { entries, next: null }
  }

  async write(changes: Iterable<Change>, mark: StoreMark): Promise<void> {
    if (this.#refusal !== null) throw this.#refusal
    const slices = new Slices(this.#clock)
    try {
      for (const [key, value] of changes) {
        if (value === null) this.#delete(key)
        else this.#set(key, value)
        if (this.#arena.isWasteful) this.#compact()
        if (slices.step()) await slices.next()
      }
    } catch (error) {
      this.#forget()
      this.#refusal = new TroupeError('STORE_FAILED', `state in memory: ${describeError(error)}`, { cause: error })
      throw this.#refusal
    }
    this.#mark = mark
  }

  wipe(): Promise<void> {
    this.#forget()
    this.#refusal = null
    return Promise.resolve()
  }

  close(): Promise<void> {
    this.#forget()
    this.#refusal = new TroupeError('INTERNAL', 'a store of state in memory is closed')
    return Promise.resolve()
  }

  #set(key: Uint8Array, value: Uint8Array): void {
    const hash = this.#hashOf(key)
    const old = this.#find(hash, key)
    if (old === NO_ADDRESS) {
      this.#index.add(hash, this.#arena.add(key, value))
      this.#keyCount += 1
      for (const part of this.#ordered) part.add(key)
    } else if (!this.#arena.overwrite(old, value)) {
      this.#index.move(hash, old, this.#arena.add(key, value))
      this.#arena.remove(old)
    }
  }

  #delete(key: Uint8Array): void {
    const hash = this.#hashOf(key)
    const address = this.#find(hash, key)
    if (address === NO_ADDRESS) return
    this.#index.remove(hash, address)
    this.#arena.remove(address)
    this.#keyCount -= 1
    for (const part of this.#ordered) part.remove(key)
  }

  *#addresses(): Generator<number> {
    for (let hash = 0; hash < HASHES;) {
      const { addresses, next } = this.#index.tableFrom(hash)
      yield* addresses
      hash = next
    }
  }

  #compact(): void {
    this.#arena.compact((from, to) => {
      const hash = this.#arena.readKey(to, (bytes, at, length) => keyHash(bytes, at, length, this.#seed))
      this.#index.move(hash, from, to)
    })
  }

  #find(hash: number, key: Uint8Array): number {
    return this.#index.find(hash, this.#isEntry, key)
  }

  readonly #isEntry = (address: number, key: Uint8Array): boolean => this.#arena.hasKey(address, key)

  #hashOf(key: Uint8Array): number {
    return keyHash(key, 0, key.byteLength, this.#seed)
  }

  #forget(): void {
    this.#arena = new Arena()
    this.#index = new HashIndex()
    for (const part of this.#ordered) part.clear()
    this.#mark = null
    this.#keyCount = 0
  }
}
