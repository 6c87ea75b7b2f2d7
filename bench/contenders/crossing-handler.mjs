// The least work that still is some: the bytes come back as one output.
import { bytes, defineHandler, done, topic } from 'troupe'

const input = topic('in', { codec: bytes })
const output = topic('out', { codec: bytes })

export default defineHandler({
  input,
  outputs: [output],
  handle: (value, { record }) => done([output.record(value, { key: record.key })]),
})
