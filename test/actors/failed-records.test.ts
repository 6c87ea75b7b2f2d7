/** What becomes of a record that failed for good: by the actor's option, by the handler's word, by an operator. */
import { keyHash } from '../../src/streams/record-id.ts'
import { describe, expect, test } from 'vitest'
import type { ResolvedActor } from '../../src/options/options.ts'
import type { Verdict } from '../../src/actors/handlers/verdict.ts'
import { inputOf, failure, makeActor, oneOutput, sourceRecord } from './actor-fixture.ts'

const once: Partial<ResolvedActor> = { retry: { attempts: 1, backoffMs: 0, maxBackoffMs: 0, jitter: 0 } }
const final = (type: 'park' | 'stop' | 'escalate' | 'skip-failed'): Verdict => ({
  type,
  error: { name: 'Error', message: 'never', code: 'E_NEVER', kind: 'terminal' },
})

describe('failedRecords', () => {
  test('skip: the record is finished without a trace in any topic, and the next goes on', () => {
    const { actor, delivery, stats, take } = makeActor({ actor: { ...once, failedRecords: 'skip', deadLetter: null } })
    actor.admit([sourceRecord(0), sourceRecord(1)])
    actor.settle(take(1), [failure])
    expect(inputOf(actor).tracker.safePosition).toBe(1)
    expect(delivery.deadLetters).toEqual([])
    expect(stats.partition('enrich', 'clicks', 0).skipped).toBe(1)
    expect(take().invocations[0]?.record.offset).toBe(1)
  })

  test('stop: the partition stops on the record, also where there is a dead-letter topic', () => {
    const { actor, delivery, take } = makeActor({ actor: { ...once, failedRecords: 'stop' } })
    actor.admit([sourceRecord(0, 'a'), sourceRecord(1, 'b')])
    actor.settle(take(), [failure])
    expect(actor.halt).toMatchObject({ id: 'clicks/0/0', attempt: 1 })
    expect(actor.takeRun(1)).toBeNull()
    expect([inputOf(actor).tracker.safePosition, delivery.deadLetters.length]).toEqual([0, 0])
  })

  test('escalate: the actor stops on the record and the supervisor is told to end', () => {
    const { actor, escalations, take } = makeActor({ actor: { ...once, failedRecords: 'escalate' } })
    actor.admit([sourceRecord(0)])
    actor.settle(take(), [failure])
    expect(escalations).toMatchObject([{ code: 'ESCALATED', retryable: false }])
    expect(actor.halt?.id).toBe('clicks/0/0')
  })

  test("a policy's verdict needs no attempts to run out", () => {
    const { actor, escalations, stats, take } = makeActor()
    actor.admit([sourceRecord(0, 'a'), sourceRecord(1, 'b'), sourceRecord(2, 'c'), sourceRecord(3, 'd')])
    actor.settle(take(), [final('park')])
    actor.settle(take(), [final('skip-failed')])
    const last = take()
    actor.settle(take(), [final('escalate')])
    actor.settle(last, [oneOutput])
    expect(stats.partition('enrich', 'clicks', 0)).toMatchObject({ skipped: 1, attempts: 4 })
    expect(escalations).toHaveLength(1)
    expect(stats.actor('enrich').failures.get('TERMINAL_ERROR')).toBe(3)
  })

  test('an output that its sink refuses is a record that failed for good, too', () => {
    const { actor, delivery, take } = makeActor({ actor: { failedRecords: 'park' } })
    actor.admit([sourceRecord(0), sourceRecord(1)])
    actor.settle(take(1), [oneOutput])
    delivery.outputs[0]?.settle(new Error('too large'))
    expect(actor.parked()).toMatchObject([{ id: 'clicks/0/0', waitingBehind: 0, error: { message: 'too large' } }])
    // Its key has gone on.
    expect(take(1).invocations[0]?.record.offset).toBe(1)
    actor.decide('clicks/0/0', 'retry')
    expect(take(1).invocations[0]?.record.offset).toBe(0)
  })
})

