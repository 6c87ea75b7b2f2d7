// The count of `troupe-count.mjs` as an app that `troupe run --instances 2` starts. Its settings are those of programs that are not ours.
import { bytes, defineApp, defineHandler, done, json, state, topic } from 'troupe'

const { BROKERS: brokers, GROUP: group, TOPIC: input, OUTPUT: output } = process.env
const counts = topic(output, { value: json() })

export default defineApp({
  kafka: { brokers: brokers.split(','), groupId: group },
  actors: [
    {
      handler: defineHandler({
        name: 'count',
        input: topic(input, { value: bytes }),
        outputs: [counts],
        state: { total: state({ initial: () => 0 }) },
        handle(value, { record, state: { total } }) {
          const count = total.get() + 1
          total.set(count)
          return done([counts.record(count, { key: record.key })])
        },
      }),
      runOn: 'main',
      order: 'key',
    },
  ],
  http: { port: null },
  log: { level: 'error' },
})
