/**
 * How what one schema wrote is read as another, where avsc has it otherwise: it refuses a writer's union as a whole for one
 * branch that cannot be read, so that records are lost that hold another; and its errors say no place.
 */
import { isUnion, type AvroType, type Read, type Resolver, type ResolverOptions, type Tap } from './avsc-inside.ts'
import type { LogicalAttributes } from './type-mapping.ts'

/** The reader cannot read what the writer may have written; `path` leads to the place. */
export class Unreadable extends Error {
  override readonly name = 'Unreadable'
  readonly reader: AvroType
  readonly writer: AvroType
  readonly reason: string
  readonly path: readonly string[]

  constructor(reader: AvroType, writer: AvroType, reason: string, path: readonly string[]) {
    super(`${path.length === 0 ? '' : `${path.join('')}: `}${reason}`)
    this.reader = reader
    this.writer = writer
    this.reason = reason
    this.path = path
  }

  /** The same, told of what holds these two. */
  within(reader: AvroType, writer: AvroType, step: string): Unreadable {
    const [first = ''] = this.path
    const joint = step === '' || first === '' || first.startsWith('[') ? '' : '.'
    const path = step === '' ? this.path : [step, joint, ...this.path].filter((part) => part !== '')
    return new Unreadable(reader, writer, this.reason, path)
  }
}

/** Of a union: one that reads each branch as it can. */
class UnionResolver implements Resolver {
  readonly _readerType: AvroType
  _read: Read
  itemsType = null
  valuesType = null
  size = 0

  constructor(reader: AvroType, read: Read) {
    this._readerType = reader
    this._read = read
  }

  _peek(tap: Tap): unknown {
    const { pos } = tap
    const value = this._read(tap)
    tap.pos = pos
    return value
  }
}

/** `createResolver` of every type of ours; `ofOne` is avsc's own. */
export function resolved(
  reader: AvroType,
  writer: AvroType,
  options: ResolverOptions,
  ofOne: (writer: AvroType) => Resolver,
): Resolver {
  const { failures, registry } = options
  const failed = failures.get(reader)?.get(writer)
  if (failed !== undefined) throw failed
  try {
    return isUnion(writer) ? branchByBranch(reader, writer, options) : ofOne(writer)
  } catch (error) {
    // avsc keeps what it began, and would hand it out as if it were done.
    // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- a registry of avsc's, by names
    if (reader.name !== undefined) delete registry[`${reader.name}:${writer.name}`]
    const failure = unreadable(reader, writer, error)
    const ofReader = failures.get(reader) ?? new Map<AvroType, Error>()
    failures.set(reader, ofReader.set(writer, failure))
    throw failure
  }
}

function unreadable(reader: AvroType, writer: AvroType, error: unknown): Unreadable {
  if (error instanceof Unreadable) return error
  return new Unreadable(reader, writer, `${nameOf(writer)} cannot be read as ${nameOf(reader)}${because(error)}`, [])
}

function because(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  if (message.startsWith('cannot read ')) return ''
  if (message.startsWith('no alias found')) return ': their names differ, and it is none of the aliases'
  const missing = /^no matching field for default-less (?:.*)\.([^.]+)$/.exec(message)
  return missing === null ? `: ${message}` : `: the writer has no field ${missing[1]!}, and ours has no default`
}

function branchByBranch(reader: AvroType, writer: AvroType, options: ResolverOptions): Resolver {
  const failures: unknown[] = []
  const branches = writer.types.map((branch): Pick<Resolver, '_read'> => {
    try {
      return reader.createResolver(branch, options)
    } catch (error) {
      failures.push(error)
      return { _read: () => refuse(error) }
    }
  })
  if (failures.length === branches.length) throw failures[0]
  return new UnionResolver(reader, (tap) => readBranch(tap, branches)._read!(tap))
}

/** The branch whose index stands there. */
export function readBranch<Branch>(tap: Tap, branches: readonly Branch[]): Branch {
  const index = tap.readLong()
  const branch = branches[index]
  if (branch === undefined) throw new RangeError(`a union has no branch ${index} (before byte ${tap.pos})`)
  return branch
}

function refuse(error: unknown): never {
  throw error
}

/** The branch of a reader's union that reads what this writer wrote: the same type if there is one, else the first that can. */
export function branchFor(
  branches: readonly AvroType[],
  writer: AvroType,
  options: ResolverOptions,
): { readonly branch: AvroType; readonly resolver: Resolver } {
  const failures: unknown[] = []
  for (const branch of [...branches].sort((one, other) => distance(one, writer) - distance(other, writer))) {
    try {
      return { branch, resolver: branch.createResolver(writer, options) }
    } catch (error) {
      failures.push(error)
    }
  }
  throw failures[0]
}

/** 0: the same type. Sorting keeps the order of those that are equally far. */
function distance(branch: AvroType, writer: AvroType): number {
  if (branch.typeName !== writer.typeName) return 2
  return branch.name === writer.name ? 0 : 1
}

/** For people. */
export function nameOf(type: AvroType): string {
  if (isUnion(type)) return `union of ${type.types.map(nameOf).join(', ')}`
  if ('logical' in type) return `${type.typeName} ${String((type.logical as LogicalAttributes).logicalType)}`
  return type.name === undefined ? type.typeName : `${type.typeName} ${type.name}`
}

/** By its name, or one that the reader says it had. */
export function isSameName(reader: AvroType, writer: AvroType, { ignoreNamespaces }: ResolverOptions): boolean {
  if (writer.name === undefined) return true
  const short = (name: string): string => (ignoreNamespaces ? name.slice(name.lastIndexOf('.') + 1) : name)
  return [reader.name!, ...(reader.aliases ?? [])].some((name) => short(name) === short(writer.name!))
}
