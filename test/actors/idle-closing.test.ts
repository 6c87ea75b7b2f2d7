/** Where that is asked for, what is open is closed without a record when no more is to come for now (T17). */
import { expect, test } from 'vitest'
import type { AnyHandler } from '../../src/actors/handlers/any-handler.ts'
import { defineHandler, done } from '../../src/actors/handlers/handler.ts'
import { state } from '../../src/state/declared-state.ts'
import { bytes, text } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'
import { MapStore } from '../support/map-store.ts'
import { keyedWorld, type KeyedWorldOptions } from '../state/keyed-world.ts'

const MINUTE_MS = 60_000
const IDLE_MS = 5_000

/** Counts a key's records of a minute, and says so at its end; a record of a minute that is over is late. */
function minuteCounter(seen: string[]): AnyHandler {
  const handler = defineHandler({
    input: topic('clicks', { key: text, value: bytes }),
    state: {
      open: state<Record<string, number>>({ initial: () => ({}) }),
      closed: state<number>({ initial: () => 0 }),
    },
    timers: ['close'],
    handle(_, { key, record, state: { closed, open }, timer }) {
      const minute = Math.floor(record.timestamp / MINUTE_MS)
      if (minute < closed.get()) {
        seen.push(`${key} ${record.timestamp} is late`)
        return done()
      }
      const counts = open.get()
      open.set({ ...counts, [minute]: (counts[minute] ?? 0) + 1 })
      timer('close', (Math.min(minute, ...Object.keys(counts).map(Number)) + 1) * MINUTE_MS)
      return done()
    },
    onTimer(_, { atMs, key, state: { closed, open }, timer }) {
      const minute = atMs / MINUTE_MS - 1
      const { [minute]: count, ...others } = open.get()
      seen.push(`${key} had ${count} in minute ${minute}`)
      open.set(others)
      closed.set(minute + 1)
      const [next] = Object.keys(others)
      if (next !== undefined) timer('close', (Number(next) + 1) * MINUTE_MS)
      return done()
    },
  })
  return handler as unknown as AnyHandler
}

interface Log {
  /** Its high watermark; null: brokers do not answer. */
  end: number | null
}

async function world(options: KeyedWorldOptions = {}) {
  const seen: string[] = []
  const log: Log = { end: 0 }
  const made = await keyedWorld(minuteCounter(seen), {
    idleAfterMs: IDLE_MS,
    logEnd: () => (log.end === null ? Promise.reject(new Error('brokers are away')) : Promise.resolve(log.end)),
    ...options,
    actor: { order: 'partition' },
  })
  let checkpoints = 0
  /** What is handled is in a checkpoint. */
  const settle = async (): Promise<void> => {
    for (let round = 0; round < 10; round += 1) {
      await made.settle()
      await made.checkpoint((checkpoints += 1))
    }
  }
  const read = async (keys: readonly string[], times: readonly number[]): Promise<void> => {
    log.end = (log.end ?? 0) + keys.length
    made.give(keys, times)
    await settle()
  }
  const wait = async (ms: number): Promise<void> => {
    await made.advance(ms)
    await settle()
  }
  return Object.assign(made, { seen, log, read, wait })
}

test('a window is closed when its input is idle, and each once, in the order of their ends', async () => {
  const { read, seen, wait } = await world()
  await read(['a', 'a', 'a', 'b'], [10_000, 70_000, 75_000, 130_000])
  expect(seen).toEqual(['a had 1 in minute 0', 'a had 2 in minute 1'])
  await wait(IDLE_MS - 1)
  expect(seen).toHaveLength(2)
  await wait(1)
  expect(seen.slice(2)).toEqual(['b had 1 in minute 2'])
  await wait(60_000)
  expect(seen).toHaveLength(3)
})

test('one after the other of a key is closed when its input is idle', async () => {
  const { read, seen, state, wait } = await world()
  await read(['a', 'b'], [10_000, 20_000])
  await wait(IDLE_MS)
  expect(seen).toEqual(['a had 1 in minute 0', 'b had 1 in minute 0'])
  // It has come to the last of them, and no further.
  expect(state.streamTime).toBe(MINUTE_MS)
})

test('without that being asked for, no window is closed by the clock', async () => {
  const off = await world({ idleAfterMs: null })
  await off.read(['a'], [10_000])
  await off.wait(86_400_000)
  expect(off.seen).toEqual([])
})

test('while there is more in the log, no window is closed by the clock', async () => {
  const { log, read, seen, wait } = await world()
  await read(['a'], [10_000])
  // Of a transaction that is open, say: nobody can read it yet.
  log.end = 2
  await wait(60_000)
  log.end = null
  await wait(60_000)
  expect(seen).toEqual([])

  log.end = 1
  await wait(1_000)
  expect(seen).toEqual(['a had 1 in minute 0'])
})

test('while a record is held, no window is closed by the clock', async () => {
  const made = await world()
  made.log.end = 1
  made.give(['a'], [10_000])
  // It is handled, and in no checkpoint.
  await made.advance(60_000)
  expect(made.seen).toEqual([])

  await made.checkpoint()
  await made.wait(1_000)
  expect(made.seen).toEqual(['a had 1 in minute 0'])
})

test('records of what was closed so are late, also after a restart', async () => {
  const store = new MapStore()
  const before = await world({ store })
  await before.read(['a'], [10_000])
  await before.wait(IDLE_MS)
  await before.read(['a'], [50_000])
  expect(before.seen).toEqual(['a had 1 in minute 0', 'a 50000 is late'])
  expect(before.state.streamTime).toBe(MINUTE_MS)
  expect(store.mark?.streamTime).toBe(MINUTE_MS)

  const after = await world({ store, position: 2 })
  expect(after.state.streamTime).toBe(MINUTE_MS)
  await after.read(['b', 'a'], [50_000, 55_000])
  expect(after.seen).toEqual(['b had 1 in minute 0', 'a 55000 is late'])
})

test('what comes in the middle ends the closing, and what is still open is closed by the next silence', async () => {
  const made = await world()
  const { log, read, seen, wait } = made
  await read(['a'], [10_000])
  await wait(IDLE_MS)
  log.end = 2
  made.give(['a'], [70_000])
  await wait(IDLE_MS - 1)
  expect(seen).toEqual(['a had 1 in minute 0'])
  await wait(1_000)
  expect(seen).toEqual(['a had 1 in minute 0', 'a had 1 in minute 1'])
})
