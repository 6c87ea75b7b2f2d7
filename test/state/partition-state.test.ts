import { describe, expect, test } from 'vitest'
import { decodeMeta, readEntryKey } from '../../src/state/changelog-format.ts'
import { OffsetTracker } from '../../src/streams/positions/offset-tracker.ts'
import { PartitionState } from '../../src/state/partition-state.ts'
import type { StateShape } from '../../src/state/state-shape.ts'
import { StateValue } from '../../src/state/state-value.ts'
import type { StoreMark } from '../../src/state/store.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { MapStore } from '../support/map-store.ts'

const total: StateShape = { name: 'total', codec: 'json', ttlMs: null, maxBytes: 1_000_000 }
const last: StateShape = { name: 'last', codec: 'json', ttlMs: 1_000, maxBytes: 1_000_000 }

function make({
  changelogEnd = null,
  clock = new ManualClock(),
  position = { safePosition: 0 },
  shapes = [total, last],
  store = new MapStore(),
}: {
  changelogEnd?: (() => Promise<number>) | null
  clock?: ManualClock
  position?: { safePosition: number | null }
  shapes?: readonly StateShape[]
  store?: MapStore
} = {}) {
  const state = new PartitionState({
    shapes,
    changelogTopic: 'app-count-changelog',
    partition: 3,
    inputId: 7,
    changelogId: 9,
    changelogEnd,
    clock,
  })
  state.follow({
    get safePosition() {
      return position.safePosition
    },
    unfinishedRuns: () => [],
  })
  void state.begin(store)
  return { state, store, clock, position }
}

function set(state: PartitionState, key: string, value: number | null, at = 0): void {
  state.apply(key, [{ at, value: value === null ? null : StateValue.ofPrimitive(value, null) }])
}

const valueOf = (state: PartitionState, key: string, at = 0): unknown => state.read(at, key)?.live ?? null

/** What the changelog gets, for people: `total/a` → `1`. */
function changelogOf(state: PartitionState): [string, string | null][] {
  return [...state.frozenRecords()].flatMap(({ key, value }) => {
    const entry = readEntryKey(key!)!
    if (entry.kind !== 'state') return []
    const name = `${entry.name}/${Buffer.from(entry.key).toString('latin1')}`
    return [[name, value === null ? null : Buffer.from(StateValue.read(value).payload).toString()]]
  })
}

function metaOf(state: PartitionState) {
  return decodeMeta([...state.frozenRecords()].at(-1)!.value!)
}

describe('a checkpoint', () => {
  test('freezes what has changed by then: what comes later is the next one’s, and reads see it', async () => {
    const { state } = make()
    set(state, 'a', 1)
    set(state, 'b', 1)
    state.freeze(5)
    set(state, 'a', 2)
    set(state, 'c', 9)
    expect(changelogOf(state)).toEqual([
      ['total/a', '1'],
      ['total/b', '1'],
    ])
    expect(valueOf(state, 'a')).toBe(2)
    await state.commit()
    state.freeze(6)
    expect(changelogOf(state)).toEqual([
      ['total/a', '2'],
      ['total/c', '9'],
    ])
  })

  test('writes each key once, its last value, to its own partition, and the meta record last', () => {
    const { state } = make()
    for (let value = 1; value <= 100; value += 1) set(state, value % 2 === 0 ? 'even' : 'odd', value)
    state.freeze(5)
    const records = [...state.frozenRecords()]
    expect(records).toHaveLength(3)
    expect(records.every(({ partition, topic }) => partition === 3 && topic === 'app-count-changelog')).toBe(true)
    expect(new Map(changelogOf(state))).toEqual(
      new Map([
        ['total/odd', '99'],
        ['total/even', '100'],
      ]),
    )
    expect(metaOf(state)).toEqual({ checkpoint: 5, streamTime: null, inputId: 7, changelogId: 9 })
  })

  test('that is sent again is the same, byte for byte, whatever has changed since', () => {
    const { state } = make()
    set(state, 'a', 1)
    set(state, 'gone', 1)
    set(state, 'gone', null)
    state.freeze(5)
    const first = [...state.frozenRecords()]
    set(state, 'a', 2)
    set(state, 'gone', 3)
    set(state, 'a', null)
    expect([...state.frozenRecords()]).toEqual(first)
  })

  test('is in the store with its mark when it is committed, and not before', async () => {
    const { state, store } = make()
    set(state, 'a', 1)
    state.freeze(5)
    expect(store.written).toEqual([])
    await state.commit()
    expect(store.mark).toEqual({ changelogPosition: 0, checkpoint: 5, streamTime: null })
    expect(state.lookUp('total', Buffer.from('a'))).toEqual({ payload: Uint8Array.of(49), timeMs: null })
    expect(state.lookUp('total', Buffer.from('b'))).toBeNull()
  })

  test('that is being written to the store does not take what records set meanwhile', async () => {
    const { state, store } = make()
    set(state, 'a', 1)
    state.freeze(5)
    store.meanwhile = () => {
      set(state, 'a', 2)
      return Promise.resolve()
    }
    await state.commit()
    expect(valueOf(state, 'a')).toBe(2)
    expect(Buffer.from(make({ store }).state.read(0, 'a')!.payload).toString()).toBe('1')
  })

  test('of a deleted key writes a tombstone, and of one that never was nothing', async () => {
    const { state, store } = make()
    set(state, 'a', 1)
    state.freeze(5)
    await state.commit()
    set(state, 'a', null)
    set(state, 'never', null)
    state.freeze(6)
    expect(changelogOf(state)).toEqual([['total/a', null]])
    await state.commit()
    expect(valueOf(state, 'a')).toBeNull()
    expect([...store.entries.keys()]).toHaveLength(1)
  })
})

