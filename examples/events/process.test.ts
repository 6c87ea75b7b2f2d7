import { RetryableError } from 'troupe'
import { createHarness } from 'troupe/testing'
import { expect, test } from 'vitest'
import { checkEvent, eventTable, processedEvents, type ProcessedEvent, type ShopEvent } from './flows.ts'
import { UNLUCKY_USER } from './plans.ts'
import processEvents from './process.ts'

const event: ShopEvent = {
  event_id: 'e-1',
  event_type: 'order.placed',
  user_id: 7,
  timestamp: '2026-01-31T12:00:00.123Z',
  data: { cents: 1250 },
}

test('an event is stored with its plan, when it happened and when it was processed', async () => {
  const outcome = await createHarness(processEvents).send(event)
  const processed: ProcessedEvent = {
    event_id: 'e-1',
    event_type: 'order.placed',
    user_id: 7,
    plan: 'free',
    original_timestamp: '2026-01-31T12:00:00.123Z',
    processed_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
    data: { cents: 1250 },
  }
  expect(outcome).toMatchObject({
    type: 'done',
    effects: [processedEvents.record(processed, { key: '7' }), eventTable.upsert(processed)],
  })
})

test('a service that fails is worth another attempt', async () => {
  const sent = createHarness(processEvents).send({ ...event, user_id: UNLUCKY_USER })
  await expect(sent).rejects.toBeInstanceOf(RetryableError)
})

test('one that is busy now and then takes the event at the next attempt', async () => {
  const harness = createHarness(processEvents)
  const types: string[] = []
  for (let count = 0; count < 100; count += 1) {
    const sent = harness.send(event).catch(() => harness.send(event, { attempt: 2 }))
    types.push((await sent).type)
  }
  expect(new Set(types)).toEqual(new Set(['done']))
})

test.each([
  [[event], 'the JSON is no object'],
  [{}, 'missing: event_id, event_type, user_id, timestamp, data'],
  [{ ...event, user_id: '7', data: null }, 'missing: data; user_id is no integer'],
  [{ ...event, event_id: '' }, 'event_id is no text'],
  [{ ...event, event_type: 'a\0b' }, 'event_type is no text'],
  [{ ...event, timestamp: 'yesterday' }, 'timestamp is no time'],
  [{ ...event, timestamp: '2026-01-31T12:00:00' }, 'timestamp is no time'],
  [{ ...event, data: [] }, 'data is no object'],
])('%j is refused, with all that is wrong: %s', (parsed, words) => {
  expect(() => checkEvent(parsed)).toThrow(new Error(words))
})
