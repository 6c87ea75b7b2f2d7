// The handler that Troupe's threads load.
import { getEnvironmentData } from 'node:worker_threads'
import { bytes, defineHandler, skip, topic } from 'troupe'
import { makeHandler } from './work.mjs'

const bench = getEnvironmentData('bench')
const handle = makeHandler(bench)

export default defineHandler({
  input: topic(bench.topic, { value: bytes }),
  handle(value) {
    handle(value)
    return skip()
  },
})
