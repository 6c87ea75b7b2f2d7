// Holds its thread for 5 ms.
import { performance } from 'node:perf_hooks'
import { bytes, defineHandler, done, topic } from 'troupe'

export default defineHandler({
  input: topic('backlog', { value: bytes }),
  handle() {
    const end = performance.now() + 5
    while (performance.now() < end);
    return done()
  },
})
