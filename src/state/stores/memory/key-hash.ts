/**
 * 32 bits of a key that is `length` bytes long and begins at `at`: MurmurHash3. The seed is another one in every store, so
 * that nobody can choose keys that meet.
 */
export function keyHash(bytes: Uint8Array, at: number, length: number, seed: number): number {
  let hash = seed
  const end = at + length
  const wordsEnd = end - (length & 3)
  let index = at
  for (; index < wordsEnd; index += 4) {
    const word = bytes[index]! | (bytes[index + 1]! << 8) | (bytes[index + 2]! << 16) | (bytes[index + 3]! << 24)
    hash ^= scrambled(word)
    hash = (hash << 13) | (hash >>> 19)
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0
  }
  if (index < end) {
    let word = 0
    for (let shift = 0; index < end; index++, shift += 8) word |= bytes[index]! << shift
    hash ^= scrambled(word)
  }
  hash ^= length
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

function scrambled(word: number): number {
  const product = Math.imul(word, 0xcc9e2d51)
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593)
}
