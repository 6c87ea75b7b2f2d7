/** A list of what a process keeps: nothing else happens while it is made, so it is bounded. */
import { expect, test } from 'vitest'
import { entryKey, statePrefix } from '../../src/state/changelog-format.ts'
import { reportState } from '../../src/state/state-report.ts'
import { questionOf } from '../../src/state/state-question.ts'
import { StateValue } from '../../src/state/state-value.ts'
import { MapStore } from '../support/map-store.ts'

const shape = { codec: 'text', ttlMs: null, maxBytes: 10_000_000 }

function keptOf({
  keys,
  partitions,
  state,
  valueBytes,
}: Record<'keys' | 'partitions' | 'valueBytes', number> & { state: string }) {
  const payload = Buffer.alloc(valueBytes, 'v')
  let looked = 0
  const stores = Array.from({ length: partitions }, () => {
    const store = new MapStore()
    for (let key = 0; key < keys; key += 1) {
      const name = Buffer.from(entryKey(statePrefix(state), Buffer.from(`k${key}`))).toString('latin1')
      store.entries.set(name, StateValue.ofPayload(payload, null).bytes)
    }
    const walk = store.walk.bind(store)
    store.walk = (...args) => {
      const step = walk(...args)
      looked += step.entries.length
      return step
    }
    return store
  })
  const kept = {
    ...{ shapes: ['total', 'last'].map((name) => ({ name, ...shape })), kind: 'memory' as const },
    partitionCount: partitions,
    partitions: stores.map((store, partition) => ({ partition, store, progress: undefined as never })),
  }
  return { kept, looked: () => looked }
}

test('of large values it gives some megabytes, and says that there are more', () => {
  const { kept } = keptOf({ partitions: 2, keys: 20, state: 'total', valueBytes: 1_000_000 })
  const { entries, hasMore } = reportState(questionOf('count', { limit: 1_000 }), kept, 0)
  expect([entries.length, hasMore]).toEqual([4, true])
})

test('of many partitions no more is looked through than of one', () => {
  const { kept, looked } = keptOf({ partitions: 20, keys: 6_000, state: 'last', valueBytes: 1 })
  const { entries, hasMore } = reportState(questionOf('count', { limit: 1_000, name: 'total' }), kept, 0)
  expect([entries, hasMore]).toEqual([[], true])
  expect(looked()).toBeGreaterThanOrEqual(20_000)
  expect(looked()).toBeLessThan(30_000)
})
