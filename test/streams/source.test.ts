import { expect, test } from 'vitest'
import type { BrokerConsumer } from '../../src/streams/broker-port.ts'
import { Appetite } from '../../src/streams/appetite.ts'
import { Credit } from '../../src/streams/credit.ts'
import type { SourceRecord } from '../../src/streams/record.ts'
import { Source } from '../../src/streams/source.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'

const record = (partition: number, offset: number): SourceRecord => ({
  topic: 't',
  partition,
  offset,
  timestamp: 0,
  key: null,
  value: null,
  headers: [],
})

function makeSource(maxRecords = 10) {
  const clock = new ManualClock()
  const credit = new Credit({ maxRecords, maxBytes: 1_000_000 })
  const polls: { maxRecords: number; answer: (records: readonly SourceRecord[] | Error) => void }[] = []
  const seen: string[] = []
  const consumer = {
    poll: (max: number) =>
      new Promise<readonly SourceRecord[]>((resolve, reject) => {
        polls.push({
          maxRecords: max,
          answer: (records) => {
            if (records instanceof Error) reject(records)
            else resolve(records)
          },
        })
      }),
  } as unknown as BrokerConsumer
  const handlers = { areSated: false }
  const appetite = new Appetite(() => handlers.areSated)
  const source: Source = new Source({
    consumer,
    credit,
    appetite,
    clock,
    onRecords: (records) => {
      seen.push(`${records[0]?.partition ?? '?'}: ${records.map(({ offset }) => offset).join(' ')}`)
      credit.admit(records.length, records.length)
    },
    onEnd: ({ partition, position }) => seen.push(`${partition} ends at ${position}`),
    onBatchEnd: () => seen.push('batch'),
    onFailure: (error) => seen.push(String(error)),
  })
  source.start()
  const answer = async (records: readonly SourceRecord[] | Error): Promise<void> => {
    polls.at(-1)?.answer(records)
    await clock.settle()
  }
  return { source, clock, credit, appetite, handlers, polls, seen, answer }
}

test('hands over the records of each partition, in the order they came', async () => {
  const { answer, seen } = makeSource()
  await answer([record(0, 1), record(0, 2), record(1, 7), record(0, 3)])
  expect(seen).toEqual(['0: 1 2', '1: 7', '0: 3', 'batch'])
})

// Found by a slow pipeline: the position moved past records that were still on their way.
test('an end is told after the records that the same poll has brought', async () => {
  const { answer, seen, source } = makeSource()
  source.noteEnd({ topic: 't', partition: 0, position: 3 })
  await answer([record(0, 1), record(0, 2)])
  expect(seen).toEqual(['0: 1 2', '0 ends at 3', 'batch'])
})

test('asks for what there is credit for, and for nothing while there is none, but goes on asking', async () => {
  const { answer, clock, credit, polls } = makeSource(4)
  expect(polls[0]?.maxRecords).toBe(4)
  await answer([record(0, 0), record(0, 1), record(0, 2), record(0, 3)])
  expect(polls).toHaveLength(1)
  await clock.advance(100)
  expect(polls.at(-1)?.maxRecords).toBe(0)
  await answer([])
  const before = polls.length
  credit.retire(1, 1)
  await clock.settle()
  expect(polls.length).toBe(before + 1)
  expect(polls.at(-1)?.maxRecords).toBe(1)
})

test('while the handlers have enough it asks for a record now and then, and for all it may as soon as they have not', async () => {
  const { answer, appetite, clock, handlers, polls } = makeSource(10_000)
  handlers.areSated = true
  await answer([record(0, 0)])
  expect(polls).toHaveLength(1)
  await clock.advance(100)
  expect(polls.map(({ maxRecords }) => maxRecords)).toEqual([500, 1])
  await answer([record(0, 1)])
  appetite.review()
  await clock.settle()
  expect(polls).toHaveLength(2)
  handlers.areSated = false
  appetite.review()
  await clock.settle()
  expect(polls.map(({ maxRecords }) => maxRecords)).toEqual([500, 1, 500])
})

// Case 51: no lost wake-up.
test('an appetite that comes while a record is asked for is met by the next poll', async () => {
  const { answer, appetite, clock, handlers, polls } = makeSource(10_000)
  handlers.areSated = true
  await answer([record(0, 0)])
  await clock.advance(100)
  handlers.areSated = false
  appetite.review()
  await answer([record(0, 1)])
  expect(polls.map(({ maxRecords }) => maxRecords)).toEqual([500, 1, 500])
})

// Case 51: no lost wake-up.
test('credit that comes while a poll for nothing is under way is used by the next one', async () => {
  const { answer, clock, credit, polls } = makeSource(4)
  await answer([record(0, 0), record(0, 1), record(0, 2), record(0, 3)])
  await clock.advance(100)
  credit.retire(4, 4)
  await answer([])
  expect(polls.at(-1)?.maxRecords).toBe(4)
})

// Case 17.
test('takes nothing when told to, and goes on polling', async () => {
  const { answer, clock, polls, source } = makeSource()
  source.stopTaking()
  await answer([])
  await clock.advance(100)
  expect(polls.at(-1)?.maxRecords).toBe(0)
  await answer([])
  await clock.advance(100)
  expect(polls).toHaveLength(3)
})

test('records that come after the end of the loop are dropped, and no poll follows', async () => {
  const { answer, clock, polls, seen, source } = makeSource()
  source.stop()
  await answer([record(0, 0)])
  await clock.advance(1_000)
  expect([seen, polls.length, clock.pendingTimers]).toEqual([[], 1, 0])
})

// Case 18: a dead loop is told of.
test('a poll that fails ends the loop and says why', async () => {
  const { answer, polls, seen } = makeSource()
  await answer(new Error('the client is gone'))
  expect(seen).toEqual(['Error: the client is gone'])
  expect(polls).toHaveLength(1)
})
