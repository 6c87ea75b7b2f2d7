/** Integers in JSON that a JavaScript number cannot hold. It runs per record, so most documents are told by a few of their bytes. */
import { randomUUID } from 'node:crypto'

export interface WideInteger {
  readonly digits: string
  /** Its first byte, and the one behind its last. */
  readonly from: number
  readonly to: number
}

/** Of the least one, 2^53. */
const WIDE_DIGITS = 16

const ZERO = 0x30
const NINE = 0x39
const QUOTE = 0x22
const BACKSLASH = 0x5c
const MINUS = 0x2d

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE
}

/** True if some number is written with so many digits; now and then also if they stand in a text, or are a fraction. */
export function mayHoldWideInteger(bytes: Uint8Array): boolean {
  // So many digits in a row cover every sixteenth byte, and with it one of the two that are eight away.
  for (let at = WIDE_DIGITS - 1; at < bytes.length; at += WIDE_DIGITS) {
    const byte = bytes[at]!
    if (byte < ZERO || byte > NINE) continue
    if (!isDigit(bytes[at - 8]) && !isDigit(bytes[at + 8])) continue
    let from = at
    while (isDigit(bytes[from - 1])) from -= 1
    let to = at + 1
    while (isDigit(bytes[to])) to += 1
    if (to - from >= WIDE_DIGITS && canStandBeforeNumber(bytes[from - 1])) return true
    // Behind them all: what each look reads again would make a long run cost its square. No digit stands at `to`.
    at = to
  }
  return false
}

/** Nothing, `[`, `,`, `:`, a minus or white space. Digits behind anything else are no integer. */
function canStandBeforeNumber(byte: number | undefined): boolean {
  return byte === undefined || byte <= 0x20 || byte === 0x2c || byte === 0x3a || byte === 0x5b || byte === MINUS
}

/** All of them, in order. `bytes` are known to be JSON. */
export function wideIntegers(bytes: Uint8Array): readonly WideInteger[] {
  const found: WideInteger[] = []
  for (let at = 0; at < bytes.length;) {
    const byte = bytes[at]!
    if (byte === QUOTE) at = endOfText(bytes, at)
    else if (byte === MINUS || isDigit(byte)) {
      const from = at
      do at += 1
      while (isDigit(bytes[at]))
      const isInteger = !isPartOfNumber(bytes[at])
      while (isPartOfNumber(bytes[at])) at += 1
      if (!isInteger || at - from < WIDE_DIGITS) continue
      const digits = Buffer.from(bytes.buffer, bytes.byteOffset + from, at - from).toString('latin1')
      if (!Number.isSafeInteger(Number(digits))) found.push({ digits, from, to: at })
    } else at += 1
  }
  return found
}

/** A digit, or what stands between digits of a number that is no integer: `.`, `e`, `E`, and its signs. */
function isPartOfNumber(byte: number | undefined): boolean {
  return isDigit(byte) || byte === 0x2e || byte === 0x65 || byte === 0x45 || byte === 0x2b || byte === MINUS
}

function endOfText(bytes: Uint8Array, quote: number): number {
  let at = quote + 1
  while (bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1
  return at + 1
}

/** No document knows it, so none can hold a text that passes for a number of ours. */
const MARK = `${randomUUID()}:`

/** The document's value, with these integers as bigints. */
export function withBigInts(bytes: Uint8Array, wide: readonly WideInteger[]): unknown {
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const pieces: string[] = []
  let at = 0
  for (const { digits, from, to } of wide) {
    pieces.push(source.toString('utf8', at, from), `"${MARK}${digits}"`)
    at = to
  }
  pieces.push(source.toString('utf8', at))
  // Within an array, so that every value is an entry. No reviver: it would take stack for each level.
  const root: unknown[] = [JSON.parse(pieces.join(''))]
  const left: object[] = [root]
  for (let holder = left.pop(); holder !== undefined; holder = left.pop()) {
    for (const key of Object.keys(holder)) {
      const value: unknown = Reflect.get(holder, key)
      if (typeof value === 'string' && value.startsWith(MARK))
        Reflect.set(holder, key, BigInt(value.slice(MARK.length)))
      else if (typeof value === 'object' && value !== null) left.push(value)
    }
  }
  return root[0]
}
