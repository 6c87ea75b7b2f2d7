// Plain JavaScript, as many rounds as the record says, and the bytes come back as one output.
import { bytes, defineHandler, done, topic } from 'troupe'

const input = topic('in', { value: bytes })
const output = topic('out', { value: bytes })

/** A round is about a nanosecond of arithmetic that the compiler cannot leave out. */
export function work(rounds) {
  let state = rounds | 1
  for (let round = 0; round < rounds; round += 1) state = (Math.imul(state, 1_103_515_245) + 12_345) | 0
  return state
}

export default defineHandler({
  name: 'work',
  input,
  outputs: [output],
  handle(value, { record }) {
    const rounds = new DataView(value.buffer, value.byteOffset).getUint32(0)
    // Never a fraction: the result is looked at, and changes nothing.
    if (work(rounds) === 0.5) return done()
    return done([output.record(value, { key: record.key })])
  },
})