describe('a halted actor', () => {
  // Case 37: what it held would take the credit that the other partitions live on.
  test('gives back what it has not started, takes in nothing more, and its position stays', () => {
    const { actor, credit, take } = makeActor({ actor: { ...once, failedRecords: 'stop' } })
    actor.admit([sourceRecord(0, 'a'), sourceRecord(1, 'b'), sourceRecord(2, 'a'), sourceRecord(3, 'c')])
    actor.settle(take(1), [failure])
    actor.admit([sourceRecord(4, 'd')])
    expect([credit.recordsInFlight, credit.bytesInFlight, actor.heldRecords]).toEqual([0, 0, 0])
    expect(actor.isIntakeBlocked(inputOf(actor))).toBe(true)
    expect(inputOf(actor).tracker.safePosition).toBe(0)
  })

  // Case 16: with several runs in flight each record is given back once.
  test('finishes all that is in flight', () => {
    const { actor, credit, delivery, take } = makeActor({ actor: { ...once, failedRecords: 'stop' } })
    actor.admit([0, 1, 2, 3].map((offset) => sourceRecord(offset, offset < 2 ? 'a' : 'b')))
    const a = take(2)
    const b = take(2)
    actor.settle(a, [failure])
    actor.settle(b, [oneOutput, oneOutput])
    expect(credit.recordsInFlight).toBe(2)
    delivery.makeDurable()
    expect([credit.recordsInFlight, credit.bytesInFlight, actor.heldRecords]).toEqual([0, 0, 0])
    expect(inputOf(actor).tracker.snapshot()).toMatchObject({
      position: 0,
      frontier: 4,
      unfinished: Float64Array.of(0, 2),
    })
  })
})

