import { expect, test } from 'vitest'
import { MemoryWatch, type WatchedThread } from '../../../src/actors/threads/memory-watch.ts'

const LIMIT = 1_000

const thread = (id: number, bytes: number, atMs: number, rest: Partial<WatchedThread> = {}): WatchedThread => ({
  id,
  memory: { bytes, atMs, baseBytes: 10 },
  isReady: true,
  isRetiring: false,
  records: 0,
  ...rest,
})

test('up to the limit nothing happens; above it the thread that has grown most is retired', () => {
  const watch = new MemoryWatch(LIMIT)
  const threads = [thread(1, 200, 0), thread(2, 500, 0)]
  expect(watch.look(0, 1_000, threads)).toBeNull()
  expect(watch.look(0, 1_001, threads)).toEqual({ id: 2, type: 'retire', rssBytes: 1_001 })
})

test('a thread that holds much since its start has not grown', () => {
  const watch = new MemoryWatch(LIMIT)
  const old = thread(1, 500, 0, { memory: { bytes: 500, atMs: 0, baseBytes: 450 } })
  expect(watch.look(0, 1_100, [old, thread(2, 200, 0)])).toMatchObject({ id: 2 })
})

test('nobody is retired for what no thread holds', () => {
  const watch = new MemoryWatch(LIMIT)
  expect(watch.look(0, 5_000, [thread(1, 20, 0), thread(2, 30, 0)])).toBeNull()
})

test('what nobody tells of is held by the thread that is too busy to tell', () => {
  const watch = new MemoryWatch(LIMIT)
  expect(watch.look(0, 500, [thread(1, 20, 0), thread(2, 200, 0)])).toBeNull()
  const busy = thread(1, 20, 0, { records: 1 })
  expect(watch.look(5_000, 1_200, [busy, thread(2, 200, 5_000)])).toMatchObject({ id: 1, type: 'retire' })
})

test('a retiring thread is waited for, but not for ever, nor when it grows far beyond the limit', () => {
  const threads = [thread(1, 900, 0), thread(2, 20, 0)]
  const retiring = [thread(1, 900, 0, { isRetiring: true, records: 3 }), thread(2, 20, 0)]
  const watch = new MemoryWatch(LIMIT)
  expect(watch.look(0, 1_100, threads)).toMatchObject({ id: 1, type: 'retire' })
  expect(watch.look(1_999, 1_100, retiring)).toBeNull()
  expect(watch.look(2_000, 900, retiring)).toBeNull()
  expect(watch.look(2_000, 1_100, retiring)).toMatchObject({ id: 1, type: 'end' })
  expect(new MemoryWatch(LIMIT).look(0, 1_251, retiring)).toMatchObject({ id: 1, type: 'end' })
})

test('one at a time: no other while one leaves, or while the next one loads', () => {
  const watch = new MemoryWatch(LIMIT)
  const other = thread(2, 600, 0)
  expect(watch.look(0, 1_100, [thread(1, 600, 0, { isRetiring: true }), other])).toBeNull()
  expect(watch.look(0, 1_100, [thread(3, 0, 0, { memory: null, isReady: false }), other])).toBeNull()
  expect(watch.look(0, 1_100, [thread(3, 10, 0), other])).toMatchObject({ id: 2, type: 'retire' })
})
