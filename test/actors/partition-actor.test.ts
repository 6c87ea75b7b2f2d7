import { describe, expect, test } from 'vitest'
import { doneWithNothing, type Verdict } from '../../src/actors/handlers/verdict.ts'
import { CompletionMap } from '../../src/streams/positions/completion-map.ts'
import type { ResolvedActor } from '../../src/options/options.ts'
import { inputOf, failure, makeActor, oneOutput, resolvedActor, sourceRecord } from './actor-fixture.ts'

const text = (bytes: Uint8Array | null | undefined): string | null =>
  bytes == null ? null : Buffer.from(bytes).toString()

describe('finished means durable', () => {
  test('the position does not pass a record whose output is still at a sink', () => {
    const { actor, delivery, take } = makeActor()
    actor.admit([sourceRecord(0, 'a'), sourceRecord(1, 'b')])
    actor.settle(take(), [oneOutput])
    actor.settle(take(), [{ type: 'done', effects: [] }])
    expect(inputOf(actor).tracker.safePosition).toBe(0)
    delivery.makeDurable()
    expect(inputOf(actor).tracker.safePosition).toBe(2)
  })

  test('a record with two outputs is finished when both are durable', () => {
    const { actor, delivery, take } = makeActor()
    actor.admit([sourceRecord(0)])
    actor.settle(take(), [{ type: 'done', effects: [...oneOutput.effects, ...oneOutput.effects] }])
    delivery.outputs[0]?.settle(null)
    expect(inputOf(actor).tracker.safePosition).toBe(0)
    delivery.outputs[1]?.settle(null)
    expect(inputOf(actor).tracker.safePosition).toBe(1)
  })

  // Case 43.
  test('a record without outputs is finished at once', () => {
    const { actor, credit, take } = makeActor()
    actor.admit([sourceRecord(0)])
    actor.settle(take(), [{ type: 'done', effects: [] }])
    expect([inputOf(actor).tracker.safePosition, credit.recordsInFlight]).toEqual([1, 0])
  })

  test('a lane goes on when its record is handled, without waiting for durability', () => {
    const { actor, delivery, take } = makeActor()
    actor.admit([sourceRecord(0), sourceRecord(1)])
    actor.settle(take(1), [oneOutput])
    actor.settle(take(1), [oneOutput])
    expect(delivery.outputs.map(({ id }) => id)).toEqual(['clicks/0/0', 'clicks/0/1'])
  })

  test('a refused output dead-letters its record alone; its other output stands', () => {
    const { actor, delivery, take } = makeActor()
    actor.admit([sourceRecord(0, 'a'), sourceRecord(1, 'b')])
    actor.settle(take(), [{ type: 'done', effects: [...oneOutput.effects, ...oneOutput.effects] }])
    actor.settle(take(), [oneOutput])
    delivery.outputs[0]?.settle(null)
    delivery.outputs[1]?.settle(new Error('too large'))
    delivery.outputs[2]?.settle(null)
    expect(inputOf(actor).tracker.safePosition).toBe(0)
    expect(delivery.deadLetters.map(({ id }) => id)).toEqual(['clicks/0/0'])
    delivery.deadLetters[0]?.settle(null)
    expect(inputOf(actor).tracker.safePosition).toBe(2)
  })
})

