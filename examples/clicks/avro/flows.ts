/** The same topics, on Avro: a registry keeps their schemas, and each record names the one it was written with. */
import { topic } from 'troupe'
import { avro } from 'troupe/avro'
import { clickSchema } from '../../../schemas/click.ts'
import { clicks, enrichedClicks } from '../flows.ts'

export const enrichedClickSchema = {
  ...clickSchema,
  name: 'EnrichedClick',
  doc: 'A click, and the country of its address.',
  fields: [...clickSchema.fields, { name: 'country', type: 'string' }],
} as const

// Ids that a number holds, as in the JSON; one beyond 2^53 is a dead letter.
export const avroClicks = topic(clicks.name, { value: avro(clickSchema, { longs: 'number' }) })

export const avroEnrichedClicks = topic(enrichedClicks.name, { value: avro(enrichedClickSchema, { longs: 'number' }) })
