/**
 * Many small values in two buffers, so that a batch crosses a thread by transfer and not by a clone
 * per value: numbers in one Float64Array (lengths among them; exact to 2^53), bytes in one slab.
 * What was put in order is taken in the same order.
 */

export interface Pack {
  readonly numbers: Float64Array<ArrayBuffer>
  readonly slab: Uint8Array<ArrayBuffer>
}

/** Stands for a null value where a length is expected. */
const NULL = -1

export class PackWriter {
  #numbers: Float64Array<ArrayBuffer>
  #numberCount = 0
  #slab: Uint8Array<ArrayBuffer>
  #slabLength = 0

  /** The sizes are a guess; both buffers grow. */
  constructor(numberCount: number, slabBytes: number) {
    this.#numbers = new Float64Array(Math.max(16, numberCount))
    this.#slab = new Uint8Array(Math.max(64, slabBytes))
  }

  putNumber(value: number): void {
    if (this.#numberCount === this.#numbers.length) {
      const larger = new Float64Array(2 * this.#numbers.length)
      larger.set(this.#numbers)
      this.#numbers = larger
    }
    this.#numbers[this.#numberCount] = value
    this.#numberCount += 1
  }

  putBytes(value: Uint8Array | null): void {
    if (value === null) {
      this.putNumber(NULL)
      return
    }
    this.putNumber(value.byteLength)
    this.#reserve(value.byteLength)
    this.#slab.set(value, this.#slabLength)
    this.#slabLength += value.byteLength
  }

  putText(value: string | null): void {
    if (value === null) {
      this.putNumber(NULL)
      return
    }
    // UTF-8 takes at most 3 bytes per UTF-16 unit; for a long text it pays to look how many it are.
    this.#reserve(value.length > 256 ? Buffer.byteLength(value) : value.length * 3)
    const { written } = encoder.encodeInto(value, this.#slab.subarray(this.#slabLength))
    this.putNumber(written)
    this.#slabLength += written
  }

  /** The two buffers, to be transferred; the writer is used up. */
  finish(): Pack {
    return { numbers: this.#numbers, slab: this.#slab }
  }

  #reserve(bytes: number): void {
    const needed = this.#slabLength + bytes
    if (needed <= this.#slab.length) return
    const larger = new Uint8Array(Math.max(needed, 2 * this.#slab.length))
    larger.set(this.#slab.subarray(0, this.#slabLength))
    this.#slab = larger
  }
}

export class PackReader {
  readonly #numbers: Float64Array
  readonly #slab: Buffer
  #numberAt = 0
  #slabAt = 0

  constructor(pack: Pack) {
    this.#numbers = pack.numbers
    this.#slab = Buffer.from(pack.slab.buffer, pack.slab.byteOffset, pack.slab.byteLength)
  }

  takeNumber(): number {
    const value = this.#numbers[this.#numberAt]
    if (value === undefined) throw new Error('a pack ended before its reader did')
    this.#numberAt += 1
    return value
  }

  /** A view into the slab, not a copy: it lives as long as the slab does. */
  takeBytes(): Buffer | null {
    const length = this.takeNumber()
    if (length === NULL) return null
    const bytes = this.#slab.subarray(this.#slabAt, this.#slabAt + length)
    this.#slabAt += length
    return bytes
  }

  takeText(): string | null {
    const length = this.takeNumber()
    if (length === NULL) return null
    const text = this.#slab.toString('utf8', this.#slabAt, this.#slabAt + length)
    this.#slabAt += length
    return text
  }

  takeRequiredText(): string {
    const text = this.takeText()
    if (text === null) throw new Error('a pack has null where a text belongs')
    return text
  }
}

const encoder = new TextEncoder()
