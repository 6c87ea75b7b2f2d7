/**
 * The bytes of entries, off the heap, where the garbage collector does not look at them. They stand one behind the other in
 * chunks of 256 kB; a large entry has a chunk of its own. What is deleted leaves a gap; when a quarter of everything is
 * gaps, the chunk with the most is copied without them and given back, one chunk at a time.
 *
 * An entry is the length of its key, the length of its value (4 bytes each), key and value. It begins at a multiple of 8
 * bytes, and its address is the number of that multiple, counted over all chunks.
 */
import { TroupeError } from '../../../errors.ts'

const UNIT_BYTES = 8
const HEADER_BYTES = 8
const CHUNK_BITS = 15
const CHUNK_UNITS = 1 << CHUNK_BITS
const CHUNK_BYTES = CHUNK_UNITS * UNIT_BYTES
const MOST_CHUNKS = 1 << (32 - CHUNK_BITS)
/** A larger one gets a chunk of its own, so that at most an eighth of a chunk stays empty at its end. */
const MOST_SHARED_UNITS = CHUNK_UNITS / 8
/** Emptied chunks that are kept for the next entries, instead of asking the system again. */
const MOST_SPARE = 4
/** With less there is nothing to be won. */
const LEAST_WASTE_BYTES = CHUNK_BYTES
/** In the word of a key's length. */
const DEAD = 0x8000_0000
/** Below it a native copy takes longer to begin than a loop to end. */
const LOOP_BYTES = 64

interface Chunk {
  readonly bytes: Uint8Array
  /** The same memory. */
  readonly words: Uint32Array
  usedUnits: number
  deadUnits: number
}

export class Arena {
  /** By number, the first bits of an address; null: given back. There is no chunk 0, so no entry has the address 0. */
  readonly #chunks: (Chunk | null)[] = [null]
  readonly #freeNumbers: number[] = []
  readonly #spare: Chunk[] = []
  /** The number of the chunk that the next entry goes to; 0: none yet. */
  #open = 0
  #byteCount = 0
  #deadBytes = 0

  /** Of chunks, gaps included. */
  get byteCount(): number {
    return this.#byteCount
  }

  /** A quarter of everything is gaps: time to compact. */
  get isWasteful(): boolean {
    return this.#deadBytes * 4 > this.#byteCount && this.#deadBytes > LEAST_WASTE_BYTES
  }

  /** Its address. */
  add(key: Uint8Array, value: Uint8Array): number {
    const address = this.#allocate(unitsOf(key.byteLength, value.byteLength))
    const { bytes, words } = this.#chunkOf(address)
    const word = wordOf(address)
    words[word] = key.byteLength
    words[word + 1] = value.byteLength
    const at = word * 4 + HEADER_BYTES
    copyInto(bytes, at, key)
    copyInto(bytes, at + key.byteLength, value)
    return address
  }

  /** In the place of the old value, if it takes as much room. Else nothing is changed, and it says false. */
  overwrite(address: number, value: Uint8Array): boolean {
    const { bytes, words } = this.#chunkOf(address)
    const word = wordOf(address)
    const keyLength = words[word]!
    if (unitsOf(keyLength, value.byteLength) !== unitsOf(keyLength, words[word + 1]!)) return false
    words[word + 1] = value.byteLength
    copyInto(bytes, word * 4 + HEADER_BYTES + keyLength, value)
    return true
  }

