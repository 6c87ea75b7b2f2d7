/** A record whose schema is not known yet: it waits, costs nothing, and nothing of its order overtakes it. */
import { describe, expect, test } from 'vitest'
import { findBlockingRecord } from '../../src/supervisor/status/blocking-record.ts'
import type { Verdict } from '../../src/actors/handlers/verdict.ts'
import type { Order } from '../../src/options/options.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { FakeSchemas } from '../support/fake-schemas.ts'
import { failure, inputOf, makeActor, oneOutput, sourceRecord } from './actor-fixture.ts'

const needs17: Verdict = { type: 'needs-schema', id: 17 }
const skip: Verdict = { type: 'skip' }

function world(
  options: { order?: Order; mixesKeys?: boolean; keyBudget?: { maxRecords: number; maxBytes: number } } = {},
) {
  const { order = 'key', ...others } = options
  const clock = new ManualClock()
  const schemas = new FakeSchemas(clock)
  const made = makeActor({ actor: { order }, clock, schemas, ...others })
  const input = inputOf(made.actor)
  const stats = made.stats.partition('enrich', 'clicks', 0)
  const blocking = () => findBlockingRecord(made.actor, input, clock.now(), [])
  const taken = (maxRecords = 10) => made.take(maxRecords).invocations.map(({ record }) => record.offset)
  return { ...made, blocking, input, partition: stats, schemas, taken }
}

