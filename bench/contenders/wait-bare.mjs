// The waits and nothing else: no Kafka, so many lanes at a time. What the timers of this machine allow.
import { waitInTurn } from './waits.mjs'

export async function run({ settings, meter }) {
  const { lanes, waitMs } = settings
  await Promise.all(lanes.map((records) => waitInTurn(records, waitMs, meter)))
}
