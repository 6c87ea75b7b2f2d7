/** Compact bytes of what operators keep: numbers take as many as they need, texts and bytes say how long they are. */

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
