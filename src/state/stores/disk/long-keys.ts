/**
 * Keys of any length, where LMDB takes 1,978 bytes. Long ones that begin with the same 1,978 bytes share one entry under
 * those, in which they are listed with what follows, in order. So nothing is hashed, and everything is found and comes in the
 * order of the whole keys.
 *
 * A list is, for each key: length of the rest, length of the value (4 bytes each), rest, value.
 */
import type { StoreEntry } from '../../store.ts'

export const LONGEST_KEY = 1_978

/** It is in a list. */
export function isLong(key: Uint8Array): boolean {
  return key.byteLength >= LONGEST_KEY
}

/** What the list is found by. */
export function listKey(key: Uint8Array): Uint8Array {
  return key.subarray(0, LONGEST_KEY)
}

export function readList(start: Uint8Array, bytes: Uint8Array): StoreEntry[] {
  const list = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const entries: StoreEntry[] = []
  for (let at = 0; at < list.byteLength;) {
    const restAt = at + 8
    const valueAt = restAt + list.readUInt32LE(at)
    at = valueAt + list.readUInt32LE(restAt - 4)
    const value = Buffer.from(list.subarray(valueAt, at))
    entries.push([Buffer.concat([start, list.subarray(restAt, valueAt)]), value])
  }
  return entries
}

/** null: nothing is left. */
export function changeList(list: Uint8Array | undefined, key: Uint8Array, value: Uint8Array | null): Buffer | null {
  const start = listKey(key)
  const others = readList(start, list ?? Buffer.alloc(0)).filter(([each]) => Buffer.compare(each, key) !== 0)
  const entries: StoreEntry[] = value === null ? others : [...others, [key, value]]
  if (entries.length === 0) return null
  entries.sort(([one], [other]) => Buffer.compare(one, other))
  return Buffer.concat(
    entries.flatMap(([each, its]) => {
      const lengths = Buffer.alloc(8)
      lengths.writeUInt32LE(each.byteLength - LONGEST_KEY, 0)
      lengths.writeUInt32LE(its.byteLength, 4)
      return [lengths, each.subarray(LONGEST_KEY), its]
    }),
  )
}
