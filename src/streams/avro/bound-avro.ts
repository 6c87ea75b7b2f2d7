/**
 * Avro at work in one place: bytes in Confluent's wire format (0, the id of the writer's schema in four bytes, the value). What
 * another schema wrote is compiled once for its id, and kept within bounds.
 */
import { LRUCache } from 'lru-cache'
import type { Codec } from '../flows/codec.ts'
import type { KnownSchemas, WriterSchema } from '../flows/contract.ts'
import type { AvroType, Resolver, ResolverOptions, Tap } from './avsc-inside.ts'
import { beginRecord } from './limits.ts'
import { isReasoning, kindOf } from './primitives.ts'
import { nameOf, Unreadable } from './resolving.ts'
import { jsonOf } from './schema-source.ts'
import { writerType } from './schema-types.ts'
import { primitiveTypes } from './type-mapping.ts'

const MAGIC = 0
const HEADER_SIZE = 5

/** Compiled schemas of writers, in one place on one thread: some 26 kB each. */
const MAX_WRITERS = 500

const FIRST_SCRATCH = 1024
/** Beyond it a scratch is given up after use. */
const MAX_KEPT_SCRATCH = 4 * 2 ** 20

const MAX_SHOWN = 5

interface BoundOptions {
  readonly type: AvroType
  readonly schemas: KnownSchemas
  readonly subjects: readonly { readonly name: string; readonly subject: string }[]
  /** A union of which each branch has a subject: bytes are those of the branch alone. */
  readonly isByBranch: boolean
  readonly cannotWrite: string | undefined
}

export class BoundAvro implements Codec<unknown> {
  readonly name = 'avro'
  readonly #type: AvroType
  readonly #schemas: KnownSchemas
  readonly #cannotWrite: string | undefined
  /** By the branch's name; of one without branches under ''. */
  readonly #written: ReadonlyMap<string, Written>
  readonly #isByBranch: boolean
  readonly #readers = new LRUCache<number, Resolver | Refusal>({ max: MAX_WRITERS })
  // Most records have the same id as the one before.
  #lastId = NaN
  #last: Resolver | undefined
  /** Lent out while something is written. */
  #scratch: Buffer | undefined