test('states of one key, and keys of one state, are apart, also where one is the beginning of another', () => {
  const { state } = make({ shapes: [total, { ...total, name: 'total2' }] })
  set(state, '2a', 1, 0)
  set(state, 'a', 2, 1)
  expect([valueOf(state, '2a', 0), valueOf(state, '2a', 1)]).toEqual([1, null])
  expect([valueOf(state, 'a', 0), valueOf(state, 'a', 1)]).toEqual([null, 2])
})

test('more keys than are kept at hand are read from the store, and none is lost before it is written there', async () => {
  const { state, store } = make({ shapes: [total] })
  const keys = 50_000
  for (let round = 1; round <= 2; round += 1) {
    for (let key = 0; key < keys; key += 1) {
      const before = state.read(0, `key ${key}`)
      const count = before === null ? 0 : Number(Buffer.from(before.payload).toString())
      set(state, `key ${key}`, count + 1)
    }
    state.freeze(round)
    await state.commit()
  }
  expect(store.keyCount).toBe(keys + 1)
  const { state: restarted } = make({ shapes: [total], store })
  for (const key of [0, 1, 25_000, keys - 1]) {
    expect(Buffer.from(restarted.read(0, `key ${key}`)!.payload).toString()).toBe('2')
  }
})

describe('stream time', () => {
  test('that a checkpoint stores is that of its position, not of what was read beyond it', () => {
    const { position, state } = make()
    state.noteRecord(0, 100)
    state.noteRecord(1, 300)
    state.noteRecord(2, 200)
    state.noteRecord(3, 900)
    position.safePosition = 3
    state.freeze(5)
    expect(metaOf(state).streamTime).toBe(300)
  })

  test('goes on after a restart where the checkpoint had it', () => {
    const mark: StoreMark = { changelogPosition: 10, streamTime: 5_000, checkpoint: 4 }
    const { position, state } = make({ store: new MapStore(mark) })
    expect(state.noteRecord(20, 4_000)).toBe(5_000)
    expect(state.noteRecord(21, 6_000)).toBe(6_000)
    position.safePosition = 21
    state.freeze(5)
    expect(metaOf(state).streamTime).toBe(5_000)
  })
})

