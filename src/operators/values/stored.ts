/** How values of a user are kept. */
import { deserialize, serialize } from 'node:v8'
import type { ByteReader, ByteWriter } from './bytes.ts'
import { Unfit } from './unfit.ts'

/**
 * A value of a user, as it is kept: primitives as they are, all else as text or bytes, so that nobody can change it, what
 * cannot be written fails the record that brings it, and each who asks gets one of his own.
 */
export type Stored = string | number | boolean | bigint | null | PlainData | Uint8Array

/** What JSON gives back as it was: it is several times as fast as structured clone. */
class PlainData {
  readonly json: string

  constructor(json: string) {
    this.json = json
  }
}

/** Dates, maps, sets, bytes and bigint come back as what they were. Throws Unfit for what is no data, such as a function. */
export function stored(value: unknown): Stored {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'boolean':
    case 'bigint':
      return value
    default:
      if (value === null) return null
      return isPlain(value, MAX_DEPTH) ? new PlainData(JSON.stringify(value)) : cloned(value)
  }
}

function cloned(value: unknown): Uint8Array {
  try {
    return serialize(value)
  } catch (error) {
    throw new Unfit(value, 'cannot be kept: it is no data', error)
  }
}

export function taken(kept: Stored): unknown {
  if (kept instanceof PlainData) return JSON.parse(kept.json)
  return kept instanceof Uint8Array ? deserialize(kept) : kept
}

/** Deeper values may lead back to themselves. */
const MAX_DEPTH = 20

function isPlain(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0)
    case 'object':
      if (value === null) return true
      if (depth === 0) return false
      return Array.isArray(value) ? isPlainList(value, depth) : isPlainObject(value, depth)
    default:
      return false
  }
}

function isPlainList(list: readonly unknown[], depth: number): boolean {
  // No holes, and nothing beside its items.
  if (Object.keys(list).length !== list.length) return false
  return list.every((item) => isPlain(item, depth - 1))
}

function isPlainObject(value: object, depth: number): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype || 'toJSON' in value || Object.hasOwn(value, '__proto__')) return false
  for (const name in value) if (!isPlain(value[name as keyof typeof value], depth - 1)) return false
  return true
}

const forms = { null: 0, false: 1, true: 2, number: 3, text: 4, bigint: 5, bytes: 6, json: 7 } as const

export function writeStored(kept: Stored, to: ByteWriter): void {
  switch (typeof kept) {
    case 'number':
      to.byte(forms.number)
      to.number(kept)
      break
    case 'string':
      to.byte(forms.text)
      to.text(kept)
      break
    case 'boolean':
      to.byte(kept ? forms.true : forms.false)
      break
    case 'bigint':
      to.byte(forms.bigint)
      to.text(String(kept))
      break
    default:
      writeObject(kept, to)
  }
}

function writeObject(kept: PlainData | Uint8Array | null, to: ByteWriter): void {
  if (kept === null) {
    to.byte(forms.null)
  } else if (kept instanceof PlainData) {
    to.byte(forms.json)
    to.text(kept.json)
  } else {
    to.byte(forms.bytes)
    to.bytes(kept)
  }
}

export function readStored(from: ByteReader): Stored {
  const form = from.byte()
  switch (form) {
    case forms.null:
      return null
    case forms.false:
      return false
    case forms.true:
      return true
    case forms.number:
      return from.number()
    case forms.text:
      return from.text()
    case forms.bigint:
      return BigInt(from.text())
    case forms.bytes:
      return from.bytes()
    case forms.json:
      return new PlainData(from.text())
    default:
      throw new RangeError(`a value is kept in form ${form}, which this version cannot read`)
  }
}
