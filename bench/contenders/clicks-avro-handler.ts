// The clicks on Avro as examples/clicks has them, from a topic beside that of the JSON.
import { defineHandler, topic } from 'troupe'
import { avro } from 'troupe/avro'
import enrich from '../../examples/clicks/avro/enrich.ts'
import { clickSchema } from '../../schemas/click.ts'

export default defineHandler({
  ...enrich,
  input: topic('user_clicks_avro', { value: avro(clickSchema, { longs: 'number' }) }),
})
