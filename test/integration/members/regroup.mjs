// What each region comes to in each second, of records that are in partitions by other keys.
import { defineAggregation, json, text, topic, tumbling } from 'troupe'

const input = topic(process.env.INPUT_TOPIC, { value: json(), time: ({ at }) => at })
const output = topic(process.env.OUTPUT_TOPIC, { key: text, value: json() })

export default defineAggregation({
  name: 'regions',
  input,
  by: ({ region }) => region,
  prepare: ({ n, region }) => ({ n, region }),
  window: tumbling({ sizeMs: 1_000, graceMs: 500 }),
  idleAfterMs: 500,
  values: ({ count, sum }) => ({ records: count(), total: sum(({ n }) => n) }),
  outputs: [output],
  result: ({ key, values, window }) => [output.record({ region: key, startMs: window.startMs, ...values }, { key })],
})