  constructor({ cannotWrite, isByBranch, schemas, subjects, type }: BoundOptions) {
    this.#type = type
    this.#schemas = schemas
    this.#cannotWrite = cannotWrite
    this.#isByBranch = isByBranch
    this.#written = new Map(
      subjects.map(({ name, subject }) => {
        const branch = isByBranch ? type.types.find(({ branchName }) => branchName === name)! : type
        return [isByBranch ? name : '', new Written(branch, subject)] as const
      }),
    )
  }

  decode(bytes: Uint8Array): unknown {
    const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    if (buffer.length < HEADER_SIZE || buffer[0] !== MAGIC) throw notFramed(buffer)
    const id = (buffer[1]! << 24) | (buffer[2]! << 16) | (buffer[3]! << 8) | buffer[4]!
    const resolver = id === this.#lastId ? this.#last! : this.#resolverOf(id)
    beginRecord()
    const { offset, value } = this.#type.decode(buffer, HEADER_SIZE, resolver)
    if (offset === buffer.length) return value
    throw new Error(
      offset === -1
        ? `the bytes end before the value does, which schema ${id} wrote`
        : `${buffer.length - offset} bytes are left behind the value, which schema ${id} wrote`,
    )
  }

  #resolverOf(id: number): Resolver {
    if (id < 0) throw new Error(`the bytes name schema ${id}, and no registry has ids below 0`)
    let known = this.#readers.get(id)
    if (known === undefined) {
      known = this.#resolve(id, this.#schemas.writerOf(id))
      this.#readers.set(id, known)
    }
    if (known instanceof Refusal) throw new Error(known.message)
    this.#lastId = id
    this.#last = known
    return known
  }

  #resolve(id: number, { references, text, type }: WriterSchema): Resolver | Refusal {
    if (type !== 'AVRO') return new Refusal(`schema ${id} is ${type}, and not AVRO`)
    let writer: AvroType
    try {
      const before = new Map(references.map((reference) => [reference.name, schemaOf(reference.text)]))
      writer = writerType(schemaOf(text), [...before.values()])
    } catch (error) {
      return new Refusal(`schema ${id} is none that can be read: ${messageOf(error)}`)
    }
    try {
      const options: ResolverOptions = { registry: {}, failures: new Map(), ignoreNamespaces: true }
      const resolver = this.#type.createResolver(writer, options)
      return isBare(writer) ? withoutLength(resolver) : resolver
    } catch (error) {
      const names = `schema ${id} (${nameOf(writer)}) cannot be read as ${nameOf(this.#type)}`
      return new Refusal(`${names}: ${error instanceof Unreadable ? error.message : messageOf(error)}`)
    }
  }

  encode(value: unknown): Uint8Array {
    if (this.#cannotWrite !== undefined) throw new Error(`it cannot be written with this codec: ${this.#cannotWrite}`)
    if (!this.#isByBranch) return this.#write(this.#written.get('')!, value)
    const [name, bare] = onlyEntry(value)
    const written = this.#written.get(name)
    if (written !== undefined) return this.#write(written, bare)
    const names = [...this.#written.keys()].slice(0, 20).map((each) => `{ '${each}': … }`)
    throw new Error(
      `the value is ${kindOf(value)}${name === '' ? '' : ` of '${name}'`}, where ${names.join(' or ')} is written`,
    )
  }

  #write(written: Written, value: unknown): Uint8Array {
    const { type } = written
    const id = (written.id ??= this.#schemas.idOf(written.subject))
    let scratch = this.#scratch ?? Buffer.allocUnsafeSlow(FIRST_SCRATCH)
    this.#scratch = undefined
    let end: number
    try {
      end = encode(type, value, scratch)
      if (end < 0) {
        scratch = Buffer.allocUnsafeSlow(Math.max(2 * scratch.length, scratch.length - end))
        end = encode(type, value, scratch)
      }
    } catch (error) {
      throw explained(type, value, error)
    } finally {
      if (scratch.length <= MAX_KEPT_SCRATCH) this.#scratch = scratch
    }
    const header = written.isBare ? sizeOfLength(scratch) : 0
    scratch[header] = MAGIC
    scratch.writeInt32BE(id, header + 1)
    const bytes = Buffer.allocUnsafe(end - header)
    scratch.copy(bytes, 0, header, end)
    return bytes
  }
}

/** What is written with one schema. */
class Written {
  readonly type: AvroType
  readonly subject: string
  readonly isBare: boolean
  /** Asked for once. */
  id: number | undefined

  constructor(type: AvroType, subject: string) {
    this.type = type
    this.subject = subject
    this.isBare = isBare(type)
  }
}

/** Why nothing can be read that a schema wrote: found once for all records. */
class Refusal {
  readonly message: string

  constructor(message: string) {
    this.message = message
  }
}

/** Confluent's serializers write bytes alone, in no record, without the length that Avro has before them. */
function isBare({ typeName }: AvroType): boolean {
  return typeName === 'bytes'
}

/** Their length is all that is left. */
function withoutLength(resolver: Resolver): Resolver {
  const read = (tap: Tap): unknown => {
    const bare = Object.assign(Object.create(tap) as Tap, { readLong: () => tap.buf.length - tap.pos })
    const value = resolver._read!(bare)
    tap.pos = bare.pos
    return value
  }
  // avsc has frozen it.
  return Object.create(resolver, { _read: { value: read } }) as Resolver
}

/** How many bytes the length takes that was written behind the header. */
function sizeOfLength(scratch: Buffer): number {
  let at = HEADER_SIZE
  while (scratch[at]! >= 0x80) at += 1
  return at + 1 - HEADER_SIZE
}

function encode(type: AvroType, value: unknown, into: Buffer): number {
  beginRecord()
  return type.encode(value, into, HEADER_SIZE)
}

/** Registries give a primitive as JSON, some its bare name. */
function schemaOf(text: string): unknown {
  return Object.hasOwn(primitiveTypes, text) ? text : jsonOf(text)
}

function onlyEntry(value: unknown): readonly [string, unknown] {
  if (typeof value !== 'object' || value === null) return ['', value]
  const entries = Object.entries(value)
  return entries.length === 1 ? entries[0]! : ['', value]
}

function notFramed(buffer: Buffer): Error {
  const begin =
    buffer.length === 0
      ? 'there are none'
      : `they are ${buffer.length}, and begin with 0x${buffer.toString('hex', 0, 5)}`
  return new Error(
    `the bytes are not those of a schema registry's serializer (0, the id of a schema in four bytes, the value): ${begin}`,
  )
}

/** Names each value that does not fit, and its path. Writing itself keeps no path, since it would cost. */
function explained(type: AvroType, value: unknown, error: unknown): unknown {
  const problems: string[] = []
  try {
    type.isValid(value, {
      errorHook(path, wrong, at) {
        const reason = isReasoning(at) ? at.reasonAgainst(wrong) : undefined
        problems.push(`${pathText(path)}${reason ?? `${kindOf(wrong)}, where ${nameOf(at)} is written`}`)
      },
    })
  } catch {
    // Of a value that holds itself, or whose getters throw: the first error says so.
    return error
  }
  if (problems.length === 0) return error
  const more = problems.length > MAX_SHOWN ? `; and ${problems.length - MAX_SHOWN} more` : ''
  return new Error(`${problems.slice(0, MAX_SHOWN).join('; ')}${more}`, { cause: error })
}

/** `items[2].price: ` */
function pathText(path: readonly string[]): string {
  if (path.length === 0) return ''
  const steps = path.map((step, at) => {
    if (/^\d+$/.test(step)) return `[${step}]`
    if (!/^[A-Za-z_$][\w$]*$/.test(step)) return `['${step}']`
    return at === 0 ? step : `.${step}`
  })
  return `${steps.join('')}: `
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
