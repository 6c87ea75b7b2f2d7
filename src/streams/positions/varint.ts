/**
 * Whole numbers from 0 to 2^53 as bytes: seven bits each, low ones first, the eighth says that more
 * follow. By arithmetic, because bit operators end at 2^32.
 */

export interface ByteCursor {
  readonly bytes: Uint8Array
  at: number
}

export function appendVarint(bytes: number[], value: number): void {
  let rest = value
  while (rest >= 128) {
    bytes.push((rest % 128) + 128)
    rest = Math.floor(rest / 128)
  }
  bytes.push(rest)
}

/** Reads on at the cursor. NaN: no number ends within the bytes, or within eight of them. The caller checks the range. */
export function readVarint(cursor: ByteCursor): number {
  let value = 0
  for (let factor = 1; factor <= 2 ** 49; factor *= 128) {
    const byte = cursor.bytes[cursor.at++]
    if (byte === undefined) return NaN
    value += (byte % 128) * factor
    if (byte < 128) return value
  }
  return NaN
}
