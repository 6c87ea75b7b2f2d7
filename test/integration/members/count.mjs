// Counts the records of each key in its state, and says each count.
import { defineHandler, done, json, state, topic } from 'troupe'

const { MEMBER: member = 'member' } = process.env
const output = topic(process.env.OUTPUT_TOPIC, { value: json() })

export default defineHandler({
  name: 'count',
  input: topic(process.env.INPUT_TOPIC, { value: json() }),
  outputs: [output],
  state: { count: state({ initial: () => 0 }) },
  handle({ n }, { record, state }) {
    const count = state.count.update((before) => before + 1)
    return done([output.record({ n, count }, { key: record.key, headers: { member } })])
  },
})