  remove(address: number): void {
    const number = address >>> CHUNK_BITS
    const chunk = this.#chunks[number]!
    const word = wordOf(address)
    const units = unitsOf(chunk.words[word]!, chunk.words[word + 1]!)
    chunk.words[word] = chunk.words[word]! | DEAD
    chunk.deadUnits += units
    this.#deadBytes += units * UNIT_BYTES
    if (chunk.deadUnits === chunk.usedUnits && number !== this.#open) this.#giveBack(number)
  }

  hasKey(address: number, key: Uint8Array): boolean {
    const { bytes, words } = this.#chunkOf(address)
    const word = wordOf(address)
    const length = key.byteLength
    if (words[word] !== length) return false
    const at = word * 4 + HEADER_BYTES
    for (let index = 0; index < length; index++) if (bytes[at + index] !== key[index]) return false
    return true
  }

  /** A copy. */
  keyOf(address: number): Buffer {
    const { bytes, words } = this.#chunkOf(address)
    const word = wordOf(address)
    return copyOf(bytes, word * 4 + HEADER_BYTES, words[word]!)
  }

  /** A copy, of its first bytes where it has more than so many. */
  valueOf(address: number, most = Infinity): Buffer {
    const { bytes, words } = this.#chunkOf(address)
    const word = wordOf(address)
    return copyOf(bytes, word * 4 + HEADER_BYTES + words[word]!, Math.min(words[word + 1]!, most))
  }

  /** Asks about its key where it lies: `read` neither keeps nor changes the bytes. */
  readKey<Answer>(address: number, read: (bytes: Uint8Array, at: number, length: number) => Answer): Answer {
    const { bytes, words } = this.#chunkOf(address)
    const word = wordOf(address)
    return read(bytes, word * 4 + HEADER_BYTES, words[word]!)
  }

  /** Gives back the chunk that has the most gaps, and tells where each of its entries is now. */
  compact(onMoved: (from: number, to: number) => void): void {
    const number = this.#mostWasteful()
    const chunk = this.#chunks[number]
    if (chunk == null) return
    const { bytes, usedUnits, words } = chunk
    for (let unit = 0; unit < usedUnits;) {
      const word = unit * 2
      const keyLength = words[word]!
      const units = unitsOf((keyLength & ~DEAD) >>> 0, words[word + 1]!)
      if (keyLength < DEAD) {
        const to = this.#allocate(units)
        copyRange(this.#chunkOf(to).bytes, wordOf(to) * 4, bytes, unit * UNIT_BYTES, units * UNIT_BYTES)
        onMoved(((number << CHUNK_BITS) | unit) >>> 0, to)
      }
      unit += units
    }
    this.#giveBack(number)
  }

  #chunkOf(address: number): Chunk {
    return this.#chunks[address >>> CHUNK_BITS]!
  }

  #allocate(units: number): number {
    if (units > MOST_SHARED_UNITS) return (this.#enlist(units) << CHUNK_BITS) >>> 0
    let open = this.#chunks[this.#open]
    if (open == null || open.usedUnits + units > CHUNK_UNITS) {
      this.#open = this.#enlist(0)
      open = this.#chunks[this.#open]!
    }
    const unit = open.usedUnits
    open.usedUnits += units
    return ((this.#open << CHUNK_BITS) | unit) >>> 0
  }

  /** The number of a new chunk: for one entry of so many units, or, with 0, for many. */
  #enlist(units: number): number {
    const number = this.#freeNumbers.pop() ?? this.#chunks.length
    if (number === MOST_CHUNKS) {
      throw new TroupeError('STORE_FAILED', `the state of one partition takes more than memory can name (32 GB)`)
    }
    const spare = units === 0 ? this.#spare.pop() : undefined
    const chunk = spare ?? newChunk(units === 0 ? CHUNK_UNITS : units)
    chunk.usedUnits = units
    chunk.deadUnits = 0
    this.#chunks[number] = chunk
    this.#byteCount += chunk.bytes.byteLength
    return number
  }

  #giveBack(number: number): void {
    const chunk = this.#chunks[number]!
    this.#chunks[number] = null
    this.#freeNumbers.push(number)
    this.#byteCount -= chunk.bytes.byteLength
    this.#deadBytes -= chunk.deadUnits * UNIT_BYTES
    if (chunk.bytes.byteLength === CHUNK_BYTES && this.#spare.length < MOST_SPARE) this.#spare.push(chunk)
  }

  /** 0: none has any. */
  #mostWasteful(): number {
    let most = 0
    let found = 0
    for (let number = 1; number < this.#chunks.length; number++) {
      const dead = this.#chunks[number]?.deadUnits ?? 0
      if (dead <= most || number === this.#open) continue
      most = dead
      found = number
    }
    return found
  }
}

function newChunk(units: number): Chunk {
  const bytes = new Uint8Array(units * UNIT_BYTES)
  return { bytes, words: new Uint32Array(bytes.buffer), usedUnits: 0, deadUnits: 0 }
}

/** Of an entry. */
function unitsOf(keyLength: number, valueLength: number): number {
  return Math.ceil((HEADER_BYTES + keyLength + valueLength) / UNIT_BYTES)
}

/** Where it begins in its chunk, in words. */
function wordOf(address: number): number {
  return (address & (CHUNK_UNITS - 1)) * (UNIT_BYTES / 4)
}

function copyInto(target: Uint8Array, at: number, source: Uint8Array): void {
  const length = source.byteLength
  if (length > LOOP_BYTES) target.set(source, at)
  else for (let index = 0; index < length; index++) target[at + index] = source[index]!
}

function copyRange(target: Uint8Array, at: number, source: Uint8Array, from: number, length: number): void {
  if (length > LOOP_BYTES) target.set(source.subarray(from, from + length), at)
  else for (let index = 0; index < length; index++) target[at + index] = source[from + index]!
}

function copyOf(source: Uint8Array, from: number, length: number): Buffer {
  const copy = Buffer.allocUnsafe(length)
  copyRange(copy, 0, source, from, length)
  return copy
}
