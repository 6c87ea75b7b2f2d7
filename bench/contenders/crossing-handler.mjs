// The least work that still is some: the bytes come back as one output.
import { bytes, defineHandler, done, topic } from 'troupe'

const input = topic('in', { value: bytes })
const output = topic('out', { value: bytes })

export default defineHandler({
  input,
  outputs: [output],
  handle: (value, { record }) => done([output.record(value, { key: record.key })]),
})
