// Counts the records of each key in its state; the counts go to a table.
import { defineHandler, done, json, state, table, topic } from 'troupe'

const counts = table(process.env.TABLE, { columns: { key: 'text', count: 'bigint' }, key: ['key'] })

export default defineHandler({
  name: 'count-rows',
  input: topic(process.env.ROWS_TOPIC, { value: json() }),
  outputs: [counts],
  state: { count: state({ initial: () => 0 }) },
  handle(_value, { record, state }) {
    const count = state.count.update((before) => before + 1)
    return done([counts.upsert({ key: String(record.key), count })])
  },
})
