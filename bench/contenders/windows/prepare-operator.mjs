// The aggregation that Troupe's threads load too: work of a known cost in front of a window, or the window alone.
import { getEnvironmentData } from 'node:worker_threads'
import { bytes, count, defineAggregation, json, topic, tumbling } from 'troupe'
import { makeWork } from '../work.mjs'

const { input, output, sizeMs, work } = getEnvironmentData('bench')
const finals = topic(output, { value: json() })
const workOn = work === null ? null : makeWork(work)

export default defineAggregation({
  name: 'windows',
  input: topic(input, { value: bytes }),
  ...(workOn === null ? {} : { prepare: (value) => workOn(value) }),
  window: tumbling({ sizeMs, graceMs: 0 }),
  values: { total: count() },
  outputs: [finals],
  result({ key, window, values: { total } }) {
    // On main, where the contender waits for some.
    globalThis.benchFinal?.(window)
    return [finals.record({ startMs: window.startMs, total }, { key })]
  },
})