describe('park', () => {
  const parking = { actor: { ...once, failedRecords: 'park' as const } }

  test('the record stays unfinished, its key waits, the others go on', async () => {
    const { actor, clock, delivery, take } = makeActor(parking)
    actor.admit([sourceRecord(0, 'a'), sourceRecord(1, 'a'), sourceRecord(2, 'b')])
    const parkedAtMs = clock.now()
    actor.settle(take(1), [failure])
    actor.settle(take(1), [oneOutput])
    delivery.makeDurable()
    await clock.advance(86_400_000)
    expect(actor.takeRun(1)).toBeNull()
    expect(inputOf(actor).tracker.snapshot()).toMatchObject({ position: 0, unfinished: Float64Array.of(0, 2) })
    expect(actor.parked()).toEqual([
      {
        id: 'clicks/0/0',
        actor: 'enrich',
        key: 'a',
        sinceMs: parkedAtMs,
        attempts: 1,
        code: 'ATTEMPTS_EXHAUSTED',
        error: { code: 'E_BOOM', message: 'boom' },
        waitingBehind: 1,
      },
    ])
  })

  test('a parked record and a dead letter say when by the wall clock as people have it', () => {
    const { actor, clock, delivery, take } = makeActor(parking)
    clock.stepWall(-3_600_000)
    actor.admit([sourceRecord(0)])
    actor.settle(take(), [failure])
    expect(actor.parked()[0]?.sinceMs).toBe(clock.wallNow())
    clock.stepWall(7_200_000)
    actor.decide('clicks/0/0', 'dead-letter')
    const headers = new Map(delivery.deadLetters[0]?.record.headers?.map(([name, value]) => [name, String(value)]))
    expect(headers.get('troupe.first-failed-at')).toBe('2025-12-31T23:00:00.000Z')
    expect(headers.get('troupe.dead-lettered-at')).toBe('2026-01-01T01:00:00.000Z')
  })

  test('decide retry: one more attempt, then its key goes on in order', () => {
    const { actor, ready, take } = makeActor(parking)
    actor.admit([sourceRecord(0), sourceRecord(1)])
    actor.settle(take(), [failure])
    const asked = ready.length
    expect(actor.decide('clicks/0/0', 'retry')).toBe(true)
    expect(ready.length).toBe(asked + 1)
    const run = take()
    expect(run.invocations.map(({ record, attempt }) => [record.offset, attempt])).toEqual([
      [0, 2],
      [1, 1],
    ])
    actor.settle(run, [oneOutput, oneOutput])
    expect(actor.parked()).toEqual([])
  })

  test('decide retry: what fails again is parked again', () => {
    const { actor, take } = makeActor(parking)
    actor.admit([sourceRecord(0)])
    actor.settle(take(), [failure])
    actor.decide('clicks/0/0', 'retry')
    actor.settle(take(), [failure])
    expect(actor.parked()).toMatchObject([{ id: 'clicks/0/0', attempts: 2 }])
  })

  test('decide dead-letter: the record leaves the line with its error, and its key goes on', () => {
    const { actor, delivery, take } = makeActor(parking)
    actor.admit([sourceRecord(0), sourceRecord(1)])
    actor.settle(take(), [failure])
    actor.decide('clicks/0/0', 'dead-letter')
    expect(take().invocations[0]?.record.offset).toBe(1)
    expect(inputOf(actor).tracker.safePosition).toBe(0)
    delivery.deadLetters[0]?.settle(null)
    expect(inputOf(actor).tracker.safePosition).toBe(1)
  })

  test('decide dead-letter: without a topic it is refused, and the record stays parked', () => {
    const { actor, take } = makeActor({ actor: { ...parking.actor, deadLetter: null } })
    actor.admit([sourceRecord(0)])
    actor.settle(take(), [failure])
    expect(() => actor.decide('clicks/0/0', 'dead-letter')).toThrow(/no dead-letter topic/)
    expect(actor.parked()).toHaveLength(1)
  })

  // Case 38.
  test('decide dead-letter: a letter that the broker refuses parks the record again', () => {
    const { actor, delivery, take } = makeActor(parking)
    actor.admit([sourceRecord(0)])
    actor.settle(take(), [failure])
    actor.decide('clicks/0/0', 'dead-letter')
    delivery.deadLetters[0]?.settle(new Error('too large'))
    expect(actor.halt).toBeNull()
    expect(actor.parked()[0]?.error.message).toContain('too large')
    actor.decide('clicks/0/0', 'skip')
    expect(inputOf(actor).tracker.safePosition).toBe(1)
  })

  test('decide skip: the record is finished and its key goes on', () => {
    const { actor, credit, take } = makeActor(parking)
    actor.admit([sourceRecord(0), sourceRecord(1)])
    actor.settle(take(), [failure])
    actor.decide('clicks/0/0', 'skip')
    expect(inputOf(actor).tracker.safePosition).toBe(1)
    expect(credit.recordsInFlight).toBe(1)
    expect(take().invocations[0]?.record.offset).toBe(1)
  })

  test('decideKey retry: all that is parked of the key goes again, in the order of the log, and before what waits', () => {
    const { actor, delivery, take } = makeActor(parking)
    actor.admit([sourceRecord(0), sourceRecord(1), sourceRecord(2), sourceRecord(3), sourceRecord(4, 'other')])
    // Of 0 and 1 an output is refused after their lane has gone on; 2 fails in its lane.
    actor.settle(take(2), [oneOutput, oneOutput])
    for (const output of delivery.outputs.splice(0).toReversed()) output.settle(new Error('too large'))
    const other = take()
    actor.settle(take(1), [failure])
    expect(actor.parked()).toHaveLength(3)
    expect(actor.decideKey('clicks', keyHash('k'), 'retry')).toEqual(['clicks/0/0', 'clicks/0/1', 'clicks/0/2'])
    const run = take()
    expect(run.invocations.map(({ attempt, record }) => [record.offset, attempt])).toEqual([
      [0, 2],
      [1, 2],
      [2, 2],
      [3, 1],
    ])
    actor.settle(run, [{ type: 'skip' }, failure])
    expect(actor.parked()).toMatchObject([{ id: 'clicks/0/1', waitingBehind: 2 }])
    actor.settle(other, [{ type: 'skip' }])
    expect(actor.load).toMatchObject({ held: 3, waiting: 3, parked: 1 })
  })

  test('decideKey skip: what waits behind is handled next, and other keys stay parked', () => {
    const { actor, take } = makeActor(parking)
    actor.admit([sourceRecord(0), sourceRecord(1), sourceRecord(2, 'other')])
    actor.settle(take(), [failure])
    actor.settle(take(), [failure])
    expect(actor.decideKey('orders', keyHash('k'), 'skip')).toEqual([])
    expect(actor.decideKey('clicks', keyHash('k'), 'skip')).toEqual(['clicks/0/0'])
    expect(take().invocations[0]?.record.offset).toBe(1)
    expect(actor.parked()).toMatchObject([{ id: 'clicks/0/2' }])
  })

  test('decideKey dead-letter: without a topic it is refused as a whole', () => {
    const { actor, take } = makeActor({ actor: { ...parking.actor, deadLetter: null, order: 'unordered' } })
    actor.admit([sourceRecord(0), sourceRecord(1)])
    actor.settle(take(), [failure])
    actor.settle(take(), [failure])
    expect(() => actor.decideKey('clicks', keyHash('k'), 'dead-letter')).toThrow(/no dead-letter topic/)
    expect(actor.parked()).toHaveLength(2)
    expect(actor.decideKey('clicks', keyHash('k'), 'retry')).toHaveLength(2)
    expect(actor.parked()).toEqual([])
  })

  test('what is not parked is not decided', () => {
    const { actor, take } = makeActor(parking)
    actor.admit([sourceRecord(0)])
    expect(actor.decide('clicks/0/0', 'skip')).toBe(false)
    actor.settle(take(), [failure])
    expect(actor.decide('clicks/0/1', 'skip')).toBe(false)
    expect(actor.decide('clicks/0/0', 'skip')).toBe(true)
    expect(actor.decide('clicks/0/0', 'skip')).toBe(false)
  })

  // Case 58.
  test('a drain does not wait for a parked record, which stays unfinished', async () => {
    const { actor, credit, take } = makeActor(parking)
    actor.admit([sourceRecord(0), sourceRecord(1)])
    actor.settle(take(), [failure])
    await actor.drain()
    expect(actor.decide('clicks/0/0', 'skip')).toBe(false)
    expect([inputOf(actor).tracker.safePosition, credit.recordsInFlight]).toEqual([0, 0])
  })

  // Case 52: nothing is left of it after the partition has gone.
  test('the end of the epoch leaves no parked record, no credit and no gauge', () => {
    const { actor, credit, stats, take } = makeActor(parking)
    actor.admit([sourceRecord(0), sourceRecord(1)])
    actor.settle(take(), [failure])
    actor.fence()
    expect(actor.parked()).toEqual([])
    expect(credit.recordsInFlight).toBe(0)
    expect(stats.partition('enrich', 'clicks', 0)).toMatchObject({ parked: 0, waitingRecords: 0, inFlight: 0 })
  })
})

