/** Decimals as text, exact: `12.30`, with as many digits behind the point as the scale says. */

/** Of two's complement, the highest byte first. `undefined`: more bytes than so many digits take. */
export function decimalText(bytes: Uint8Array, precision: number, scale: number): string | undefined {
  const unscaled = unscaledOf(bytes, precision)
  if (unscaled === undefined) return undefined
  const isNegative = unscaled < 0
  const all = String(isNegative ? -unscaled : unscaled).padStart(scale + 1, '0')
  const whole = all.slice(0, all.length - scale)
  return `${isNegative ? '-' : ''}${whole}${scale === 0 ? '' : `.${all.slice(-scale)}`}`
}

function unscaledOf(bytes: Uint8Array, precision: number): number | bigint | undefined {
  const { length } = bytes
  if (length === 0) return 0
  if (length <= 6) {
    let value = 0
    for (const byte of bytes) value = value * 256 + byte
    return bytes[0]! >= 0x80 ? value - 256 ** length : value
  }
  // Fixed ones have the sign in front of them; without an end to it a text would cost the square of its length.
  const fill = bytes[0]! >= 0x80 ? 0xff : 0
  let from = 0
  while (from < length - 1 && bytes[from] === fill && bytes[from + 1]! >= 0x80 === fill >= 0x80) from += 1
  if (length - from > sizeOf(precision)) return undefined
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset + from, length - from).toString('hex')
  return BigInt.asIntN(8 * (length - from), BigInt(`0x${hex}`))
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
