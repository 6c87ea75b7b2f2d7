/** Decimals as text, exact: `12.30`, with as many digits behind the point as the scale says. */

/** Of two's complement, the highest byte first, from `from` to `to`. undefined: more bytes than so many digits take. */
export function decimalText(
  bytes: Buffer,
  from: number,
  to: number,
  precision: number,
  scale: number,
): string | undefined {
  const unscaled = to - from <= 6 ? smallUnscaled(bytes, from, to) : bigUnscaled(bytes, from, to, precision)
  if (unscaled === undefined) return undefined
  const isNegative = unscaled < 0
  const all = String(isNegative ? -unscaled : unscaled).padStart(scale + 1, '0')
  const sign = isNegative ? '-' : ''
  return scale === 0 ? sign + all : `${sign}${all.slice(0, -scale)}.${all.slice(-scale)}`
}

function smallUnscaled(bytes: Buffer, from: number, to: number): number {
  let value = 0
  for (let at = from; at < to; at += 1) value = value * 256 + bytes[at]!
  return to > from && bytes[from]! >= 0x80 ? value - 256 ** (to - from) : value
}

function bigUnscaled(bytes: Buffer, from: number, to: number, precision: number): bigint | undefined {
  // Fixed ones have the sign in front of them; without an end to it a text would cost the square of its length.
  const isNegative = bytes[from]! >= 0x80
  const fill = isNegative ? 0xff : 0
  let first = from
  while (first < to - 1 && bytes[first] === fill && bytes[first + 1]! >= 0x80 === isNegative) first += 1
  const size = to - first
  return size > sizeOf(precision) ? undefined : BigInt.asIntN(8 * size, BigInt(`0x${bytes.toString('hex', first, to)}`))
}

/** How many bytes so many digits, and a sign, take at most. */
function sizeOf(precision: number): number {
  return Math.ceil((precision * Math.log2(10) + 1) / 8)
}

export interface Unscaled {
  readonly value: bigint
}

/** The whole number that stands for this text at this scale; else what is wrong with it. */
export function unscaledOfText(text: string, precision: number, scale: number): Unscaled | string {
  const parts = /^([+-]?)(\d+)(?:\.(\d+))?$/.exec(text)
  if (parts === null) return `${JSON.stringify(text.slice(0, 40))} is no decimal such as "12.30"`
  const [, sign, whole = '', fraction = ''] = parts
  if (!/^0*$/.test(fraction.slice(scale))) {
    return `${text.slice(0, 40)} has more than ${scale} ${scale === 1 ? 'digit' : 'digits'} behind the point`
  }
  const digits = (whole + fraction.slice(0, scale).padEnd(scale, '0')).replace(/^0+(?=\d)/, '')
  if (digits.length > precision && digits !== '0') return `${text.slice(0, 40)} has more than ${precision} digits`
  const value = BigInt(digits)
  return { value: sign === '-' ? -value : value }
}

/** Two's complement, the highest byte first, in as few bytes as it takes, or in so many. */
export function bytesOf(value: bigint, size?: number): Uint8Array {
  const length = size ?? leastBytes(value)
  const hex = BigInt.asUintN(8 * length, value)
    .toString(16)
    .padStart(2 * length, '0')
  return Buffer.from(hex, 'hex')
}

function leastBytes(value: bigint): number {
  const bits = (value < 0n ? -value - 1n : value).toString(2).length
  return value === 0n || value === -1n ? 1 : Math.floor(bits / 8) + 1
}

/** Beyond it a number of this many bytes is not exact. */
const MAX_SMALL = 1e14

/** As `unscaledOfText`, for what most decimals are. undefined: ask that. */
export function smallUnscaledOf(text: string, precision: number, scale: number): number | undefined {
  const { length } = text
  const isNegative = text.charCodeAt(0) === 0x2d
  let value = 0
  let point = -1
  const first = isNegative ? 1 : 0
  for (let at = first; at < length; at += 1) {
    const code = text.charCodeAt(at)
    if (code >= 0x30 && code <= 0x39) value = value * 10 + (code - 0x30)
    else if (code === 0x2e && point === -1 && at > first) point = at
    else return undefined
  }
  const places = point === -1 ? 0 : length - point - 1
  if (length === first || point === length - 1 || places > scale) return undefined
  value *= 10 ** (scale - places)
  if (value >= MAX_SMALL || value >= 10 ** precision) return undefined
  return isNegative ? -value : value
}
