/** A dedup as an app: what it has seen is of one checkpoint with what it has sent. */
import { describe, expect, test } from 'vitest'
import { defineDedup } from '../../../src/operators/dedup/dedup.ts'
import { checkpointPoints } from '../../../src/streams/delivery/checkpoint-points.ts'
import { json, text } from '../../../src/streams/flows/codec.ts'
import { topic } from '../../../src/streams/flows/flow.ts'
import { startTestApp } from '../../../src/testing/app/start-test-app.ts'

const DAY_MS = 86_400_000
const START_MS = Date.UTC(2026, 0, 1)

interface Event {
  readonly id: string
}

const events = topic('events', { key: text, value: json<Event>() })
const unique = topic('unique', { key: text, value: json<Event>() })

const dedup = defineDedup({ input: events, output: unique, id: ({ id }) => id, withinMs: 7 * DAY_MS })
const at = (day: number, key = 'k') => ({ key, timestamp: START_MS + day * DAY_MS })

// T32
test('an id passes again when the time since it was first seen is over, under the key of its record', async () => {
  const app = await startTestApp(dedup, { startMs: START_MS })
  for (const day of [0, 6, 8]) await app.send({ id: 'a' }, at(day, `day ${day}`))
  expect(app.read(unique).map(({ options }) => options.key)).toEqual(['day 0', 'day 8'])
  await app.close()
})

// T33
test('a record that failed and is tried again is not taken for its own duplicate', async () => {
  let failures = 2
  const flaky = defineDedup({
    ...{ input: events, outputs: [unique], id: ({ id }: Event) => id, withinMs: DAY_MS },
    result: ({ key, value }) => {
      failures -= 1
      if (failures >= 0) throw new Error('not just now')
      return [unique.record(value, { key })]
    },
  })
  const app = await startTestApp(flaky, { startMs: START_MS, actor: { retry: { attempts: 5 } } })
  await app.send({ id: 'a' }, at(0))
  await app.send({ id: 'a' }, at(0.5))
  expect(app.read(unique).map(({ value }) => value)).toEqual([{ id: 'a' }])
  expect(app.deadLetters()).toEqual([])
  await app.close()
})

// T33
describe('a crash', () => {
  test.each(checkpointPoints)('%s: each id comes out once', async (point) => {
    const app = await startTestApp(dedup, { startMs: START_MS })
    await app.send({ id: 'a' }, at(0))
    for (const id of ['a', 'b', 'b']) app.append({ id }, at(1))
    await app.crash({ at: point })
    await app.send({ id: 'b' }, at(2))
    await app.rebalance()
    await app.send({ id: 'a' }, at(3))
    expect(app.read(unique).map(({ value }) => value)).toEqual([{ id: 'a' }, { id: 'b' }])
    await app.close()
  })
})
