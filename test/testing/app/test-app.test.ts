/** A handler under test as the app that it will be: whatever happens to it, what stands is exact. */
import { describe, expect, test } from 'vitest'
import { defineBatchHandler } from '../../../src/actors/handlers/batch-handler.ts'
import { deadLetter, defineHandler, done } from '../../../src/actors/handlers/handler.ts'
import { state } from '../../../src/state/declared-state.ts'
import { checkpointPoints } from '../../../src/streams/delivery/checkpoint-points.ts'
import { json, text } from '../../../src/streams/flows/codec.ts'
import { table, topic } from '../../../src/streams/flows/flow.ts'
import { startTestApp } from '../../../src/testing/app/start-test-app.ts'

const HOUR_MS = 3_600_000
const START_MS = Date.UTC(2026, 0, 1)

const orders = topic('orders', { key: text, value: json<{ cents: number }>() })
const totals = topic('totals', { key: text, value: json<number>() })
const reminders = topic<string>('reminders', { value: text })
const rows = table<{ key: string; total: number }>('totals', { columns: { key: 'text', total: 'int8' }, key: ['key'] })

const count = defineHandler({
  input: orders,
  outputs: [totals],
  state: { total: state<number>({ initial: () => 0 }) },
  handle: ({ cents }, { key, state: { total } }) =>
    done([
      totals.record(
        total.update((before) => before + cents),
        { key },
      ),
    ]),
})

test('what is sent is finished and committed, and can be read as it was written', async () => {
  const app = await startTestApp(count)
  await app.send({ cents: 5 }, { key: 'ann' })
  await app.send({ cents: 7 }, { key: 'ann' })
  await app.send({ cents: 1 }, { key: 'bob' })
  expect(['ann', 'bob', 'eve'].map((key) => app.state('total').get(key))).toEqual([12, 1, undefined])
  expect(app.read(totals)).toEqual([
    totals.record(5, { key: 'ann' }),
    totals.record(12, { key: 'ann' }),
    totals.record(1, { key: 'bob' }),
  ])
  await app.close()
})

test('nothing happens before it is let: what is appended is not handled yet', async () => {
  const app = await startTestApp(count)
  app.append({ cents: 5 }, { key: 'ann' })
  expect([app.state('total').get('ann'), app.read(totals)]).toEqual([undefined, []])
  await app.idle(1_000)
  expect([app.state('total').get('ann'), app.read(totals)]).toEqual([5, [totals.record(5, { key: 'ann' })]])
  await app.close()
})

