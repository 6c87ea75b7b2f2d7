/** How clicks look in Kafka. */
import { clickSchema } from '../../schemas/click.ts'
import { avroFormat, jsonFormat } from '../pipeline/formats.ts'
import { enrichedClickSchema } from './avro/flows.ts'
import { clicks, enrichedClicks } from './flows.ts'

export const jsonClicks = jsonFormat(async () => (await import('./clicks.ts')).default)

export const avroClicks = avroFormat(
  [
    { topic: clicks.name, schema: clickSchema },
    { topic: enrichedClicks.name, schema: enrichedClickSchema },
  ],
  async () => (await import('./avro/clicks.ts')).default,
)
