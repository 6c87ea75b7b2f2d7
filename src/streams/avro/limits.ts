/** What bytes may cost that somebody made up: each bound is of one record, and of what no schema in earnest comes near to. */
import type { AvroType, Tap } from './avsc-inside.ts'

/** Records within records. A schema may hold itself. */
const MAX_DEPTH = 250

/** Items of arrays and maps that take no byte, so that no length of bytes bounds them. */
const MAX_WEIGHTLESS = 10_000

// Of the one record that this thread is at: reading and writing never wait.
let depth = 0
let weightlessLeft = MAX_WEIGHTLESS

export function beginRecord(): void {
  depth = 0
  weightlessLeft = MAX_WEIGHTLESS
}

export function enterRecord(): void {
  depth += 1
  if (depth > MAX_DEPTH) throw new RangeError(`records are nested more than ${MAX_DEPTH} deep`)
}

/** Of a record that takes no byte: there may be any number of them in each other. */
export function enterWeightless(): void {
  weightlessLeft -= 1
  if (weightlessLeft < 0) throw new RangeError(`more than ${MAX_WEIGHTLESS} items that take no bytes`)
}

export function leaveRecord(): void {
  depth -= 1
}

/** A length in bytes that is there. */
export function readLength(tap: Tap): number {
  const length = tap.readLong()
  if (length >= 0 && length <= tap.buf.length - tap.pos) return length
  throw new RangeError(
    `a length of ${length} before byte ${tap.pos}, where ${Math.max(tap.buf.length - tap.pos, 0)} bytes are left`,
  )
}

/** How many items the next block of an array or map has, each of at least so many bytes; 0: there is none. */
export function readCount(tap: Tap, leastSize: number): number {
  let count = tap.readLong()
  if (count < 0) {
    count = -count
    tap.skipLong()
  }
  if (count !== 0) checkCount(tap, count, leastSize)
  return count
}

function checkCount(tap: Tap, count: number, leastSize: number): void {
  const left = tap.buf.length - tap.pos
  if (leastSize === 0) {
    weightlessLeft -= count
    if (weightlessLeft >= 0) return
    throw new RangeError(`more than ${MAX_WEIGHTLESS} items that take no bytes (before byte ${tap.pos})`)
  }
  if (count * leastSize <= left) return
  throw new RangeError(`${count} items before byte ${tap.pos}, where ${Math.max(left, 0)} bytes are left`)
}

/** As `readCount`, for who skips: 0 also behind a block that names its size, and was jumped over. */
export function skipBlocks(tap: Tap, leastSize: number, skipItem: () => void): void {
  for (;;) {
    let count = tap.readLong()
    // NaN: of a number of hundreds of bytes.
    if (count === 0 || Number.isNaN(count)) return
    if (count < 0) {
      const length = readLength(tap)
      tap.pos += length
    } else {
      checkCount(tap, count, leastSize)
      while (count-- > 0) skipItem()
    }
  }
}

const leastSizes = new WeakMap<AvroType, number>()

/** How many bytes a value of this type takes at least. Of a whole type only, not of one that is being parsed. */
export function leastSize(type: AvroType): number {
  const known = leastSizes.get(type)
  if (known !== undefined) return known
  // For one that holds itself directly: it has no value at all.
  leastSizes.set(type, 0)
  const size = measuredSize(type)
  leastSizes.set(type, size)
  return size
}

function measuredSize(type: AvroType): number {
  switch (type.typeName) {
    case 'null':
      return 0
    case 'float':
      return 4
    case 'double':
      return 8
    case 'fixed':
      return type.size
    case 'record':
    case 'error':
      return type.fields.reduce((sum, field) => sum + leastSize(field.type), 0)
    default:
      return 1
  }
}