describe('failure', () => {
  test('a failed record is tried again in place after its back-off, which doubles; its key waits, others go on', async () => {
    const { actor, clock, ready, take } = makeActor()
    actor.admit([sourceRecord(0, 'a'), sourceRecord(1, 'a'), sourceRecord(2, 'b')])
    const began = clock.now()
    actor.settle(take(), [failure])
    const other = take()
    expect(other.invocations.map(({ record }) => record.offset)).toEqual([2])
    expect(actor.takeRun(1)).toBeNull()
    await clock.advance(99)
    expect(actor.takeRun(1)).toBeNull()
    await clock.advance(1)
    const second = take()
    expect(second.invocations.map(({ record, attempt }) => [record.offset, attempt])).toEqual([
      [0, 2],
      [1, 1],
    ])
    actor.settle(second, [failure])
    await clock.advance(200)
    expect(take().invocations[0]?.attempt).toBe(3)
    expect(ready.map((at) => at - began)).toEqual([0, 100, 300])
  })

  test('after its attempts a record is dead-lettered untouched, with its provenance, and the next goes on', async () => {
    const { actor, clock, delivery, take } = makeActor({
      actor: { retry: { attempts: 2, backoffMs: 10, maxBackoffMs: 10, jitter: 0 } },
    })
    actor.admit([sourceRecord(7), sourceRecord(8)])
    actor.settle(take(1), [failure])
    await clock.advance(10)
    actor.settle(take(1), [failure])
    expect(take().invocations.map(({ record }) => record.offset)).toEqual([8])
    const [letter] = delivery.deadLetters
    expect([letter?.record.topic, text(letter?.record.key), text(letter?.record.value)]).toEqual([
      'dlq',
      'k',
      'value 7',
    ])
    const headers = Object.fromEntries((letter?.record.headers ?? []).map(([name, value]) => [name, text(value)]))
    expect(headers).toMatchObject({
      trace: 't',
      'troupe.topic': 'clicks',
      'troupe.partition': '0',
      'troupe.offset': '7',
      'troupe.attempts': '2',
      'troupe.error-code': 'E_BOOM',
      'troupe.error-message': 'boom',
    })
    expect(inputOf(actor).tracker.safePosition).toBe(7)
    letter?.settle(null)
    expect(inputOf(actor).tracker.safePosition).toBe(8)
  })

  test.each<[string, Partial<ResolvedActor['retry']>, Verdict]>([
    ['by the option', { attempts: 'unlimited' }, failure],
    [
      'by the word of onError',
      {},
      {
        type: 'retry-unlimited',
        afterMs: undefined,
        error: { name: 'Error', message: 'connect ECONNREFUSED', kind: 'other' },
      },
    ],
  ])(
    'a service that is down for a day costs no record (%s): each key goes on in its order',
    async (_how, own, down) => {
      const { actor, clock, credit, delivery, take } = makeActor({
        actor: { retry: { ...resolvedActor.retry, maxBackoffMs: 30_000, ...own } },
      })
      const offsets = Array.from({ length: 30 }, (_, at) => at)
      actor.admit(offsets.map((offset) => sourceRecord(offset, 'abc'[offset % 3])))
      const backAtMs = clock.now() + 24 * 60 * 60 * 1000
      let attempts = 0
      while (clock.now() < backAtMs) {
        for (; actor.readyRecordCount > 0; attempts += 1) actor.settle(take(1), [down])
        await clock.advance(Math.min(clock.nextTimerAtMs!, backAtMs) - clock.now())
      }
      // Three keys, half a minute apart at most.
      expect(attempts).toBeGreaterThanOrEqual(3 * 24 * 60 * 2)
      expect([inputOf(actor).tracker.safePosition, delivery.outputs.length]).toEqual([0, 0])
      const handled: number[] = []
      while (handled.length < offsets.length) {
        await clock.advance(30_000)
        for (let run = actor.takeRun(1); run !== null; run = actor.takeRun(1)) {
          handled.push(...run.invocations.map(({ record }) => record.offset))
          actor.settle(run, [oneOutput])
        }
      }
      delivery.makeDurable()
      for (const key of [0, 1, 2]) {
        const ofKey = (all: readonly number[]): number[] => all.filter((offset) => offset % 3 === key)
        expect(ofKey(handled)).toEqual(ofKey(offsets))
      }
      expect([handled.length, inputOf(actor).tracker.safePosition, credit.recordsInFlight]).toEqual([30, 30, 0])
      expect(delivery.deadLetters).toEqual([])
    },
  )

  // Case 38.
  test('without a dead-letter topic the actor stops on the record: nothing is handed out, nothing dropped, others stay', () => {
    const { actor, delivery, take } = makeActor({
      actor: { deadLetter: null, retry: { attempts: 1, backoffMs: 0, maxBackoffMs: 0, jitter: 0 } },
    })
    actor.admit([sourceRecord(0, 'a'), sourceRecord(1, 'b')])
    actor.settle(take(), [failure])
    expect(actor.halt?.id).toBe('clicks/0/0')
    expect(actor.halt?.reason).toContain('boom')
    expect(actor.takeRun(1)).toBeNull()
    expect(inputOf(actor).tracker.safePosition).toBe(0)
    expect(delivery.deadLetters).toEqual([])
  })

  // Case 38.
  test('a dead letter that the broker refuses leaves the record unfinished', () => {
    const { actor, delivery, take } = makeActor()
    actor.admit([sourceRecord(0)])
    actor.settle(take(), [{ type: 'dead-letter', error: { name: 'Error', message: 'bad', kind: 'terminal' } }])
    delivery.deadLetters[0]?.settle(new Error('unknown topic'))
    expect(inputOf(actor).tracker.safePosition).toBe(0)
    expect(actor.halt?.reason).toContain('unknown topic')
  })

  // Case 44.
  test('of a run only the failed record is tried again; those before it stand, those after it go again untried', async () => {
    const { actor, clock, delivery, take } = makeActor()
    actor.admit([sourceRecord(0), sourceRecord(1), sourceRecord(2)])
    actor.settle(take(3), [oneOutput, failure])
    expect(delivery.outputs.map(({ id }) => id)).toEqual(['clicks/0/0'])
    await clock.advance(100)
    expect(take(3).invocations.map(({ record, attempt }) => [record.offset, attempt])).toEqual([
      [1, 2],
      [2, 1],
    ])
  })

  test.each(['key', 'unordered'] as const)(
    'in %s order on main, the others of a run are finished although the actor stops on one of them',
    (order) => {
      const { actor, credit, stats, take } = makeActor({ actor: { order, runOn: 'main', deadLetter: null } })
      actor.admit([sourceRecord(0, 'a'), sourceRecord(1, 'b'), sourceRecord(2, 'c'), sourceRecord(3, 'b')])
      const run = take(3)
      const letter: Verdict = { type: 'dead-letter', error: { name: 'E', message: 'no use', kind: 'terminal' } }
      actor.settle(run, [doneWithNothing, letter, doneWithNothing])
      expect([
        actor.halt?.offset,
        inputOf(actor).tracker.safePosition,
        actor.heldRecords,
        credit.recordsInFlight,
      ]).toEqual([1, 1, 0, 0])
      expect(stats.partition('enrich', 'clicks', 0).done).toBe(2)
    },
  )

  test('an unrun record goes again and no attempt is counted', () => {
    const { actor, take } = makeActor()
    actor.admit([sourceRecord(0)])
    actor.settle(take(), [{ type: 'unrun' }])
    expect(take().invocations[0]?.attempt).toBe(1)
  })

  test("a handler's own delay goes over the back-off", async () => {
    const { actor, clock, take } = makeActor()
    actor.admit([sourceRecord(0)])
    actor.settle(take(), [{ type: 'retry', afterMs: 5_000, error: undefined }])
    await clock.advance(4_999)
    expect(actor.takeRun(1)).toBeNull()
    await clock.advance(1)
    expect(take().invocations[0]?.attempt).toBe(2)
  })
})

