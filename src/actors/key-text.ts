/**
 * A record's key for people. A key may be a name or an address, and /status, /parked and the log are read by many: so it is
 * shown as the start of its SHA-256, the same in every process, unless `showKeys` says otherwise.
 */
import { keyHash } from '../streams/record-id.ts'

/** null: the record has none. */
export type KeyText = (key: Uint8Array | null) => string | null

const MAX_BYTES = 200

/** As text where it is text, else as hexadecimal bytes. */
export function plainKey(key: Uint8Array | null): string | null {
  if (key === null) return null
  const shown = key.byteLength > MAX_BYTES ? key.subarray(0, MAX_BYTES) : key
  const isCut = shown !== key
  const end = isCut ? '…' : ''
  try {
    // A cut may go through the middle of a character: that one is left out.
    return new TextDecoder('utf-8', { fatal: true }).decode(shown, { stream: isCut }) + end
  } catch {
    return `0x${Buffer.from(shown).toString('hex')}${end}`
  }
}

export function hashedKey(key: Uint8Array | null): string | null {
  return key === null ? null : `sha256:${keyHash(key)}`
}

/** A key itself, or the hash by which it is shown. */
export type KeyChoice = string | Uint8Array | { readonly hash: string }

export function hashOf(key: KeyChoice): string {
  if (typeof key === 'string' || key instanceof Uint8Array) return keyHash(key)
  return key.hash.replace(/^sha256:/i, '').toLowerCase()
}
