// The handler that Troupe's threads load: the work, and an output that says when its record was to be sent.
import { getEnvironmentData } from 'node:worker_threads'
import { bytes, defineHandler, done, table, topic } from 'troupe'
import { readStamp } from './latency.mjs'
import { makeWork } from './work.mjs'

const bench = getEnvironmentData('bench')
const work = makeWork(bench.work)
const columns = { at: 'double', late: 'double', number: 'int', work: 'int' }
const ends = table('ends', { sink: 'ends', columns, key: ['number'] })

export default defineHandler({
  input: topic(bench.topic, { value: bytes }),
  outputs: [ends],
  handle(value) {
    const { atMs, number, sentLateMs } = readStamp(value)
    // What it comes to goes out, or it need not be done.
    return done([ends.upsert({ at: atMs, late: sentLateMs, number, work: work(value) })])
  },
})