describe('a record that needs a schema', () => {
  test('waits, first of its key, and goes again when it is known; other keys go on', async () => {
    const { actor, clock, input, schemas, take, taken } = world()
    actor.admit([sourceRecord(0, 'a'), sourceRecord(1, 'b'), sourceRecord(2, 'a'), sourceRecord(3, 'b')])
    actor.settle(take(1), [needs17])
    expect(schemas.asked).toEqual([17])
    actor.settle(take(), [skip, skip])
    expect([actor.takeRun(1), input.tracker.safePosition]).toEqual([null, 0])
    schemas.register(17)
    await clock.settle()
    const run = take()
    expect(run.invocations.map(({ record, attempt }) => [record.offset, attempt])).toEqual([
      [0, 1],
      [2, 1],
    ])
    actor.settle(run, [skip, skip])
    expect([input.tracker.safePosition, actor.heldRecords, taken]).toEqual([4, 0, taken])
  })

  test('counts no attempt, no retry and no failure, however often it goes again', async () => {
    const { actor, clock, lines, partition, schemas, stats, take } = world()
    schemas.register(17)
    actor.admit([sourceRecord(0)])
    for (let round = 0; round < 10; round += 1) {
      actor.settle(take(1), [needs17])
      await clock.settle()
    }
    expect(partition).toMatchObject({ attempts: 0, retries: 0, deadLettered: 0 })
    expect([...stats.actor('enrich').failures.entries()]).toEqual([])
    expect([actor.retrying, lines]).toEqual([null, []])
    // Of three attempts it has all three.
    for (const left of [2, 1]) {
      const run = take(1)
      expect(run.invocations[0]?.attempt).toBe(3 - left)
      actor.settle(run, [failure])
      await clock.advance(1_000)
    }
    expect(take(1).invocations[0]?.attempt).toBe(3)
    expect(partition.deadLettered).toBe(0)
  })

  test('is asked for once, whatever waits for it, and all of that goes on together', async () => {
    const { actor, clock, ready, schemas, take } = world()
    actor.admit(['a', 'b', 'c'].map((key, offset) => sourceRecord(offset, key)))
    for (let at = 0; at < 3; at += 1) actor.settle(take(1), [needs17])
    expect([schemas.asked, actor.readyRecordCount]).toEqual([[17], 0])
    const before = ready.length
    schemas.register(17)
    await clock.settle()
    expect([ready.length - before, actor.readyRecordCount]).toEqual([1, 3])
  })

  test('goes before what became ready meanwhile: where handlers run a schema is not kept for ever', async () => {
    const { actor, clock, schemas, take } = world()
    actor.admit([sourceRecord(0, 'a')])
    actor.settle(take(1), [needs17])
    actor.admit([sourceRecord(1, 'b'), sourceRecord(2, 'c')])
    schemas.register(17)
    await clock.settle()
    expect([1, 2, 3].map(() => take(1).invocations[0]?.record.offset)).toEqual([0, 1, 2])
  })

  test('in partition order holds back the partition', async () => {
    const { actor, clock, schemas, take } = world({ order: 'partition' })
    actor.admit([sourceRecord(0, 'a'), sourceRecord(1, 'b'), sourceRecord(2, 'c')])
    actor.settle(take(), [skip, needs17])
    expect(actor.takeRun(10)).toBeNull()
    schemas.register(17)
    await clock.settle()
    expect(take().invocations.map(({ record }) => record.offset)).toEqual([1, 2])
  })

  test.each([
    ['without an order', { order: 'unordered' as const }],
    ['first of its key, among those of others', { order: 'key' as const, mixesKeys: true }],
  ])('%s holds back nothing of its run', async (_, options) => {
    const { actor, clock, input, schemas, take } = world(options)
    actor.admit([sourceRecord(0, 'a'), sourceRecord(1, 'b'), sourceRecord(2, 'c')])
    actor.settle(take(), [skip, needs17, skip])
    expect([input.tracker.safePosition, actor.heldRecords, actor.takeRun(1)]).toEqual([1, 1, null])
    schemas.register(17)
    await clock.settle()
    actor.settle(take(), [skip])
    expect(input.tracker.safePosition).toBe(3)
  })

  test('first of its key, among those of others, is not overtaken by the next of its key', async () => {
    const { actor, clock, schemas, take } = world({ mixesKeys: true })
    actor.admit([sourceRecord(0, 'a'), sourceRecord(1, 'b'), sourceRecord(2, 'a')])
    actor.settle(take(), [needs17, skip])
    actor.admit([sourceRecord(3, 'a')])
    expect(actor.takeRun(10)).toBeNull()
    schemas.register(17)
    await clock.settle()
    expect(take().invocations.map(({ record }) => record.offset)).toEqual([0, 2, 3])
  })

  test.each([false, true])(
    'in a call of several: what the call says of those behind it in its key does not count',
    async (mixesKeys) => {
      const { actor, clock, delivery, schemas, take } = world({ mixesKeys })
      actor.admit([sourceRecord(0, 'a'), sourceRecord(1, 'a'), sourceRecord(2, 'a')])
      const run = take()
      actor.settleCall(() => {
        actor.settle(run, run.invocations.length === 1 ? [needs17] : [needs17, { type: 'unrun' }, { type: 'unrun' }])
      })
      expect([delivery.outputs, actor.takeRun(1)]).toEqual([[], null])
      schemas.register(17)
      await clock.settle()
      expect(take().invocations[0]?.record.offset).toBe(0)
    },
  )
})

