/** Values that are too old go, a few a checkpoint, and nothing that a record may still see goes with them. */
import { expect, test } from 'vitest'
import { readEntryKey } from '../../src/state/changelog-format.ts'
import { PartitionState } from '../../src/state/partition-state.ts'
import { StateValue } from '../../src/state/state-value.ts'
import type { StateStore } from '../../src/state/store.ts'
import { MemoryStores } from '../../src/state/stores/memory/memory-store.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { MapStore } from '../support/map-store.ts'

/** A scan looks at the whole store, and this is asked for at each checkpoint. */
class UnscannedStore extends MapStore {
  override scan(): never {
    throw new Error('was scanned')
  }
}

function make(): World<MapStore>
function make<Store extends StateStore>(store: Store): World<Store>
function make(store: StateStore = new UnscannedStore()): World<StateStore> {
  const position = { safePosition: 0, unfinishedRuns: () => [] }
  const state = new PartitionState({
    shapes: [
      { name: 'total', codec: 'json', ttlMs: null, maxBytes: 1_000_000 },
      { name: 'last', codec: 'json', ttlMs: 100, maxBytes: 1_000_000 },
      { name: 'older', codec: 'json', ttlMs: 400, maxBytes: 1_000_000 },
    ],
    changelogTopic: 'changelog',
    partition: 0,
    inputId: 0,
    changelogId: 0,
    changelogEnd: null,
    clock: new ManualClock(),
  })
  state.follow(position)
  void state.begin(store)
  let checkpoint = 0
  return {
    state,
    store,
    /** A record of this time sets these states of its key. */
    record: (timestamp: number, key: string, ats: readonly number[]): void => {
      const timeMs = state.noteRecord(position.safePosition, timestamp)
      state.apply(
        key,
        ats.map((at) => ({ at, value: StateValue.ofPrimitive(1, at === 0 ? null : timeMs) })),
      )
      position.safePosition += 1
    },
    /** Returns the tombstones in the changelog. */
    checkpoint: async (): Promise<string[]> => {
      state.freeze((checkpoint += 1))
      const deleted = [...state.frozenRecords()].flatMap(({ key, value }) => {
        const entry = readEntryKey(key!)!
        return value === null && entry.kind === 'state' ? [`${entry.name}/${String(entry.key)}`] : []
      })
      await state.commit()
      return deleted
    },
    position,
  }
}

interface World<Store extends StateStore> {
  readonly state: PartitionState
  readonly store: Store
  readonly position: { safePosition: number }
  readonly record: (timestamp: number, key: string, ats: readonly number[]) => void
  readonly checkpoint: () => Promise<string[]>
}

test('what is too old by the stream time of the position gets a tombstone, and nothing else', async () => {
  const { checkpoint, record, store } = make()
  record(1_000, 'a', [0, 1, 2])
  record(1_050, 'b', [1])
  expect(await checkpoint()).toEqual([])
  record(1_100, 'c', [0])
  const deleted: string[] = []
  for (let times = 0; times < 10; times += 1) deleted.push(...(await checkpoint()))
  expect(deleted).toEqual(['last/a'])
  record(1_400, 'c', [0])
  for (let times = 0; times < 10; times += 1) deleted.push(...(await checkpoint()))
  expect(deleted.sort()).toEqual(['last/a', 'last/b', 'older/a'])
  expect([...store.entries.keys()].filter((key) => key.includes('last') || key.includes('older'))).toEqual([])
})

test('what was set again meanwhile stays', async () => {
  const { checkpoint, record, state } = make()
  record(1_000, 'a', [1])
  await checkpoint()
  record(2_000, 'a', [1])
  expect(await checkpoint()).toEqual([])
  expect(state.read(1, 'a')?.timeMs).toBe(2_000)
})

test('records beyond the position do not make it older', async () => {
  const { checkpoint, position, record, state } = make()
  record(1_000, 'a', [1])
  await checkpoint()
  state.noteRecord(position.safePosition, 9_000)
  expect(await checkpoint()).toEqual([])
})

test('thousands that nobody sets any more go a few at a time', async () => {
  const { checkpoint, record, store } = make()
  for (let key = 0; key < 3_000; key += 1) record(1_000, `k${key}`, [1])
  await checkpoint()
  record(5_000, 'other', [0])
  const counts: number[] = []
  for (let times = 0; times < 100 && store.keyCount > 2; times += 1) counts.push((await checkpoint()).length)
  expect(store.keyCount).toBe(2)
  expect(Math.max(...counts.slice(-3))).toBeLessThanOrEqual(260)
})

test('as many as come go: with new keys all the time a store has not many more than those that are not too old', async () => {
  const { checkpoint, record, store } = make(await new MemoryStores(new ManualClock()).open())
  const keysACheckpoint = 300
  // A state of 100 ms: ten checkpoints of 10 ms are live.
  const live = 10 * keysACheckpoint
  for (let round = 0; round < 60; round += 1) {
    for (let key = 0; key < keysACheckpoint; key += 1) record(1_000 + 10 * round, `k${round}-${key}`, [1])
    await checkpoint()
  }
  expect(store.keyCount).toBeGreaterThanOrEqual(live)
  expect(store.keyCount).toBeLessThan(2 * live)
})

test('no range of a store is asked for, which in memory would be a look at every key', async () => {
  const { checkpoint, record, store } = make()
  for (let key = 0; key < 1_000; key += 1) record(1_000, `k${key}`, [0, 1])
  await checkpoint()
  store.scan = () => {
    throw new Error('a range was asked for')
  }
  record(5_000, 'other', [0])
  const deleted: string[] = []
  for (let times = 0; times < 20; times += 1) deleted.push(...(await checkpoint()))
  expect(new Set(deleted).size).toBe(1_000)
})