describe('keys that wait', () => {
  const parking = { actor: { ...once, failedRecords: 'park' as const }, keyBudget: { maxRecords: 4, maxBytes: 1e9 } }

  test('stop the intake when they hold their share, and name the largest key; others are still handled', () => {
    const { actor, lines, stats, take } = makeActor(parking)
    actor.admit([sourceRecord(0, 'hot'), sourceRecord(1, 'a'), sourceRecord(2, 'hot')])
    actor.settle(take(1), [failure])
    expect(actor.isIntakeBlocked(inputOf(actor))).toBe(false)
    actor.admit([sourceRecord(3, 'hot'), sourceRecord(4, 'hot'), sourceRecord(5, 'b')])
    expect(actor.intakeStopsOf(inputOf(actor))).toEqual(['waiting-keys'])
    expect(actor.waitingKeys).toMatchObject({ records: 4, parked: 1, largest: { key: 'hot', records: 4 } })
    expect(lines.at(-1)).toMatchObject({ level: 'warn', fields: { key: 'hot', keyRecords: 4 } })
    expect(stats.partition('enrich', 'clicks', 0)).toMatchObject({
      parked: 1,
      waitingRecords: 4,
      isStoppedByKeys: true,
    })
    expect([take().invocations[0]?.record.offset, take().invocations[0]?.record.offset]).toEqual([1, 5])
  })

  test('let the intake go on when an operator has decided', () => {
    const { actor, stats, take } = makeActor(parking)
    actor.admit([0, 1, 2, 3].map((offset) => sourceRecord(offset, 'hot')))
    actor.settle(take(1), [failure])
    expect(actor.isIntakeBlocked(inputOf(actor))).toBe(true)
    actor.decide('clicks/0/0', 'skip')
    expect(actor.isIntakeBlocked(inputOf(actor))).toBe(false)
    expect(stats.partition('enrich', 'clicks', 0)).toMatchObject({
      parked: 0,
      waitingRecords: 0,
      isStoppedByKeys: false,
    })
  })

  // Case 50: between limit and half of it the answer stays what it was.
  test('let go at half of their share, not at its edge', () => {
    const { actor, take } = makeActor(parking)
    actor.admit([0, 1, 2, 3].map((offset) => sourceRecord(offset, String(offset))))
    for (let count = 0; count < 4; count += 1) actor.settle(take(), [failure])
    const answers = [0, 1, 2].map((offset) => {
      const isBlocked = actor.isIntakeBlocked(inputOf(actor))
      actor.decide(`clicks/0/${offset}`, 'skip')
      return isBlocked
    })
    expect([...answers, actor.isIntakeBlocked(inputOf(actor))]).toEqual([true, true, false, false])
  })

  // Case 50: a population in its back-off would otherwise stop and resume the intake at every attempt.
  test('count from the first failure of a record until it is handled, attempts in between included', async () => {
    const { actor, clock, delivery, take } = makeActor({
      actor: { retry: { attempts: 3, backoffMs: 100, maxBackoffMs: 100, jitter: 0 } },
      keyBudget: { maxRecords: 2, maxBytes: 1e9 },
    })
    actor.admit([sourceRecord(0, 'a'), sourceRecord(1, 'b')])
    const seen: boolean[] = []
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      for (let lane = 0; lane < 2; lane += 1) actor.settle(take(), [failure])
      seen.push(actor.isIntakeBlocked(inputOf(actor)))
      await clock.advance(100)
      seen.push(actor.isIntakeBlocked(inputOf(actor)))
    }
    expect(seen).toEqual([true, true, true, true, false, false])
    expect(delivery.deadLetters).toHaveLength(2)
  })

  // Case 37.
  test('a population of records that always fail never latches the intake', async () => {
    const { actor, clock, credit, delivery, stats } = makeActor({
      actor: { retry: { attempts: 3, backoffMs: 100, maxBackoffMs: 100, jitter: 0 } },
      keyBudget: { maxRecords: 10, maxBytes: 1e9 },
    })
    let offset = 0
    for (let round = 0; round < 200; round += 1) {
      if (!actor.isIntakeBlocked(inputOf(actor)) && credit.availableRecords > 0) {
        // Every other record fails, each with a key of its own.
        actor.admit([sourceRecord(offset, `k${offset}`), sourceRecord(offset + 1, `k${offset + 1}`)])
        offset += 2
      }
      for (let run = actor.takeRun(1); run !== null; run = actor.takeRun(1)) {
        const isBad = (run.invocations[0]?.record.offset ?? 0) % 2 === 0
        actor.settle(run, [isBad ? failure : oneOutput])
      }
      delivery.makeDurable()
      for (const letter of delivery.deadLetters.splice(0)) letter.settle(null)
      await clock.advance(10)
    }
    const { deadLettered, done } = stats.partition('enrich', 'clicks', 0)
    expect(done).toBeGreaterThan(50)
    expect(deadLettered).toBeGreaterThan(50)
    expect(credit.recordsInFlight).toBeLessThanOrEqual(20)
  })
})

test('a record whose output is refused when its actor has halted gives its credit back, and stays unfinished', () => {
  const { actor, credit, delivery, take } = makeActor({ actor: { failedRecords: 'park' } })
  actor.admit([sourceRecord(0, 'a'), sourceRecord(1, 'b')])
  actor.settle(take(1), [oneOutput])
  actor.settle(take(1), [{ type: 'stop', error: { name: 'Error', message: 'no', kind: 'other' } }])
  delivery.outputs[0]!.settle(new Error('not an inet'))
  expect([credit.recordsInFlight, inputOf(actor).tracker.safePosition]).toEqual([0, 0])
})
