/**
 * Writes what `JSON.stringify` writes, and besides: of any number of levels (it takes no stack), with bigints
 * where they are allowed, and with an error that names the place for what JSON cannot say. Slower, so it is asked
 * where `JSON.stringify` fails, or may have written null for a number.
 */

/** An array or object that is being written. */
interface Level {
  readonly value: object
  /** null: an array. */
  readonly keys: readonly string[] | null
  readonly length: number
  /** Of the next entry. */
  at: number
  isEmpty: boolean
}

const FIRST_LEVELS = 20

export class JsonWriter {
  readonly #takesBigInts: boolean

  constructor(takesBigInts: boolean) {
    this.#takesBigInts = takesBigInts
  }

  /** undefined: the value is none for JSON (a function, a symbol, undefined). */
  write(root: unknown): string | undefined {
    const levels: Level[] = []
    const open = new Set<object>()
    let text = this.#begin(prepared(root, '', levels), levels, open)
    if (text === undefined) return undefined
    for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
      const { keys, length, value } = level
      if (level.at === length) {
        text += keys === null ? ']' : '}'
        open.delete(value)
        levels.pop()
        continue
      }
      const key = keys === null ? String(level.at) : keys[level.at]!
      level.at += 1
      const entry = this.#begin(prepared(Reflect.get(value, key), key, levels), levels, open)
      if (entry === undefined && keys !== null) continue
      text += level.isEmpty ? '' : ','
      text += keys === null ? '' : `${JSON.stringify(key)}:`
      text += entry ?? 'null'
      level.isEmpty = false
    }
    return text
  }

  /** The text of a value, or of its beginning where it has entries: it is the last level then. */
  #begin(value: unknown, levels: Level[], open: Set<object>): string | undefined {
    switch (typeof value) {
      case 'string':
      case 'boolean':
        return JSON.stringify(value)
      case 'number':
        if (!Number.isFinite(value)) throw new TypeError(`${placeOf(levels)} is ${value}, which JSON has no number for`)
        return String(value)
      case 'bigint':
        if (this.#takesBigInts) return String(value)
        throw new TypeError(`${placeOf(levels)} is a bigint, which json({ unsafeIntegers: 'bigint' }) writes`)
      case 'object': {
        if (value === null) return 'null'
        if (open.has(value)) throw new TypeError(`${placeOf(levels)} leads back to what it is in`)
        open.add(value)
        const keys = Array.isArray(value) ? null : Object.keys(value)
        const length = keys === null ? (value as readonly unknown[]).length : keys.length
        levels.push({ value, keys, length, at: 0, isEmpty: true })
        return keys === null ? '[' : '{'
      }
      default:
        return undefined
    }
  }
}

/** The value as `JSON.stringify` takes it: what its `toJSON` says, and out of its box. */
function prepared(value: unknown, key: string, levels: readonly Level[]): unknown {
  if (value instanceof Date && Number.isNaN(value.getTime())) {
    throw new TypeError(`${placeOf(levels)} is no valid date`)
  }
  let taken = value
  if ((typeof value === 'object' && value !== null) || typeof value === 'bigint') {
    const toJson = (value as { readonly toJSON?: unknown }).toJSON
    if (typeof toJson === 'function') taken = toJson.call(value, key) as unknown
  }
  if (taken instanceof Number || taken instanceof String || taken instanceof Boolean || taken instanceof BigInt) {
    return taken.valueOf()
  }
  return taken
}

/** `items[1].price`: the entry that each open level is at. */
function placeOf(levels: readonly Level[]): string {
  const shown = levels.slice(0, FIRST_LEVELS)
  const path = shown.map(({ keys, at }) => (keys === null ? `[${at - 1}]` : `.${keys[at - 1]}`)).join('')
  if (path === '') return 'the value'
  return path.replace(/^\./, '') + (shown.length < levels.length ? '…' : '')
}

/** As a value, not within a word: `"nullable"` costs no look at the whole document. */
const NULL_VALUE = /(?:^|[:[,])null/

/** A value as JSON. Throws for what JSON cannot say, by the name of its place. */
export function jsonText(value: unknown, writer: JsonWriter): string {
  if (typeof value === 'number' && Number.isFinite(value)) return String(value)
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch {
    // A bigint, a cycle, or more levels than the stack has room for. On threads it has room for more: the
    // writer has none of its own, so that a document is written wherever the handler runs.
    text = writer.write(value)
  }
  // NaN and its like become null, and only null.
  if (text?.includes('null') === true && NULL_VALUE.test(text) && mayHoldNoNumber(value)) text = writer.write(value)
  if (text === undefined) throw new TypeError(`${typeof value} is no JSON value`)
  return text
}

/** Whether something in it may be a number for which JSON has none, or a date that is none. What has a `toJSON` may. */
function mayHoldNoNumber(root: unknown): boolean {
  const left: unknown[] = [root]
  while (left.length > 0) {
    const value = left.pop()
    if (typeof value === 'number') {
      if (!Number.isFinite(value)) return true
    } else if (typeof value === 'object' && value !== null) {
      if (value instanceof Date) {
        if (Number.isNaN(value.getTime())) return true
      } else if (value instanceof Number || 'toJSON' in value) return true
      else for (const key in value) left.push((value as Readonly<Record<string, unknown>>)[key])
    }
  }
  return false
}