describe('the store’s mark', () => {
  const isLast = (): Promise<boolean> => Promise.resolve(true)
  const mark: StoreMark = { changelogPosition: 40, streamTime: null, checkpoint: 4 }

  test('keeps what is certain while the end of the changelog is not asked for', async () => {
    const { state, store } = make({ store: new MapStore(mark) })
    set(state, 'a', 1)
    state.freeze(5)
    await state.commit()
    await state.end(isLast)
    expect(store.mark).toMatchObject({ changelogPosition: 40, checkpoint: 5 })
  })

  test('stands at the end of the changelog after an epoch that ended in order: a restart restores nothing', async () => {
    const { state, store } = make({ store: new MapStore(mark), changelogEnd: () => Promise.resolve(77) })
    set(state, 'a', 1)
    state.freeze(5)
    await state.commit()
    expect(store.mark).toMatchObject({ changelogPosition: 40, checkpoint: 5 })
    await state.end(isLast)
    expect(store.mark).toMatchObject({ changelogPosition: 77, checkpoint: 5 })
    expect(state.isReady).toBe(false)
  })

  test('of a checkpoint goes no further than its log did before the transaction: behind that others may have written', async () => {
    let end = 50
    const { clock, state, store } = make({ store: new MapStore(mark), changelogEnd: () => Promise.resolve(end) })
    await clock.advance(10_000)
    set(state, 'a', 1)
    state.freeze(5)
    await clock.settle()
    changelogOf(state)
    end = 90
    await state.commit()
    expect(store.mark).toMatchObject({ changelogPosition: 50, checkpoint: 5 })
  })

  test('does not wait for the brokers, and one that they tell too late is for the next checkpoint', async () => {
    let tell: (end: number) => void = () => undefined
    const { clock, state, store } = make({
      store: new MapStore(mark),
      changelogEnd: () => new Promise((resolve) => (tell = resolve)),
    })
    await clock.advance(10_000)
    set(state, 'a', 1)
    state.freeze(5)
    changelogOf(state)
    tell(90)
    await clock.settle()
    await state.commit()
    expect(store.mark).toMatchObject({ changelogPosition: 40, checkpoint: 5 })
    set(state, 'a', 2)
    state.freeze(6)
    changelogOf(state)
    await state.commit()
    expect(store.mark).toMatchObject({ changelogPosition: 90, checkpoint: 6 })
  })

  test('stays where it is while a checkpoint is on its way: nobody knows what becomes of that', async () => {
    const { state, store } = make({ store: new MapStore(mark), changelogEnd: () => Promise.resolve(77) })
    set(state, 'a', 1)
    state.freeze(5)
    await state.end(isLast)
    expect(store.mark).toEqual(mark)
  })

  test('is of its end also where it has not moved: of a quiet partition it is told that nothing was missed', async () => {
    const { state, store } = make({ store: new MapStore(mark), changelogEnd: () => Promise.resolve(40) })
    await state.end(isLast)
    expect(store.written).toEqual([{ changes: 0, mark }])
  })

  test('follows from time to time, so that a crash leaves a short tail, and is written in one batch with the changes', async () => {
    const asked: number[] = []
    const { clock, state, store } = make({
      store: new MapStore(mark),
      changelogEnd: () => Promise.resolve(asked.push(1) + 100),
    })
    for (let checkpoint = 5; checkpoint < 5 + 300; checkpoint += 1) {
      set(state, 'a', checkpoint)
      state.freeze(checkpoint)
      changelogOf(state)
      await state.commit()
      await clock.advance(100)
    }
    expect(asked.length).toBeGreaterThan(1)
    expect(asked.length).toBeLessThan(5)
    expect(store.mark).toMatchObject({ changelogPosition: 100 + asked.length, checkpoint: 304 })
    expect(store.written).toHaveLength(300)
  })
})

test('the stream time of a position that a timer holds is kept, however many records follow', async () => {
  const { state } = make()
  const tracker = new OffsetTracker({ position: 0 })
  state.follow(tracker)
  // Record 0 is parked, 1000 is a late one, and a timer by the wall clock fires between 999 and 1000.
  for (let offset = 0; offset < 3_000; offset += 1) {
    state.noteRecord(offset, offset === 1_000 ? 5 : offset)
    if (offset === 1_000) tracker.hold()
    const sequence = tracker.start(offset)
    if (offset > 0) tracker.finish(sequence)
  }
  state.freeze(1)
  await state.commit()

  tracker.finish(tracker.oldestUnfinished!.sequence)
  expect(tracker.safePosition).toBe(1_000)
  expect(state.timeAt(1_000)).toBe(999)
})

test('the stream time of each position since the last checkpoint is kept: a partition that is set back goes through them again', async () => {
  const { state } = make()
  const tracker = new OffsetTracker({ position: 0 })
  state.follow(tracker)
  const handle = (from: number, to: number) => {
    for (let offset = from; offset < to; offset += 1) {
      state.noteRecord(offset, 1_000 + offset)
      tracker.finish(tracker.start(offset))
    }
  }
  const times = (positions: readonly number[]) => positions.map((position) => state.timeAt(position))
  handle(0, 1_500)
  state.freeze(1)
  handle(1_500, 4_000)
  // It may be refused: the one before it is where the partition would begin.
  expect(times([1, 1_200, 1_500, 4_000])).toEqual([1_000, 2_199, 2_499, 4_999])
  await state.commit()
  handle(4_000, 9_000)
  expect(times([1_500, 1_600, 3_900, 9_000])).toEqual([2_499, 2_599, 4_899, 9_999])
})
