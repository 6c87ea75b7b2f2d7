/** Both clocks of an app under test, each moved by a test alone. */
import { describe, expect, test } from 'vitest'
import { defineBatchHandler } from '../../../src/actors/handlers/batch-handler.ts'
import { defineHandler, done } from '../../../src/actors/handlers/handler.ts'
import { state } from '../../../src/state/declared-state.ts'
import { text } from '../../../src/streams/flows/codec.ts'
import { topic } from '../../../src/streams/flows/flow.ts'
import { startTestApp } from '../../../src/testing/app/start-test-app.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const START_MS = Date.UTC(2026, 0, 1)

const words = topic('words', { key: text, value: text })
const out = topic('out', { key: text, value: text })

/** `stream 5` and `wall 5`: a timer in so many hours. */
const alarm = defineHandler({
  input: words,
  outputs: [out],
  state: { last: state<string>({ codec: text, ttlMs: DAY_MS }), count: state<number>({ initial: () => 0 }) },
  timers: ['alarm'],
  handle(word, { record, state: { count, last }, timer }) {
    last.set(word)
    count.update((before) => before + 1)
    const [clock, hours] = word.split(' ')
    if (hours !== undefined) {
      timer('alarm', record.timestamp + Number(hours) * HOUR_MS, { clock: clock === 'wall' ? 'wall' : 'stream' })
    }
    return done()
  },
  onTimer: (name, { atMs, clock, key }) =>
    done([out.record(`${clock} ${name} in ${(atMs - START_MS) / HOUR_MS} h`, { key })]),
})

function at(hours: number, key = 'ann', partition = 0): { key: string; timestamp: number; partition: number } {
  return { key, partition, timestamp: START_MS + hours * HOUR_MS }
}

describe('advanceTo', () => {
  test('fires what is due by stream time, and no more; the wall clock is another one', async () => {
    const app = await startTestApp(alarm)
    await app.send('stream 5', at(0))
    await app.send('stream 7', at(0, 'bob'))
    await app.send('wall 6', at(0, 'eve'))
    await app.advanceTo(START_MS + 5 * HOUR_MS - 1)
    expect(app.read(out)).toEqual([])
    await app.advanceTo(START_MS + 5 * HOUR_MS)
    expect(app.read(out)).toEqual([out.record('stream alarm in 5 h', { key: 'ann' })])
    await app.advanceTo(START_MS + 8 * HOUR_MS)
    expect(app.read(out).slice(1)).toEqual([out.record('stream alarm in 7 h', { key: 'bob' })])
    expect(app.nowMs - START_MS).toBeLessThan(HOUR_MS)
    await app.close()
  })

  test('lets values grow old, and is no record of the handler', async () => {
    const app = await startTestApp(alarm)
    await app.send('hello', at(0))
    await app.advanceTo(START_MS + DAY_MS - 1)
    expect(app.state('last').get('ann')).toBe('hello')
    await app.advanceTo(START_MS + DAY_MS)
    expect([app.state('last').get('ann'), app.state('count').get('ann')]).toEqual([undefined, 1])
    expect(app.deadLetters()).toEqual([])
    await app.close()
  })

  test('moves all partitions, or one', async () => {
    const app = await startTestApp(alarm, { partitions: 2 })
    await app.send('hello', at(0, 'ann', 0))
    await app.send('hello', at(0, 'ann', 1))
    await app.advanceTo(START_MS + DAY_MS, { partition: 1 })
    const kept = (): unknown[] => [0, 1].map((partition) => app.state('last').get('ann', { partition }))
    expect(kept()).toEqual(['hello', undefined])
    await app.advanceTo(START_MS + 2 * DAY_MS)
    expect(kept()).toEqual([undefined, undefined])
    await app.close()
  })

  test('is kept over a crash and a rebalance: late records stay late', async () => {
    const app = await startTestApp(alarm)
    await app.send('hello', at(0))
    await app.advanceTo(START_MS + DAY_MS)
    await app.crash()
    await app.send('again', at(0))
    await app.rebalance()
    await app.advanceTo(START_MS + 2 * DAY_MS - 1)
    expect(app.state('last').get('ann')).toBe('again')
    await app.advanceTo(START_MS + 2 * DAY_MS)
    expect(app.state('last').get('ann')).toBeUndefined()
    await app.close()
  })

  test('never goes back, and says how far which partition has come', async () => {
    const app = await startTestApp(alarm, { partitions: 2 })
    await app.send('hello', at(5))
    await expect(app.advanceTo(START_MS, { partition: 0 })).rejects.toThrow(
      `stream time cannot go on to ${START_MS}, as it never goes back: partition 0 has come to ${START_MS + 5 * HOUR_MS}`,
    )
    await expect(app.advanceTo(START_MS, { partition: 2 })).rejects.toThrow('there is no partition 2')
    await expect(app.advanceTo(NaN)).rejects.toThrow('NaN is no time')
    // The other one has had no record yet.
    await app.advanceTo(START_MS)
    await app.close()
  })

  test('of a topic with tombstones, and of a batch handler: neither is given it', async () => {
    const seen: unknown[] = []
    const withTombstones = await startTestApp(
      defineHandler({
        input: topic('words', { value: text, tombstones: true }),
        handle: (value) => {
          seen.push(value)
          return done()
        },
      }),
    )
    withTombstones.append(null, { key: 'ann' })
    await withTombstones.advanceTo(START_MS + HOUR_MS)
    expect(seen).toEqual([null])
    await withTombstones.close()
    const sizes: number[] = []
    const batch = await startTestApp(
      defineBatchHandler({
        input: words,
        handle: (records) => {
          sizes.push(records.length)
          return records.map(() => done())
        },
      }),
      { partitions: 3 },
    )
    batch.append('one', { key: 'ann' })
    await batch.advanceTo(START_MS + HOUR_MS)
    await batch.send('two', { key: 'ann' })
    expect([sizes, batch.deadLetters()]).toEqual([[1, 1], []])
    await batch.close()
  })
})