describe('while it waits', () => {
  test('it is seen as what it is: where it stands, for which schema, and why that does not come', () => {
    const { actor, blocking, schemas, take } = world()
    schemas.goAway()
    actor.admit([sourceRecord(0, 'a'), sourceRecord(1, 'a'), sourceRecord(2, 'b')])
    actor.settle(take(1), [needs17])
    expect(actor.load).toMatchObject({ held: 3, ready: 1, waiting: 2, waitingForSchemas: 2, parked: 0 })
    expect([actor.waitingKeys.records, actor.waitingKeys.largest, actor.retrying]).toEqual([
      2,
      { key: 'a', records: 2 },
      null,
    ])
    expect(blocking()).toMatchObject({
      id: 'clicks/0/0',
      stage: 'waits-for-schema',
      attempt: 1,
      code: null,
      why: 'it waits for schema 17: the schema registry does not answer',
    })
  })

  test('and as no longer waiting when it is known', async () => {
    const { actor, blocking, clock, partition, schemas, take } = world()
    actor.admit([sourceRecord(0, 'a')])
    actor.settle(take(1), [needs17])
    expect([blocking()?.why, partition.waitingRecords]).toEqual([
      'it waits for schema 17: the schema registry is asked for it',
      1,
    ])
    schemas.register(17)
    await clock.settle()
    expect(actor.load).toMatchObject({ ready: 1, waiting: 0, waitingForSchemas: 0 })
    expect([blocking()?.stage, partition.waitingRecords]).toEqual(['queued', 0])
  })

  test('one that has failed before is tried again still', async () => {
    const { actor, clock, schemas, take } = world()
    actor.admit([sourceRecord(0, 'a')])
    actor.settle(take(1), [failure])
    await clock.advance(1_000)
    const run = take(1)
    expect(run.invocations[0]?.attempt).toBe(2)
    actor.settle(run, [needs17])
    expect(actor.retrying).toMatchObject({ lanes: 1, oldest: { failures: 1 } })
    schemas.register(17)
    await clock.settle()
    const again = take(1)
    expect([again.invocations[0]?.attempt, actor.retrying?.lanes]).toEqual([2, 1])
    actor.settle(again, [skip])
    expect([actor.retrying, actor.load.waiting]).toEqual([null, 0])
  })

  test('the intake stops at its share, and goes on when the schema is known', async () => {
    const { actor, clock, input, schemas, take } = world({ keyBudget: { maxRecords: 2, maxBytes: 1_000_000 } })
    actor.admit([sourceRecord(0, 'a'), sourceRecord(1, 'a')])
    actor.settle(take(1), [needs17])
    expect(actor.intakeStopsOf(input)).toEqual(['waiting-keys'])
    schemas.register(17)
    await clock.settle()
    expect(actor.intakeStopsOf(input)).toEqual([])
  })
})

describe('when the actor ends, a record that needs a schema', () => {
  test('is dropped unstarted by a drain, and nobody is asked any more', async () => {
    const { actor, clock, credit, input, partition, schemas, take } = world()
    actor.admit([sourceRecord(0, 'a'), sourceRecord(1, 'a')])
    actor.settle(take(1), [needs17])
    await actor.drain()
    expect([actor.heldRecords, credit.recordsInFlight, partition.dropped]).toEqual([0, 0, 2])
    expect([schemas.waitingIds, input.tracker.safePosition]).toEqual([[], 0])
    schemas.register(17)
    await clock.settle()
    expect(actor.takeRun(1)).toBeNull()
  })

  test('is dropped where its verdict comes during a drain', async () => {
    const { actor, schemas, take } = world()
    actor.admit([sourceRecord(0, 'a')])
    const run = take(1)
    const drained = actor.drain()
    actor.settle(run, [needs17])
    await drained
    expect([actor.heldRecords, schemas.asked]).toEqual([0, []])
  })

  test('is given up when the epoch ends, whatever is told later', async () => {
    const { actor, clock, credit, ready, schemas, take } = world()
    actor.admit([sourceRecord(0, 'a')])
    actor.settle(take(1), [needs17])
    actor.fence()
    const before = ready.length
    schemas.register(17)
    await clock.settle()
    expect([ready.length, credit.recordsInFlight, schemas.waitingIds]).toEqual([before, 0, []])
  })

  test('is dropped when the actor stops on another record', async () => {
    const { actor, clock, schemas, take } = world()
    actor.admit([sourceRecord(0, 'a'), sourceRecord(1, 'b')])
    actor.settle(take(1), [needs17])
    actor.settle(take(1), [{ type: 'stop', error: { name: 'Error', message: 'no', kind: 'terminal' } }])
    expect([actor.heldRecords, schemas.waitingIds]).toEqual([0, []])
    schemas.register(17)
    await clock.settle()
    expect(actor.takeRun(1)).toBeNull()
  })
})

test('outputs of those before it in its run are written', () => {
  const { actor, delivery, input, take } = world()
  actor.admit([sourceRecord(0, 'a'), sourceRecord(1, 'a')])
  actor.settle(take(), [oneOutput, needs17])
  delivery.makeDurable()
  expect([input.tracker.safePosition, actor.heldRecords]).toEqual([1, 1])
})
