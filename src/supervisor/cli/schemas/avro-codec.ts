/** The codec of a schema file. It needs avsc, which is there where an app has Avro: so it is loaded when it is asked for. */
import { basename } from 'node:path'
import type { ReadSchema } from '../../../schemas/schema-set.ts'
import type * as Avro from '../../../streams/avro/avro.ts'
import type { Codec } from '../../../streams/flows/codec.ts'
import type { OwnSchema } from '../../../streams/flows/contract.ts'
import { SCHEMA_ENDING } from './schema-folder.ts'

/** As it works in an app, with a registry that has this one schema. */
export async function boundCodec(schema: ReadSchema): Promise<Codec<unknown>> {
  const { path, references, text } = schema
  const { contract } = await avroOf(schema)
  return contract.bind(
    { topic: basename(path, SCHEMA_ENDING), part: 'value' },
    { idOf: () => 1, writerOf: () => ({ type: 'AVRO', text, references }) },
  )
}

/** As it is registered, with what it refers to. */
export async function ownSchema(schema: ReadSchema): Promise<OwnSchema> {
  const { contract } = await avroOf(schema)
  return contract.subjectsAt({ topic: 'any', part: 'value' })[0]!.schema
}

async function avroOf({ references, text }: ReadSchema): Promise<Avro.AvroCodec<unknown>> {
  const { avro } = await import('../../../streams/avro/avro.ts')
  return avro<unknown>(text, { references: references.map((each) => each.text) })
}
