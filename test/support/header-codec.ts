/**
 * A codec whose schemas a registry keeps, in a few lines: 4 bytes are the id, the rest is JSON. What it is read with says
 * `{"id":17}`, so a test sees that it was asked for the right one.
 */
import type { Codec } from '../../src/streams/flows/codec.ts'
import type { KnownSchemas, OwnSchema, Place } from '../../src/streams/flows/contract.ts'

export interface Headed {
  readonly body: unknown
  /** By which schema it was read. */
  readonly schema: string
}

const ownSchema: OwnSchema = { type: 'JSON', name: 'test.Headed', text: '{}', references: [] }

export function headed(): Codec<Headed> {
  const unbound = (): never => {
    throw new Error('a codec with a contract does nothing before it is bound')
  }
  return {
    name: 'headed',
    decode: unbound,
    encode: unbound,
    contract: { subjectsAt: (place) => [{ subject: subjectOf(place), schema: ownSchema }], bind },
  }
}

export function withId(id: number, body: unknown): Buffer {
  const bytes = Buffer.from(`    ${JSON.stringify(body)}`)
  bytes.writeUInt32BE(id)
  return bytes
}

function subjectOf({ part, topic }: Place): string {
  return `${topic}-${part}`
}

function bind(place: Place, schemas: KnownSchemas): Codec<Headed> {
  return {
    name: 'headed',
    decode(given) {
      const bytes = Buffer.from(given.buffer, given.byteOffset, given.byteLength)
      const { text } = schemas.writerOf(bytes.readUInt32BE(0))
      return { body: JSON.parse(bytes.subarray(4).toString()), schema: text }
    },
    encode: ({ body }) => withId(schemas.idOf(subjectOf(place)), body),
  }
}
