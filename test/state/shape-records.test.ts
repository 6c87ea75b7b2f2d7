import { expect, test } from 'vitest'
import { isEntryKey, readEntryKey, shapeKey } from '../../src/state/changelog-format.ts'
import { changedShapes, newShapes } from '../../src/state/shape-records.ts'
import { MapStore } from '../support/map-store.ts'

const mark = { changelogPosition: 1, checkpoint: 1, streamTime: null }
const total = { name: 'total', codec: 'json' }
const last = { name: 'last', codec: 'json' }

test('declarations go into the store once; states that come or go later are no change', async () => {
  const store = new MapStore()
  expect(newShapes(store, [total]).map(([key]) => readEntryKey(key))).toEqual([{ kind: 'shape', name: 'total' }])
  await store.write(newShapes(store, [total]), mark)
  expect(newShapes(store, [total])).toEqual([])
  expect(newShapes(store, [last]).map(([key]) => readEntryKey(key))).toEqual([{ kind: 'shape', name: 'last' }])
  expect(changedShapes(store, [total, last])).toEqual([])
  expect(changedShapes(store, [last])).toEqual([])
})

test('another codec for a name is a change, told with both', async () => {
  const store = new MapStore()
  await store.write(newShapes(store, [total, last]), mark)
  const [told, ...others] = changedShapes(store, [{ ...total, codec: 'avro:Total' }, last])
  expect(told).toBe('state total was written with codec json, and is declared with avro:Total')
  expect(others).toEqual([])
})

test('a declaration of a later version is one too', async () => {
  const store = new MapStore()
  await store.write([[shapeKey('total'), Uint8Array.of(2, 106)]], mark)
  expect(changedShapes(store, [total])).toEqual(['state total was declared by a later version of Troupe'])
})

test('a key with more, or less, than its lengths say is none of ours', () => {
  const keys = [[], [0, 0], [1], [1, 3, 65, 66], [2, 0], [2, 0, 2, 65], [3, 2, 65], [3, 1, 65, 66], [4, 0], [255, 0]]
  for (const key of keys.map((each) => Uint8Array.from(each))) {
    expect(isEntryKey(key)).toBe(false)
    expect(readEntryKey(key)).toBeNull()
  }
  const known = [[0], [1, 1, 65], [1, 1, 65, 0], [2, 0, 1, 65], [2, 1, 1, 65, 9], [3, 1, 65]]
  for (const key of known.map((each) => Uint8Array.from(each))) {
    expect(isEntryKey(key)).toBe(true)
    expect(readEntryKey(key)).not.toBeNull()
  }
})
