/** One level of options (the app, or one actor) while it is being read. */
import { inspect } from 'node:util'
import { isAnyHandler } from '../actors/handlers/any-handler.ts'
import { nearestName, nearestPath } from './near-miss.ts'
import { envName, flagName } from './names.ts'
import { isPlainObject } from './rules.ts'
import type { OptionRow } from './option-row.ts'

/** Rows of any value: here only the rule knows what a value is. */
export type OptionRows = Readonly<Record<string, OptionRow<unknown>>>

/** A value that goes over what the file says. */
export interface Override {
  readonly value: unknown
  /** Who said so, for the message. */
  readonly from: string
}

export interface LevelOptions {
  readonly rows: OptionRows
  /** Goes before each path in messages: `actors[0].`. */
  readonly prefix: string
  /** Names that are read elsewhere, so that they are offered as near misses too. */
  readonly siblings: readonly string[]
  /** The paths of the other level, and whose they are: `the app`, `an actor`. */
  readonly other: { readonly owner: string; readonly paths: readonly string[] }
  readonly isCli: boolean
  readonly problems: string[]
}

export class OptionLevel {
  readonly values: Map<string, unknown> = new Map()
  /** The paths that somebody set, as against defaults. */
  readonly given: Set<string> = new Set()
  readonly #wrong = new Set<string>()
  readonly #options: LevelOptions

  constructor(options: LevelOptions) {
    this.#options = options
  }

  /** Takes every value from `override`, else from `input`, else from the table; notes what is wrong. */
  read(
    input: Readonly<Record<string, unknown>>,
    override: (path: string, inFile: unknown) => Override | undefined,
  ): void {
    const inFile = new Map<string, unknown>()
    this.#collect(input, '', inFile)
    const rows = Object.entries(this.#options.rows)
    for (const [path, row] of rows) {
      const value = inFile.get(path)
      const chosen = override(path, value) ?? (value === undefined ? undefined : { value, from: '' })
      if (chosen !== undefined) this.#accept(path, row, chosen)
      else if (row.default === undefined) this.report(path, `is required${this.#otherPlaces(path, row)}`)
    }
    // Defaults last: some are lowered to what another option says.
    for (const [path, row] of rows) {
      if (!this.given.has(path) && !this.#wrong.has(path)) this.values.set(path, this.#defaultOf(row))
    }
  }

  /** True when each of these could be read, so that a relation between them means something. */
  areReadable(paths: readonly string[]): boolean {
    return paths.every((path) => !this.#wrong.has(path))
  }

  get prefix(): string {
    return this.#options.prefix
  }

  report(path: string, text: string): void {
    this.#wrong.add(path)
    this.#options.problems.push(`${this.#options.prefix}${path}: ${text}`)
  }

  /** The nested object that the flat paths stand for. */
  shape(): Record<string, unknown> {
    const shape: Record<string, unknown> = {}
    for (const [path, value] of this.values) {
      const [outer = '', inner] = path.split('.')
      shape[outer] = inner === undefined ? value : { ...(shape[outer] as object | undefined), [inner]: value }
    }
    return shape
  }

  /** Flattens what users wrote, and names what no option is called. */
  #collect(input: Readonly<Record<string, unknown>>, outer: string, found: Map<string, unknown>): void {
    const { rows, prefix, problems } = this.#options
    for (const [key, value] of Object.entries(input)) {
      const path = `${outer}${key}`
      if (value === undefined) continue
      if (Object.hasOwn(rows, path)) found.set(path, value)
      else if (!Object.keys(rows).some((known) => known.startsWith(`${path}.`))) {
        problems.push(`${prefix}${path}: ${this.#unknown(key, outer)}`)
      } else if (isPlainObject(value)) this.#collect(value, `${path}.`, found)
      // `rate: null` says of all options below it that there is none, which is what they are by default.
      else if (value === null && this.#areNoneByDefault(`${path}.`)) continue
      else problems.push(`${prefix}${path}: ${printed(value)} is not an object of options`)
    }
  }

  #areNoneByDefault(outer: string): boolean {
    return Object.entries(this.#options.rows).every(([path, row]) => !path.startsWith(outer) || row.default === null)
  }

  #unknown(key: string, outer: string): string {
    const paths = [...Object.keys(this.#options.rows), ...this.#options.siblings]
    const here = paths
      .filter((path) => path.startsWith(outer))
      .map((path) => path.slice(outer.length).split('.')[0] ?? '')
    const near = nearestName(key, here)
    if (near !== null) return `unknown option, did you mean ${this.#options.prefix}${outer}${near}?`
    // The right name at the wrong level: `groupId` beside `kafka` instead of inside, or in an actor.
    const { other, prefix } = this.#options
    const inner = nearestPath(key, paths)
    if (inner !== null) return `unknown option, did you mean ${prefix}${inner}?`
    const elsewhere = nearestPath(key, other.paths)
    return elsewhere === null ? 'unknown option' : `unknown option, did you mean ${elsewhere} of ${other.owner}?`
  }

  #accept(path: string, row: OptionRow<unknown>, { value, from }: Override): void {
    this.given.add(path)
    const result = row.rule.schema.safeParse(value)
    if (result.success) {
      this.values.set(path, result.data)
      return
    }
    // Within an object of named things (client keys, sinks) the name is part of the message.
    const names = (result.error.issues[0]?.path ?? []).filter((part) => typeof part === 'string')
    const culprit = names.reduce<unknown>((whole, part) => (whole as Record<string, unknown>)[part], value)
    const text = names.length > 0 ? (row.rule.entryText ?? row.rule.text) : row.rule.text
    const shown = row.isSecret === true ? `${kindOf(culprit)} that is given` : printed(culprit)
    const source = from === '' ? '' : ` (from ${from})`
    this.#wrong.add(path)
    const where = `${this.#options.prefix}${[path, ...names].join('.')}`
    this.#options.problems.push(`${where}: ${shown} is not ${text}${source}`)
  }

  #otherPlaces(path: string, row: OptionRow<unknown>): string {
    if (this.#options.prefix !== '' || row.isFileOnly === true) return ''
    return `: set it in the app, with ${flagName(path)} or as ${[...(row.env ?? []), envName(path)].join(' or ')}`
  }

  #defaultOf(row: OptionRow<unknown>): unknown {
    const chosen = this.#options.isCli ? (row.cliDefault ?? row.default) : row.default
    const value: unknown = typeof chosen === 'function' ? (chosen as () => unknown)() : chosen
    const sharers = row.sharedBy === undefined || !this.#options.isCli ? undefined : this.values.get(row.sharedBy)
    if (typeof value === 'number' && typeof sharers === 'number') return Math.max(1, Math.floor(value / sharers))
    const limit = row.atMost === undefined ? undefined : this.values.get(row.atMost)
    return typeof value === 'number' && typeof limit === 'number' ? Math.min(value, limit) : value
  }
}

/** A value as a message shows it: short, on one line. */
export function printed(value: unknown, depth = 1): string {
  return inspect(value, {
    depth: isAnyHandler(value) ? -1 : depth,
    breakLength: Infinity,
    maxStringLength: 80,
    maxArrayLength: 5,
  })
}

function kindOf(value: unknown): string {
  return value === null || value === undefined ? String(value) : `the ${typeof value}`
}
