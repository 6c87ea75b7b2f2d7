/** Schemas that a registry would have, by their ids. */
import type { Codec } from '../../../src/streams/flows/codec.ts'
import type { KnownSchemas, WriterSchema } from '../../../src/streams/flows/contract.ts'
import { avro, type AvroCodec, type AvroOptions } from '../../../src/streams/avro/avro.ts'

export const orders = { topic: 'orders', part: 'value' } as const

export class Registry implements KnownSchemas {
  readonly #writers = new Map<number, WriterSchema>()
  readonly #ids = new Map<string, number>()
  /** What was asked for, in order. */
  readonly asked: (number | string)[] = []

  /** Registers what a codec writes with. Returns the codec, bound. */
  bind<Value>(codec: AvroCodec<Value>): Codec<Value> {
    // Of its own: two codecs of one test write under one subject.
    const ids = new Map<string, number>()
    for (const { schema, subject } of codec.contract.subjectsAt(orders)) {
      const references = schema.references.map(({ name, text }) => ({ name, text }))
      ids.set(subject, this.add(schema.text, { references }))
    }
    return codec.contract.bind(orders, {
      writerOf: (id) => this.writerOf(id),
      idOf: (subject) => {
        this.asked.push(subject)
        return ids.get(subject)!
      },
    })
  }

  /** A codec of any value. */
  codec(schema: object | string, options: AvroOptions<never> = {}): Codec<unknown> {
    return this.bind(avro<unknown>(schema, options))
  }

  /** Returns the id. */
  add(
    schema: unknown,
    given: { subject?: string; references?: WriterSchema['references']; type?: WriterSchema['type'] } = {},
  ): number {
    const id = this.#writers.size + 1
    const text = typeof schema === 'string' ? schema : JSON.stringify(schema)
    this.#writers.set(id, { type: given.type ?? 'AVRO', text, references: given.references ?? [] })
    if (given.subject !== undefined) this.#ids.set(given.subject, id)
    return id
  }

  writerOf(id: number): WriterSchema {
    this.asked.push(id)
    const writer = this.#writers.get(id)
    if (writer === undefined) throw new Error(`no schema ${id}`)
    return writer
  }

  idOf(subject: string): number {
    this.asked.push(subject)
    const id = this.#ids.get(subject)
    if (id === undefined) throw new Error(`nothing under ${subject}`)
    return id
  }
}

/** Bytes that this schema is said to have written. */
export function framed(id: number, ...bytes: readonly (number | readonly number[])[]): Buffer {
  const header = Buffer.alloc(5)
  header.writeInt32BE(id, 1)
  return Buffer.concat([header, Buffer.from(bytes.flat())])
}

/** There and back. */
export function round(schema: object | string, value: unknown, options: AvroOptions<never> = {}): unknown {
  const codec = new Registry().codec(schema, options)
  return codec.decode(codec.encode(value))
}

/** A record of one field. */
export function holding(type: unknown, fallback?: unknown): object {
  const field = fallback === undefined ? { name: 'it', type } : { name: 'it', type, default: fallback }
  return { type: 'record', name: 'com.acme.Holder', fields: [field] }
}
