/** Types with parts: enums, arrays, maps, unions and records. Counts are bounded by what the bytes can hold, depth by a limit. */
import {
  ArrayType,
  EnumType,
  MapType,
  RecordType,
  UnwrappedUnionType,
  WrappedUnionType,
  type AvroType,
  type AvroUnion,
  type CopyOptions,
  type InvalidHook,
  type Read,
  type Resolver,
  type ResolverOptions,
  type Tap,
  type Write,
} from './avsc-inside.ts'
import { enterRecord, enterWeightless, leastSize, leaveRecord, readCount, skipBlocks } from './limits.ts'
import { kindOf, ours, readText, skipBytes, Unwritable } from './primitives.ts'
import { branchFor, isSameName, readBranch, Unreadable } from './resolving.ts'

export class Enum extends ours(EnumType) {
  // By the type of the entry: `constructor` and its like stand in every object.
  override _check(value: unknown, _flags?: number, hook?: InvalidHook): boolean {
    const fits = typeof value === 'string' && typeof this._indices[value] === 'number'
    if (!fits) hook?.(value, this)
    return fits
  }

  override _write(tap: Tap, value: unknown): void {
    const index = typeof value === 'string' ? this._indices[value] : undefined
    if (typeof index !== 'number') throw new Unwritable(this.reasonAgainst(value))
    tap.writeLong(index)
  }

  reasonAgainst(value: unknown): string | undefined {
    if (this._check(value)) return undefined
    const given = typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : kindOf(value)
    return `${given}, where one of ${this.symbols.slice(0, 20).join(', ')} is written`
  }

  /** A symbol of the writer that is none of ours is the default, or an error of the record that has it. */
  override _update(resolver: Resolver, writer: AvroType, options: ResolverOptions): void {
    if (writer.typeName !== 'enum' || !isSameName(this, writer, options)) return
    const { name, symbols } = writer
    const shown = symbols.map((symbol) => (this.symbols.includes(symbol) ? symbol : this.default))
    resolver._read = (tap) => {
      const index = tap.readLong()
      const symbol = shown[index]
      if (symbol !== undefined) return symbol
      const unknown = symbols[index]
      throw new RangeError(
        unknown === undefined
          ? `enum ${name!} has no symbol ${index} (before byte ${tap.pos})`
          : `${unknown} is no symbol of ours of enum ${name!}, which has no default`,
      )
    }
  }
}

export class List extends ours(ArrayType) {
  reasonAgainst(value: unknown): string | undefined {
    return Array.isArray(value) ? undefined : `${kindOf(value)}, where an array is written`
  }

  override _skip(tap: Tap): void {
    const { itemsType } = this
    skipBlocks(tap, leastSize(itemsType), () => {
      itemsType._skip(tap)
    })
  }

  override _update(resolver: Resolver, writer: AvroType, options: ResolverOptions): void {
    if (writer.typeName !== 'array') return
    const items = within(this, writer, '[]', () => this.itemsType.createResolver(writer.itemsType, options))
    const least = leastSize(writer.itemsType)
    resolver._read = (tap) => {
      let count = readCount(tap, least)
      if (count === 0) return []
      const list = new Array<unknown>(count)
      for (let at = 0; count !== 0; count = readCount(tap, least)) {
        for (; count > 0; count -= 1) list[at++] = items._read!(tap)
      }
      return list
    }
  }
}

export class Dictionary extends ours(MapType) {
  override _skip(tap: Tap): void {
    const { valuesType } = this
    skipBlocks(tap, 1 + leastSize(valuesType), () => {
      skipBytes(tap)
      valuesType._skip(tap)
    })
  }

  override _check(value: unknown, flags?: number, hook?: InvalidHook, path?: string[]): boolean {
    if (this.reasonAgainst(value) === undefined) return super._check(value, flags, hook, path)
    hook?.(value, this)
    return false
  }

  override _write(tap: Tap, value: unknown): void {
    const reason = this.reasonAgainst(value)
    if (reason !== undefined) throw new Unwritable(reason)
    super._write(tap, value)
  }

  reasonAgainst(value: unknown): string | undefined {
    if (!isPlain(value)) return `${kindOf(value)}, where an object is written`
    for (const key in value) {
      if (!key.isWellFormed())
        return `the key ${JSON.stringify(key.slice(0, 40))} is no valid Unicode (half of a surrogate pair)`
    }
    return undefined
  }