describe('idle', () => {
  test('fires what is due by the wall clock, at its time and once; stream time stands', async () => {
    const app = await startTestApp(alarm)
    await app.send('wall 5', at(0))
    await app.send('stream 1', at(0, 'bob'))
    await app.idle(START_MS + 5 * HOUR_MS - 1_000 - app.nowMs)
    expect(app.read(out)).toEqual([])
    await app.idle(1_000)
    expect(app.read(out)).toEqual([out.record('wall alarm in 5 h', { key: 'ann' })])
    await app.idle(DAY_MS)
    expect(app.read(out)).toHaveLength(1)
    await app.close()
  })

  test('goes from one timer to the next, over a month: each is fired at its own time', async () => {
    const now = { ms: (): number => 0 }
    const app = await startTestApp(daily(() => now.ms()))
    now.ms = () => app.nowMs
    await app.send('start', at(0))
    await app.idle(30 * DAY_MS)
    const lateMs = app.read(out).map(({ value }) => Number(value))
    expect(lateMs).toHaveLength(30)
    expect(Math.max(...lateMs)).toBeLessThan(1_000)
    await app.close()
  })

  test('a timer is kept over a crash in its checkpoint, and over a rebalance: it counts once', async () => {
    const app = await startTestApp(alarm)
    await app.send('wall 5', at(0))
    await app.rebalance()
    await app.crash()
    await app.idle(5 * HOUR_MS)
    await app.crash()
    await app.idle(DAY_MS)
    expect(app.read(out)).toEqual([out.record('wall alarm in 5 h', { key: 'ann' })])
    await app.close()
  })

  test('is a time', async () => {
    const app = await startTestApp(alarm)
    await expect(app.idle(-1)).rejects.toThrow('-1 is no time to pass')
    await app.close()
  })

  test('a handler that hangs is timed out, and tried again', async () => {
    const attempts: number[] = []
    const app = await startTestApp(
      defineHandler({
        input: words,
        outputs: [out],
        handle: (word, { attempt, signal }) => {
          attempts.push(attempt)
          if (attempt > 1) return done([out.record(word)])
          return new Promise((_, reject) => {
            signal.addEventListener('abort', () => {
              reject(new Error('aborted'))
            })
          })
        },
      }),
      { actor: { handlerTimeoutMs: 30_000 } },
    )
    app.append('hello')
    await app.idle(20_000)
    expect([attempts, app.read(out)]).toEqual([[1], []])
    await app.idle(20_000)
    expect([attempts, app.read(out)]).toEqual([[1, 2], [out.record('hello')]])
    await app.close()
  })
})

/** Sets itself again each day, and says how late it was. */
function daily(nowMs: () => number) {
  return defineHandler({
    input: words,
    outputs: [out],
    timers: ['day'],
    handle: (_, { record, timer }) => {
      timer('day', record.timestamp + DAY_MS, { clock: 'wall' })
      return done()
    },
    onTimer: (name, { atMs, timer }) => {
      timer(name, atMs + DAY_MS, { clock: 'wall' })
      return done([out.record(String(nowMs() - atMs))])
    },
  })
}