describe('drain and fence', () => {
  // Cases 1, 3, 4.
  test('a drain waits for what is at a handler and at a sink, and for nothing else', async () => {
    const { actor, credit, delivery, take } = makeActor()
    actor.admit([sourceRecord(0, 'a'), sourceRecord(1, 'b'), sourceRecord(2, 'a'), sourceRecord(3, 'c')])
    const run = take(1)
    let isDrained = false
    const drained = actor.drain().then(() => (isDrained = true))
    expect(actor.takeRun(9)).toBeNull()
    actor.settle(run, [oneOutput])
    await Promise.resolve()
    expect(isDrained).toBe(false)
    delivery.makeDurable()
    await drained
    expect(inputOf(actor).tracker.safePosition).toBe(1)
    expect(credit.recordsInFlight).toBe(0)
  })

  // Case 58.
  test('a drain does not wait for a record in its back-off', async () => {
    const { actor, clock, take } = makeActor()
    actor.admit([sourceRecord(0)])
    actor.settle(take(), [failure])
    await actor.drain()
    expect(clock.pendingTimers).toBe(0)
    expect(inputOf(actor).tracker.safePosition).toBe(0)
  })

  // Case 8.
  test('records that arrive while it drains are left to the next owner', async () => {
    const { actor } = makeActor()
    await actor.drain()
    actor.admit([sourceRecord(0)])
    expect([actor.heldRecords, inputOf(actor).tracker.safePosition]).toEqual([0, 0])
  })

  // Case 7.
  test('a reply from an ended epoch changes neither position nor counters, and hands out no output', () => {
    const { actor, credit, delivery, stats, take } = makeActor()
    actor.admit([sourceRecord(0)])
    const run = take()
    actor.fence()
    actor.settle(run, [oneOutput])
    expect(delivery.outputs).toEqual([])
    expect(inputOf(actor).tracker.safePosition).toBe(0)
    expect(stats.partition('enrich', 'clicks', 0).done).toBe(0)
    expect(credit.recordsInFlight).toBe(0)
  })

  test('a fenced actor holds no timer', () => {
    const { actor, clock, take } = makeActor()
    actor.admit([sourceRecord(0)])
    actor.settle(take(), [failure])
    actor.fence()
    expect(clock.pendingTimers).toBe(0)
  })

  test('a drain that is overtaken by a fence ends', async () => {
    const { actor, take } = makeActor()
    actor.admit([sourceRecord(0)])
    take()
    const drained = actor.drain()
    actor.fence()
    await drained
  })
})