  override _update(resolver: Resolver, writer: AvroType, options: ResolverOptions): void {
    if (writer.typeName !== 'map') return
    const values = within(this, writer, '{}', () => this.valuesType.createResolver(writer.valuesType, options))
    const least = 1 + leastSize(writer.valuesType)
    resolver._read = (tap) => {
      const map: Record<string, unknown> = {}
      for (let count = readCount(tap, least); count !== 0; count = readCount(tap, least)) {
        for (; count > 0; count -= 1) set(map, readText(tap), values._read!(tap))
      }
      return map
    }
  }
}

function set(map: Record<string, unknown>, key: string, value: unknown): void {
  if (key !== '__proto__') map[key] = value
  // Assigned it would be the map's prototype.
  else Object.defineProperty(map, key, { value, configurable: true, enumerable: true, writable: true })
}

/** A Map, a Date or bytes would be written as their own properties: mostly none. */
function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return !(value instanceof Map || value instanceof Date || ArrayBuffer.isView(value))
}

/** `[null, X]` in either order: X bare. */
export class Nullable extends ours(UnwrappedUnionType) {
  override _skip(tap: Tap): void {
    skipBranch(this, tap)
  }

  override _check(value: unknown, flags?: number, hook?: InvalidHook, path?: string[]): boolean {
    return value === null || this.types[otherOf(this)]!._check(value, flags, hook, path)
  }

  override _write(tap: Tap, value: unknown): void {
    const other = otherOf(this)
    tap.writeLong(value === null ? 1 - other : other)
    if (value !== null) this.types[other]!._write(tap, value)
  }

  override _copy(value: unknown, options?: CopyOptions): unknown {
    if (options?.wrap === 2) return this.types[0]!._copy(value, options)
    return value === null ? null : this.types[otherOf(this)]!._copy(value, options)
  }

  override _update(resolver: Resolver, writer: AvroType, options: ResolverOptions): void {
    const { resolver: chosen } = branchFor(this.types, writer, options)
    resolver._read = (tap) => chosen._read!(tap)
  }
}

function skipBranch({ types }: AvroType, tap: Tap): void {
  readBranch(tap, types)._skip(tap)
}

/** Which branch is not null. */
function otherOf({ types }: AvroType): 0 | 1 {
  return types[0]!.typeName === 'null' ? 1 : 0
}

/** Every other union: `{ branch: value }`, or null. */
export class Keyed extends ours(WrappedUnionType) {
  override _skip(tap: Tap): void {
    skipBranch(this, tap)
  }

  override _check(value: unknown, _flags?: number, hook?: InvalidHook, path?: string[]): boolean {
    const branch = branchOf(this, value)
    if (branch === undefined) {
      hook?.(value, this)
      return false
    }
    const { branchName: name = '' } = branch
    if (value === null) return true
    path?.push(name)
    const fits = branch._check((value as Record<string, unknown>)[name], _flags, hook, path)
    path?.pop()
    return fits
  }

  override _write(tap: Tap, value: unknown): void {
    const branch = branchOf(this, value)
    if (branch === undefined) throw new Unwritable(this.reasonAgainst(value))
    const { branchName: name = '' } = branch
    tap.writeLong(this._branchIndices[name]!)
    if (value !== null) branch._write(tap, (value as Record<string, unknown>)[name])
  }

  reasonAgainst(value: unknown): string | undefined {
    if (branchOf(this, value) !== undefined) return undefined
    const names = this.types.map(({ branchName }) => (branchName === 'null' ? 'null' : `{ ${quoted(branchName)}: … }`))
    return `${keysOf(value)}, where ${names.slice(0, 20).join(' or ')} is written`
  }

  override _copy(value: unknown, options?: CopyOptions): unknown {
    const branch = options?.wrap === 2 ? this.types[0]! : branchOf(this, value)!
    const { branchName: name = '' } = branch
    if (value === null && name === 'null') return null
    const bare = options?.wrap === 2 ? value : (value as Record<string, unknown>)[name]
    return { [name]: branch._copy(bare, options) }
  }

  override _update(resolver: Resolver, writer: AvroType, options: ResolverOptions): void {
    const { branch, resolver: chosen } = branchFor(this.types, writer, options)
    const { branchName: name = '' } = branch
    resolver._read = name === 'null' ? () => null : (tap) => ({ [name]: chosen._read!(tap) })
  }
}

function branchOf({ _branchIndices, types }: AvroUnion, value: unknown): AvroType | undefined {
  const name = value === null ? 'null' : onlyKey(value)
  if (name === undefined || !Object.hasOwn(_branchIndices, name)) return undefined
  return value !== null && name === 'null' ? undefined : types[_branchIndices[name]!]
}

