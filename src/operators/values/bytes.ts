/** Compact bytes of what operators keep: numbers take as many as they need, texts and bytes say how long they are. */
import { deserialize, serialize } from 'node:v8'

const FIRST_BYTES = 256
/** Below it, whole numbers are written as such, doubled: an odd first byte says that something else follows. */
const INTEGERS_BELOW = 2 ** 52
const DOUBLE = 1

export class ByteWriter {
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES)
  #length = 0

  /** Begins anew. */
  reset(): void {
    this.#length = 0
  }

  /** A copy of what was written. */
  get written(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#length))
  }

  byte(value: number): void {
    this.#make(1)
    this.#bytes[this.#length] = value
    this.#length += 1
  }

  /** Any number. Whole ones from 0 on take a byte for each seven bits, all others nine. */
  number(value: number): void {
    this.#make(9)
    if (Number.isInteger(value) && value >= 0 && value < INTEGERS_BELOW && !Object.is(value, -0)) {
      this.#integer(value * 2)
      return
    }
    this.#bytes[this.#length] = DOUBLE
    this.#bytes.writeDoubleBE(value, this.#length + 1)
    this.#length += 9
  }

  text(value: string): void {
    const bytes = Buffer.byteLength(value)
    this.number(bytes)
    this.#make(bytes)
    this.#length += this.#bytes.write(value, this.#length)
  }

  bytes(value: Uint8Array): void {
    this.number(value.byteLength)
    this.#make(value.byteLength)
    this.#bytes.set(value, this.#length)
    this.#length += value.byteLength
  }

  #integer(value: number): void {
    let left = value
    while (left >= 0x80) {
      this.#bytes[this.#length] = (left % 0x80) | 0x80
      this.#length += 1
      left = Math.floor(left / 0x80)
    }
    this.#bytes[this.#length] = left
    this.#length += 1
  }

  #make(room: number): void {
    if (this.#length + room <= this.#bytes.byteLength) return
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#bytes.byteLength * 2, this.#length + room))
    larger.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = larger
  }
}

export class ByteReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  byte(): number {
    const value = this.#bytes.readUInt8(this.#at)
    this.#at += 1
    return value
  }

  number(): number {
    const first = this.byte()
    if (first === DOUBLE) {
      const value = this.#bytes.readDoubleBE(this.#at)
      this.#at += 8
      return value
    }
    let value = first & 0x7f
    let scale = 0x80
    for (let byte = first; byte >= 0x80; scale *= 0x80) {
      byte = this.byte()
      value += (byte & 0x7f) * scale
    }
    return value / 2
  }

  text(): string {
    const length = this.number()
    const value = this.#bytes.toString('utf8', this.#at, this.#at + length)
    this.#at += length
    return value
  }

  /** A copy: what was read may be kept longer than what it was read from. */
  bytes(): Buffer {
    const length = this.number()
    const value = Buffer.from(this.#bytes.subarray(this.#at, this.#at + length))
    this.#at += length
    return value
  }
}

/**
 * A value of a user, as it is kept: primitives as they are, all else as bytes, so that nobody can change it, what cannot be
 * written fails the record that brings it, and each who asks gets one of his own. The bytes are those of structured clone:
 * dates, maps, sets, bytes and bigint come back as what they were.
 */
export type Stored = string | number | boolean | bigint | null | Uint8Array

/** Throws a DataCloneError for what cannot be written, such as a function. */
export function stored(value: unknown): Stored {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'boolean':
    case 'bigint':
      return value
    default:
      return value === null ? null : serialize(value)
  }
}

export function taken(kept: Stored): unknown {
  return kept instanceof Uint8Array ? deserialize(kept) : kept
}

const forms = { null: 0, false: 1, true: 2, number: 3, text: 4, bigint: 5, bytes: 6 } as const

export function writeStored(kept: Stored, to: ByteWriter): void {
  switch (typeof kept) {
    case 'number':
      to.byte(forms.number)
      to.number(kept)
      break
    case 'string':
      to.byte(forms.text)
      to.text(kept)
      break
    case 'boolean':
      to.byte(kept ? forms.true : forms.false)
      break
    case 'bigint':
      to.byte(forms.bigint)
      to.text(String(kept))
      break
    default:
      to.byte(kept === null ? forms.null : forms.bytes)
      if (kept !== null) to.bytes(kept)
  }
}

export function readStored(from: ByteReader): Stored {
  const form = from.byte()
  switch (form) {
    case forms.null:
      return null
    case forms.false:
      return false
    case forms.true:
      return true
    case forms.number:
      return from.number()
    case forms.text:
      return from.text()
    case forms.bigint:
      return BigInt(from.text())
    case forms.bytes:
      return from.bytes()
    default:
      throw new RangeError(`a value is kept in form ${form}, which this version cannot read`)
  }
}

/** More or less what it takes when it is written. */
export function bytesOf(kept: Stored): number {
  return typeof kept === 'string' ? kept.length + 3 : kept instanceof Uint8Array ? kept.byteLength + 3 : 10
}