describe('a crash', () => {
  test.each(checkpointPoints)('%s: each record is counted once, and each output is there once', async (at) => {
    const app = await startTestApp(count)
    await app.send({ cents: 1 }, { key: 'ann' })
    app.append({ cents: 2 }, { key: 'ann' })
    app.append({ cents: 4 }, { key: 'bob' })
    await app.crash({ at })
    expect([app.state('total').get('ann'), app.state('total').get('bob')]).toEqual([3, 4])
    await app.send({ cents: 8 }, { key: 'ann' })
    expect(app.read(totals)).toEqual([
      totals.record(1, { key: 'ann' }),
      totals.record(3, { key: 'ann' }),
      totals.record(4, { key: 'bob' }),
      totals.record(11, { key: 'ann' }),
    ])
    await app.close()
  })

  test.each(checkpointPoints)('%s of a timer that has fired: it counts once', async (at) => {
    const app = await startTestApp(
      defineHandler({
        input: orders,
        outputs: [reminders],
        timers: ['late'],
        state: { fired: state<number>({ initial: () => 0 }) },
        handle: (_, { timer }) => {
          timer('late', START_MS + HOUR_MS)
          return done()
        },
        onTimer: (name, { key, state: { fired } }) => {
          fired.update((before) => before + 1)
          return done([reminders.record(`${name} ${key}`)])
        },
      }),
    )
    await app.send({ cents: 1 }, { key: 'ann' })
    app.append({ cents: 1 }, { key: 'bob', timestamp: START_MS + 2 * HOUR_MS })
    await app.crash({ at })
    expect([app.state('fired').get('ann'), app.read(reminders)]).toEqual([
      1,
      [reminders.record('late ann'), reminders.record('late bob')],
    ])
    await app.close()
  })

  test('with many partitions, again and again: the counts are exact', async () => {
    const app = await startTestApp(count, { partitions: 4 })
    const keys = Array.from({ length: 10 }, (_, at) => `key-${at}`)
    for (const at of checkpointPoints) {
      for (const key of keys) app.append({ cents: 1 }, { key })
      await app.crash({ at })
    }
    expect(keys.map((key) => app.state('total').get(key))).toEqual(keys.map(() => checkpointPoints.length))
    expect(app.read(totals)).toHaveLength(keys.length * checkpointPoints.length)
    await app.close()
  })

  test('of a handler that writes to a database: the row is there, however often it was written', async () => {
    const app = await startTestApp(
      defineHandler({
        input: orders,
        outputs: [rows],
        state: { total: state<number>({ initial: () => 0 }) },
        handle: ({ cents }, { key, state: { total } }) =>
          done([rows.upsert({ key: key ?? '', total: total.update((before) => before + cents) })]),
      }),
    )
    app.append({ cents: 3 }, { key: 'ann' })
    await app.crash({ at: 'before-commit' })
    expect(app.rows(rows)).toEqual([{ key: 'ann', total: '3' }])
    // Written before the crash and after it.
    expect(app.database().writes.map(({ row }) => row)).toEqual([
      { key: 'ann', total: '3' },
      { key: 'ann', total: '3' },
    ])
    await app.close()
  })

  test('wherever it stands: what is at its handler goes again, and the process that is gone calls nothing more', async () => {
    const calls: string[] = []
    let letGo: () => void = () => undefined
    const held = new Promise<void>((resolve) => (letGo = resolve))
    const app = await startTestApp(
      defineHandler({
        input: orders,
        outputs: [totals],
        state: { total: state<number>({ initial: () => 0 }) },
        handle: async ({ cents }, { key, state: { total } }) => {
          calls.push(String(cents))
          if (calls.length === 1) await held
          return done([
            totals.record(
              total.update((before) => before + cents),
              { key },
            ),
          ])
        },
      }),
    )
    app.append({ cents: 1 }, { key: 'ann' })
    app.append({ cents: 2 }, { key: 'ann' })
    await app.idle(1_000)
    expect(calls).toEqual(['1'])
    await app.crash()
    letGo()
    await app.idle(1_000)
    expect(calls).toEqual(['1', '1', '2'])
    expect([app.state('total').get('ann'), app.read(totals).length]).toEqual([3, 2])
    await app.close()
  })

  test('of an app without state that is exactly once: each output is there once', async () => {
    const copy = defineHandler({
      input: orders,
      outputs: [totals],
      handle: ({ cents }, { key }) => done([totals.record(cents, { key })]),
    })
    const app = await startTestApp(copy, { guarantee: 'exactly-once' })
    for (const at of checkpointPoints) {
      app.append({ cents: checkpointPoints.indexOf(at) }, { key: 'ann' })
      await app.crash({ at })
    }
    expect(app.read(totals)).toEqual(checkpointPoints.map((_, at) => totals.record(at, { key: 'ann' })))
    await app.close()
  })
})

describe('a rebalance', () => {
  test('moves all partitions with their state to another process, and what waits is handled once', async () => {
    let processes = 0
    const app = await startTestApp(
      defineHandler({
        input: orders,
        outputs: [totals],
        state: { total: state<number>({ initial: () => 0 }) },
        setup: () => (processes += 1),
        handle: ({ cents }, { key, setup, state: { total } }) => {
          total.update((before) => before + cents)
          return done([totals.record(setup, { key })])
        },
      }),
      { partitions: 3 },
    )
    const keys = ['ann', 'bob', 'eve', 'joe', 'kim']
    for (const key of keys) await app.send({ cents: 1 }, { key })
    expect(
      app
        .status()
        .partitions.map(({ partition }) => partition)
        .toSorted(),
    ).toEqual([0, 1, 2])
    for (const key of keys) app.append({ cents: 1 }, { key })
    await app.rebalance()
    for (const key of keys) await app.send({ cents: 1 }, { key })
    expect(keys.map((key) => app.state('total').get(key))).toEqual([3, 3, 3, 3, 3])
    expect(
      app
        .status()
        .partitions.map(({ partition }) => partition)
        .toSorted(),
    ).toEqual([0, 1, 2])
    const by = app.read(totals).map(({ value }) => value)
    expect(by).toHaveLength(15)
    expect([by.slice(0, 5), by.slice(10)]).toEqual([
      [1, 1, 1, 1, 1],
      [2, 2, 2, 2, 2],
    ])
    await app.close()
  })

  test('and a crash after it, and another one: the counts are exact', async () => {
    const app = await startTestApp(count, { partitions: 2 })
    for (const at of ['before-changelog', 'before-commit', 'before-base'] as const) {
      app.append({ cents: 1 }, { key: 'ann' })
      await app.rebalance()
      app.append({ cents: 1 }, { key: 'bob' })
      await app.crash({ at })
    }
    expect([app.state('total').get('ann'), app.state('total').get('bob')]).toEqual([3, 3])
    expect(app.read(totals)).toHaveLength(6)
    await app.close()
  })
})