function onlyKey(value: unknown): string | undefined {
  if (!isPlain(value)) return undefined
  const keys = Object.keys(value)
  return keys.length === 1 ? keys[0] : undefined
}

function keysOf(value: unknown): string {
  if (!isPlain(value)) return kindOf(value)
  const keys = Object.keys(value)
  return keys.length === 0 ? 'an empty object' : `an object of ${keys.slice(0, 5).map(quoted).join(', ')}`
}

function quoted(name = ''): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : `'${name}'`
}

/** A record of the app itself: read as a plain object, written from any object with its fields. */
export class OwnRecord extends ours(RecordType) {
  override _getConstructorName(): string {
    // Not its own name: a record `_a` with a field `a` would name two variables alike.
    return 'Record$'
  }

  /**
   * What it makes has the prototype of plain objects, for nothing: nobody can tell that a constructor made it. Each default
   * is made anew; avsc hands out one Date for all.
   */
  override _createConstructor(): unknown {
    const defaults: (() => unknown)[] = []
    const lines = this.fields.map((field, at) => {
      const { name, type } = field
      if (field.defaultValue() === undefined) return `this.${name} = v${at}`
      defaults.push(() => type._copy(field.defaultValue()))
      return `this.${name} = v${at} === undefined ? defaults[${defaults.length - 1}]() : v${at}`
    })
    const args = this.fields.map((_, at) => `v${at}`).join(', ')
    const body = `return function Record$(${args}) {\n${lines.join('\n')}\n}`
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- names are Avro's, letters and digits; as avsc does it
    const compiled = new Function('defaults', body) as (of: unknown) => { prototype: unknown }
    const made = compiled(defaults)
    made.prototype = Object.prototype
    return made
  }

  /** Records are read by way of a resolver, always. */
  override _createReader(): Read {
    return unused
  }

  override _createSkipper(): (tap: Tap) => void {
    return unused
  }

  override _createWriter(): Write {
    const write = super._createWriter()
    return (tap, value) => {
      if (typeof value !== 'object' || value === null) throw new Unwritable(this.reasonAgainst(value))
      enterRecord()
      write(tap, value)
      leaveRecord()
    }
  }

  reasonAgainst(value: unknown): string | undefined {
    return typeof value === 'object' && value !== null ? undefined : `${kindOf(value)}, where an object is written`
  }

  override _update(resolver: Resolver, writer: AvroType, options: ResolverOptions): void {
    if (writer.typeName !== 'record' && writer.typeName !== 'error') return
    try {
      super._update(resolver, writer, options)
    } catch (error) {
      throw error instanceof Unreadable ? error.within(this, writer, fieldOf(this, error, writer)) : error
    }
    const read = resolver._read!
    const isWeightless = leastSize(writer) === 0
    resolver._read = (tap) => {
      enterRecord()
      if (isWeightless) enterWeightless()
      const value = read(tap)
      leaveRecord()
      return value
    }
  }
}

/** Some fields of a record, which may hold itself: avsc keeps resolvers by names, and those within are whole. */
export class ProjectedRecord extends OwnRecord {
  override _update(resolver: Resolver, writer: AvroType, options: ResolverOptions): void {
    super._update(resolver, writer, { ...options, registry: {} })
  }
}

/** Resolving always ends alike, so the first field of these two types is the one. */
function fieldOf({ fields }: AvroType, { reader, writer: written }: Unreadable, writer: AvroType): string {
  const found = fields.find(({ aliases, name, type }) => {
    const source = writer.fields.find((field) => field.name === name || aliases.includes(field.name))
    return type === reader && source?.type === written
  })
  return found?.name ?? ''
}

function unused(): never {
  throw new Error('records are read as what another schema wrote')
}

/** A record that others have written: known by its fields, and skipped. */
export class WriterRecord extends ours(RecordType) {
  override _getConstructorName(): string {
    return 'Record$'
  }

  override _createConstructor(): unknown {
    return unused
  }

  override _createReader(): Read {
    return unused
  }

  override _createWriter(): Write {
    return unused
  }

  override _createSkipper(): (tap: Tap) => void {
    const skip = super._createSkipper()
    // Known when it is whole, which it is not yet.
    let isWeightless: boolean | undefined
    return (tap) => {
      enterRecord()
      if ((isWeightless ??= leastSize(this) === 0)) enterWeightless()
      skip(tap)
      leaveRecord()
    }
  }
}

function within(reader: AvroType, writer: AvroType, step: string, resolve: () => Resolver): Resolver {
  try {
    return resolve()
  } catch (error) {
    throw error instanceof Unreadable ? error.within(reader, writer, step) : error
  }
}
