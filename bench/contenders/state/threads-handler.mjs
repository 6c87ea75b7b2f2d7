// The handler that the threads load: its work, and a state that is read and written for each record where it has one.
import { getEnvironmentData } from 'node:worker_threads'
import { bytes, defineHandler, skip, state, topic } from 'troupe'
import { makeHandler } from '../work.mjs'

const bench = getEnvironmentData('bench')
const { stateBytes } = bench
const work = makeHandler(bench)
const input = topic(bench.topic, { value: bytes })

export default stateBytes === 0
  ? defineHandler({
      name: 'work',
      input,
      handle(value) {
        work(value)
        return skip()
      },
    })
  : defineHandler({
      name: 'work',
      input,
      state: { kept: state({ codec: bytes, initial: () => new Uint8Array(stateBytes) }) },
      handle(value, { state: { kept } }) {
        work(value)
        const own = kept.get()
        own[0] += 1
        kept.set(own)
        return skip()
      },
    })