describe('what fails', () => {
  const picky = defineHandler({
    ...count,
    handle: ({ cents }, { attempt, key, state: { total } }) => {
      const sum = total.update((before) => before + cents)
      if (cents === 13 && attempt < 3) throw new Error('not yet')
      if (cents === 0) throw new Error('nothing')
      if (cents < 0) return deadLetter('negative')
      return done([totals.record(sum, { key })])
    },
  })

  test('is tried again in the time of the app, and counts once', async () => {
    const app = await startTestApp(picky, { actor: { retry: { backoffMs: 60_000, maxBackoffMs: 60_000, jitter: 0 } } })
    const beganMs = app.nowMs
    await app.send({ cents: 13 }, { key: 'ann' })
    expect(app.state('total').get('ann')).toBe(13)
    expect(app.read(totals)).toEqual([totals.record(13, { key: 'ann' })])
    expect(app.nowMs - beganMs).toBeGreaterThanOrEqual(120_000)
    await app.close()
  })

  test('for good is a dead letter, and leaves no trace of what it has set', async () => {
    const app = await startTestApp(picky)
    await app.send({ cents: 5 }, { key: 'ann' })
    await app.send({ cents: -1 }, { key: 'ann' })
    app.appendBytes(Buffer.from('no JSON'), { key: 'ann' })
    await app.crash({ at: 'before-commit' })
    expect(app.deadLetters()).toMatchObject([
      { id: 'orders/0/1', code: 'DEAD_LETTER', message: 'negative' },
      { id: 'orders/0/2', code: 'DECODE_FAILED' },
    ])
    expect(app.state('total').get('ann')).toBe(5)
    await app.close()
  })

  test('and is parked waits for a word, its key behind it; then it goes on', async () => {
    const app = await startTestApp(picky, { actor: { failedRecords: 'park' } })
    await app.send({ cents: 0 }, { key: 'ann' })
    await app.send({ cents: 5 }, { key: 'ann' })
    await app.send({ cents: 1 }, { key: 'bob' })
    expect(app.parked()).toMatchObject([{ id: 'orders/0/0', waitingBehind: 1 }])
    expect([app.state('total').get('ann'), app.state('total').get('bob')]).toEqual([undefined, 1])
    await app.crash()
    expect(app.parked()).toMatchObject([{ id: 'orders/0/0', waitingBehind: 1 }])
    await app.decide('orders/0/0', 'skip')
    expect([app.state('total').get('ann'), app.state('total').get('bob')]).toEqual([5, 1])
    await app.close()
  })
})

test('a batch handler is called with what has gathered, and counts once over a crash', async () => {
  const app = await startTestApp(
    defineBatchHandler({
      input: orders,
      state: { total: state<number>({ initial: () => 0 }) },
      handle: (records) => {
        for (const { state: own, value } of records) own.total.update((before) => before + value.cents)
        return done()
      },
    }),
  )
  for (let at = 0; at < 10; at += 1) app.append({ cents: 1 }, { key: 'ann' })
  await app.crash({ at: 'before-positions' })
  expect(app.state('total').get('ann')).toBe(10)
  await app.close()
})

test('the same calls with the same seed are the same story, to the millisecond', async () => {
  async function story(): Promise<unknown> {
    const app = await startTestApp(count, { partitions: 3, seed: 7 })
    for (const key of ['ann', 'bob', 'eve']) app.append({ cents: 1 }, { key })
    await app.crash({ at: 'before-commit' })
    await app.rebalance()
    await app.close()
    return [app.nowMs, app.broker.records('totals').map(({ offset, timestamp }) => [offset, timestamp])]
  }
  expect(await story()).toEqual(await story())
})
