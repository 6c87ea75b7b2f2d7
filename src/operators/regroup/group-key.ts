/**
 * The keys under which records go on that are regrouped, as bytes: text as UTF-8, so that people can read it. What is no text
 * begins with a byte that UTF-8 never has, so that it is read again as what it was.
 */
import { TroupeError } from '../../errors.ts'
import type { Codec } from '../../streams/flows/contract.ts'

const leads = { bytes: 0xff, number: 0xfe, bigint: 0xfd, boolean: 0xfc } as const

export const groupKey: Codec<unknown> = {
  name: 'group-key',
  encode(key) {
    switch (typeof key) {
      case 'string':
        return Buffer.from(key, 'utf8')
      case 'number':
        if (Number.isFinite(key)) return led(leads.number, String(key))
        break
      case 'bigint':
        return led(leads.bigint, String(key))
      case 'boolean':
        return led(leads.boolean, String(key))
      default:
        if (key instanceof Uint8Array) return Buffer.concat([Uint8Array.of(leads.bytes), key])
    }
    const what = typeof key === 'number' ? String(key) : typeof key
    throw new TroupeError(
      'ENCODE_FAILED',
      `by gives ${what}, which is no key: text, a number, a bigint, a boolean or bytes`,
    )
  },
  decode(bytes) {
    const text = (): string => Buffer.from(bytes.buffer, bytes.byteOffset + 1, bytes.byteLength - 1).toString('latin1')
    switch (bytes[0]) {
      case leads.bytes:
        return bytes.slice(1)
      case leads.number:
        return Number(text())
      case leads.bigint:
        return BigInt(text())
      case leads.boolean:
        return text() === 'true'
      default:
        return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
    }
  },
}

function led(lead: number, text: string): Uint8Array {
  return Buffer.concat([Uint8Array.of(lead), Buffer.from(text, 'latin1')])
}