describe('the end of the log', () => {
  test('moves the position past trailing transaction markers, also when it was told while records were in flight', () => {
    const { actor, take } = makeActor()
    actor.admit([sourceRecord(0)])
    const run = take()
    actor.noteEnd({ topic: 'clicks', position: 5 })
    expect(inputOf(actor).tracker.safePosition).toBe(0)
    actor.settle(run, [{ type: 'skip' }])
    expect(inputOf(actor).tracker.safePosition).toBe(5)
  })

  test('that lies behind records which came later moves nothing', () => {
    const { actor, take } = makeActor()
    actor.noteEnd({ topic: 'clicks', position: 3 })
    actor.admit([sourceRecord(3), sourceRecord(4)])
    actor.settle(take(1), [{ type: 'skip' }])
    expect(inputOf(actor).tracker.safePosition).toBe(4)
  })

  // What a drain drops is in no tracker: the position would pass it.
  test('does not move the position of an actor that drains', async () => {
    const { actor } = makeActor()
    await actor.drain()
    actor.admit([sourceRecord(0)])
    actor.noteEnd({ topic: 'clicks', position: 1 })
    expect(inputOf(actor).tracker.safePosition).toBe(0)
  })
})

describe('completion map', () => {
  // Case 31.
  test('records that the last commit shows as finished are not handled again', () => {
    const map = new CompletionMap({ position: 10, frontier: 13, unfinished: Float64Array.of(10, 11) })
    const { actor, delivery, take } = makeActor({ position: 10, map })
    actor.admit([sourceRecord(10, 'a'), sourceRecord(11, 'b'), sourceRecord(12, 'c'), sourceRecord(13, 'd')])
    expect([take().invocations[0]?.record.offset, take().invocations[0]?.record.offset]).toEqual([10, 13])
    expect(actor.takeRun(1)).toBeNull()
    expect(delivery.progressCount).toBeGreaterThan(0)
  })
})

// Case 16: what is in flight is admitted − retired, whatever happened in between.
test('credit comes back for every way a record can end', async () => {
  const { actor, clock, credit, delivery, take } = makeActor()
  actor.admit([0, 1, 2, 3, 4, 5].map((offset) => sourceRecord(offset, String(offset))))
  actor.settle(take(), [oneOutput])
  actor.settle(take(), [{ type: 'skip' }])
  actor.settle(take(), [{ type: 'dead-letter', error: { name: 'E', message: 'm', kind: 'terminal' } }])
  actor.settle(take(), [failure])
  take()
  delivery.makeDurable()
  delivery.deadLetters[0]?.settle(null)
  await clock.advance(50)
  expect(credit.recordsInFlight).toBe(3)
  void actor.drain()
  actor.fence()
  expect([credit.recordsInFlight, credit.bytesInFlight]).toEqual([0, 0])
})

// Case 37: others live on the credit that a halted actor can do nothing with.
test('letters that are refused after a halt give their credit back, and stay unfinished', () => {
  const { actor, credit, delivery, take } = makeActor()
  actor.admit([0, 1, 2].map((offset) => sourceRecord(offset, String(offset))))
  for (let times = 0; times < 3; times += 1) {
    actor.settle(take(), [{ type: 'dead-letter', error: { name: 'E', message: 'm', kind: 'terminal' } }])
  }
  for (const letter of delivery.deadLetters) letter.settle(new Error('the topic is gone'))
  expect([credit.recordsInFlight, credit.bytesInFlight, inputOf(actor).tracker.safePosition]).toEqual([0, 0, 0])
})

test('records that wait behind a failed one are told apart from those that can get on', () => {
  const { actor, take } = makeActor()
  actor.admit([sourceRecord(0, 'a'), sourceRecord(1, 'a'), sourceRecord(2, 'b')])
  actor.settle(take(1), [failure])
  expect([actor.heldRecords, actor.heldRecords - actor.waitingRecords]).toEqual([3, 1])
})
