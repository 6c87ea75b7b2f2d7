/** A codec for a topic that holds both, while it goes from one to the other. */
import type { Codec } from 'troupe'
import type { AvroCodec } from 'troupe/avro'

/** Reads Avro, whose records begin with a byte that is 0, and what was written before, since no JSON does. Writes Avro. */
export function avroOrJson<Value>({ contract }: AvroCodec<Value>, before: Codec<Value>): Codec<Value> {
  const name = 'avro-or-json'
  return {
    ...before,
    name,
    contract: {
      subjectsAt: (place) => contract.subjectsAt(place),
      bind(place, schemas) {
        const avro = contract.bind(place, schemas)
        return {
          name,
          decode: (bytes) => (bytes[0] === 0 ? avro : before).decode(bytes),
          encode: (value) => avro.encode(value),
        }
      },
    },
  }
}
