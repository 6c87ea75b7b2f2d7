/** /status names what holds the position, /healthz tells stalled from idle. */
import { describe, expect, test } from 'vitest'
import { waitKinds, waitTable } from '../../../src/metrics/open-waits.ts'
import type { ResolvedApp } from '../../../src/options/options.ts'
import { resolveOptions } from '../../../src/options/resolve.ts'
import { describeHealth, findIllnesses } from '../../../src/supervisor/status/health.ts'
import { findBlockingRecord } from '../../../src/supervisor/status/blocking-record.ts'
import { describeStatus, type EngineView } from '../../../src/supervisor/status/status.ts'
import { inputOf, failure, makeActor, oneOutput, resolvedActor, sourceRecord } from '../../actors/actor-fixture.ts'
import { Lookout } from '../../../src/lookout.ts'

const app: ResolvedApp = resolveOptions({
  kafka: { brokers: 'localhost:9092', groupId: 'g' },
  actors: [{ handler: resolvedActor.handler }],
})

type Made = ReturnType<typeof makeActor>

function viewOf({ actor, clock, credit, stats }: Made, changes: Partial<EngineView> = {}): EngineView {
  return {
    app,
    flow: [],
    nowMs: clock.now(),
    startedAtMs: 0,
    seenSince: (atMs) => clock.now() - atMs,
    heldBackAtMs: () => null,
    state: 'running',
    isRestarting: false,
    lastPollAtMs: clock.now(),
    isReading: true,
    groupWaitSinceMs: null,
    recordsInFlight: credit.recordsInFlight,
    bytesInFlight: credit.bytesInFlight,
    actors: [actor],
    troubles: [],
    schemaTrouble: null,
    stats,
    ...changes,
  }
}

const healthOf = (made: Made, changes: Partial<EngineView> = {}): readonly string[] =>
  describeHealth(findIllnesses(viewOf(made, changes))).reasons

const postgresAway = [{ sink: 'postgres', sinceMs: 0, reason: 'connection refused' }]

test('a process that stood still for 60 s is not unhealthy for what it did not see', async () => {
  const made = makeActor()
  const lookout = new Lookout(made.clock).start()
  const seenSince = (atMs: number): number => lookout.seenSince(atMs)
  made.actor.admit([sourceRecord(5)])
  made.take()
  const lastPollAtMs = made.clock.now()
  await made.clock.advance(10_000)
  await made.clock.standStill(60_000)
  expect(healthOf(made, { lastPollAtMs, seenSince })).toEqual([])
  expect(healthOf(made, { lastPollAtMs })).not.toEqual([])
  await made.clock.advance(50_000)
  expect(healthOf(made, { lastPollAtMs, seenSince })).toEqual(['the poll loop has not come round for 61 s'])
})

test('who was held back by a rate or a throttle did not stand still meanwhile, nor is one stalled right after it', async () => {
  const made = makeActor()
  made.actor.admit([sourceRecord(5)])
  await made.clock.advance(3_600_000)
  const lastPollAtMs = made.clock.now()
  expect(healthOf(made, { lastPollAtMs })).not.toEqual([])
  expect(healthOf(made, { lastPollAtMs, heldBackAtMs: () => made.clock.now() })).toEqual([])
  // The attempt that comes then may take its time, and no more than that.
  made.take()
  const heldBackAtMs = (): number => lastPollAtMs
  await made.clock.advance(61_000)
  expect(healthOf(made, { lastPollAtMs: made.clock.now(), heldBackAtMs })).toEqual([])
  await made.clock.advance(2_000)
  expect(healthOf(made, { lastPollAtMs: made.clock.now(), heldBackAtMs })).toEqual([
    'clicks/0 has 1 record in flight and finished none for 63 s',
  ])
})

describe('the record that the position waits for', () => {
  const holderOf = ({ actor, clock }: Made, troubles: EngineView['troubles'] = []) =>
    findBlockingRecord(actor, inputOf(actor), clock.now(), troubles)

  test('nobody, while nothing is unfinished', () => {
    expect(holderOf(makeActor())).toBeNull()
  })

  test('at the handler, and for how long', async () => {
    const made = makeActor()
    made.actor.admit([sourceRecord(5, 'a'), sourceRecord(6, 'b')])
    expect(holderOf(made)).toMatchObject({ stage: 'queued', why: 'it waits for its turn at the handler' })
    made.take()
    await made.clock.advance(300)
    expect(holderOf(made)).toEqual({
      id: 'clicks/0/5',
      offset: 5,
      stage: 'at-handler',
      attempt: 1,
      code: null,
      forMs: 300,
      why: 'it is at the handler',
    })
  })

  test('in whole milliseconds: nobody reads a fraction', async () => {
    const made = makeActor()
    made.actor.admit([sourceRecord(5)])
    await made.clock.advance(1043.5224609375)
    expect(holderOf(made)?.forMs).toBe(1044)
  })

  test('with the whole chain of causes of its last error', () => {
    const made = makeActor()
    const cause = { name: 'Error', message: 'connect ECONNREFUSED 10.0.0.1:80', kind: 'other' } as const
    made.actor.admit([sourceRecord(5)])
    made.actor.settle(made.take(), [
      { type: 'failed', error: { name: 'TypeError', message: 'fetch failed', kind: 'other', cause } },
    ])
    expect(holderOf(made)?.why).toMatch(
      /the last attempt failed: HANDLER_FAILED: fetch failed: connect ECONNREFUSED 10\.0\.0\.1:80$/,
    )
  })

  test('waiting for its next attempt, with the last error', async () => {
    const made = makeActor()
    made.actor.admit([sourceRecord(5)])
    made.actor.settle(made.take(), [failure])
    await made.clock.advance(60)
    const why = 'attempt 2 begins in 0.0 s; the last attempt failed: HANDLER_FAILED: E_BOOM: boom'
    expect(holderOf(made)).toMatchObject({ stage: 'waiting', attempt: 2, why })
    await made.clock.advance(40)
    expect(holderOf(made)).toMatchObject({ stage: 'queued', attempt: 2 })
  })

  test('at its sinks, and the one that is away by name', () => {
    const made = makeActor()
    const row = { type: 'row', sink: 'postgres', row: { table: 't', values: [] } } as const
    made.actor.admit([sourceRecord(5)])
    made.actor.settle(made.take(), [{ type: 'done', effects: [...oneOutput.effects, row] }])
    expect(holderOf(made)).toMatchObject({
      stage: 'at-sinks',
      why: 'its outputs are being written to kafka and postgres',
    })
    expect(holderOf(made, postgresAway)?.why).toBe('sink postgres is unavailable: connection refused')
  })

  test('at the dead-letter topic', () => {
    const made = makeActor()
    made.actor.admit([sourceRecord(5)])
    made.actor.settle(made.take(), [{ type: 'dead-letter', error: { name: 'E', message: 'm', kind: 'terminal' } }])
    const why = 'its outputs are being written to dead-letters'
    expect(holderOf(made)).toMatchObject({ stage: 'at-dead-letters', why })
  })

  test('parked', () => {
    const made = makeActor()
    made.actor.admit([sourceRecord(5)])
    made.actor.settle(made.take(), [{ type: 'park', error: { name: 'E', message: 'never', kind: 'terminal' } }])
    const why = 'it is parked until an operator decides; it failed: TERMINAL_ERROR: never'
    expect(holderOf(made)).toMatchObject({ id: 'clicks/0/5', stage: 'parked', why })
  })

  test('the one that the actor stopped on', async () => {
    const made = makeActor({ actor: { deadLetter: null } })
    made.actor.admit([sourceRecord(5), sourceRecord(6)])
    made.actor.settle(made.take(), [{ type: 'dead-letter', error: { name: 'E', message: 'm', kind: 'terminal' } }])
    await made.clock.advance(1_000)
    expect(holderOf(made)).toMatchObject({ id: 'clicks/0/5', stage: 'halted', attempt: 1, forMs: 1_000 })
  })

  test('one that was dropped unstarted when the actor stopped on a later one', () => {
    const made = makeActor()
    made.actor.admit([sourceRecord(5, 'a'), sourceRecord(6, 'b')])
    made.actor.settle(made.take(), [failure])
    made.actor.settle(made.take(), [{ type: 'stop', error: { name: 'E', message: 'm', kind: 'terminal' } }])
    expect(holderOf(made)).toMatchObject({ id: 'clicks/0/5', stage: 'dropped', forMs: null })
  })

  test('is found at once behind a hundred thousand finished ones', () => {
    const made = makeActor({ keyBudget: { maxRecords: 1e9, maxBytes: 1e9 } })
    made.actor.admit(Array.from({ length: 100_001 }, (_, offset) => sourceRecord(offset, `k${offset}`)))
    made.take()
    for (let run = made.actor.takeRun(1); run !== null; run = made.actor.takeRun(1)) {
      made.actor.settle(run, [{ type: 'skip' }])
    }
    expect(holderOf(made)).toMatchObject({ offset: 0, stage: 'at-handler' })
  })
})

describe('/status', () => {
  test('says why a partition takes in nothing, and which key holds most', () => {
    const made = makeActor({ keyBudget: { maxRecords: 2, maxBytes: 1e9 } })
    made.actor.admit([sourceRecord(0, 'hot'), sourceRecord(1, 'hot')])
    made.actor.settle(made.take(1), [failure])
    inputOf(made.actor).isStoppedByUser = true
    const [partition] = describeStatus(viewOf(made), []).partitions
    expect(partition).toMatchObject({
      intakeStoppedBy: ['waiting-keys', 'user'],
      waitingKeys: { records: 2, parked: 0, largest: { key: 'hot', records: 2 } },
    })
  })

  test('a partition that is paused for what it holds says so; one that is not says nothing', () => {
    const made = makeActor()
    expect(describeStatus(viewOf(made), []).partitions).toMatchObject([{ intakeStoppedBy: [], waitingKeys: null }])
    made.stats.partition('enrich', 'clicks', 0).isPaused = true
    expect(describeStatus(viewOf(made), []).partitions).toMatchObject([{ intakeStoppedBy: ['limit'] }])
  })
})

describe('/healthz', () => {
  // F3: nothing that is waited for from somebody else is waited for in silence.
  test.each(waitKinds)(
    'an answer that is overdue is a reason, and one that is waited for is none: %s',
    async (kind) => {
      const made = makeActor()
      const end = made.stats.waits.begin(kind, 'that')
      await made.clock.advance(waitTable[kind].deadlineMs - 1)
      expect(healthOf(made)).toEqual([])
      await made.clock.advance(1)
      const forSeconds = `for ${waitTable[kind].deadlineMs / 1000} s`
      expect(healthOf(made)).toEqual([expect.stringContaining(forSeconds)])
      end()
      expect(healthOf(made)).toEqual([])
    },
  )

  test('idle is health, for however long', async () => {
    const made = makeActor()
    made.stats.partition('enrich', 'clicks', 0).noteLogEnd(0, made.clock.now())
    await made.clock.advance(86_400_000)
    expect(healthOf(made)).toEqual([])
  })

  test('a poll loop that does not come round is noticed', async () => {
    const made = makeActor()
    const lastPollAtMs = made.clock.now()
    await made.clock.advance(60_000)
    expect(healthOf(made, { lastPollAtMs })).toEqual([])
    await made.clock.advance(1_000)
    expect(healthOf(made, { lastPollAtMs })).toEqual(['the poll loop has not come round for 61 s'])
    expect(healthOf(made, { lastPollAtMs, isRestarting: true })).toEqual([])
    expect(healthOf(made, { lastPollAtMs, state: 'stopping' })).toEqual([])
  })

  test('records at a handler that never comes back are noticed after its time-out', async () => {
    const made = makeActor()
    made.actor.admit([sourceRecord(0)])
    made.take()
    // One that ignores its signal has as long again.
    await made.clock.advance(62_000)
    expect(healthOf(made)).toEqual([])
    await made.clock.advance(1_000)
    expect(healthOf(made)).toEqual(['clicks/0 has 1 record in flight and finished none for 63 s'])
  })

  test('as long as attempts end, also in failure, it is at work', async () => {
    const made = makeActor({ actor: { retry: { attempts: 1_000, backoffMs: 9, maxBackoffMs: 9, jitter: 0 } } })
    made.actor.admit([sourceRecord(0)])
    for (let minute = 0; minute < 10; minute += 1) {
      const run = made.take()
      await made.clock.advance(50_000)
      made.actor.settle(run, [failure])
      await made.clock.advance(10)
      expect(healthOf(made)).toEqual([])
    }
  })

  test.each([
    ['the next attempt, for as long as the handler asked', { type: 'retry', afterMs: 3_600_000, error: undefined }],
    ['an operator', { type: 'park', error: { name: 'E', message: 'm', kind: 'other' } }],
  ] as const)('what waits for %s is not stalled', async (_what, verdict) => {
    const made = makeActor()
    made.actor.admit([sourceRecord(0), sourceRecord(1)])
    made.actor.settle(made.take(), [verdict])
    await made.clock.advance(3_000_000)
    expect(healthOf(made)).toEqual([])
  })

  test('a sink that is away is not our illness; one that answers nothing at all is', async () => {
    const made = makeActor()
    made.actor.admit([sourceRecord(0)])
    made.actor.settle(made.take(), [oneOutput])
    await made.clock.advance(3_600_000)
    expect(healthOf(made, { troubles: postgresAway })).toEqual([])
    expect(healthOf(made)).toHaveLength(1)
  })

  test('a halted actor is named with its record', () => {
    const made = makeActor({ actor: { deadLetter: null } })
    made.actor.admit([sourceRecord(0)])
    made.actor.settle(made.take(), [{ type: 'dead-letter', error: { name: 'E', message: 'bad', kind: 'terminal' } }])
    expect(healthOf(made)).toEqual([expect.stringMatching(/^clicks\/0 has stopped on record clicks\/0\/0: .*bad/)])
  })

  describe('a log that has more, and nothing comes', () => {
    async function dry(
      changes: Partial<EngineView> | ((made: Made) => Partial<EngineView>) = {},
      before: (made: Made) => void = () => undefined,
    ) {
      const made = makeActor()
      const numbers = made.stats.partition('enrich', 'clicks', 0)
      before(made)
      for (let look = 0; look < 14; look += 1) {
        numbers.noteLogEnd(100, made.clock.now())
        await made.clock.advance(5_000)
      }
      return healthOf(made, typeof changes === 'function' ? changes(made) : changes)
    }

    test('is noticed', async () => {
      expect(await dry()).toEqual(['clicks/0 has a lag of 100 and nothing was read for 70 s'])
    })

    test('not while a sink is away, or while there is no room', async () => {
      expect(await dry({ troubles: postgresAway })).toEqual([])
      expect(await dry({ recordsInFlight: app.intake.maxRecords })).toEqual([])
    })

    test('not while others have records ready: threads that have enough to do for minutes are brought no more', async () => {
      const busy = makeActor({ partition: 1, actor: { handlerTimeoutMs: 600_000 } })
      busy.actor.admit([sourceRecord(0, 'a'), sourceRecord(1, 'b')])
      busy.take(1)
      const others = (made: Made) => ({ actors: [made.actor, busy.actor] })
      expect(await dry(others)).toEqual([])
      // What is at a handler alone keeps nobody from reading on.
      busy.take(1)
      expect(await dry(others)).toHaveLength(1)
    })

    test('not where intake is paused', async () => {
      const pause = ({ stats }: Made): void => {
        stats.partition('enrich', 'clicks', 0).isPaused = true
      }
      expect(await dry({}, pause)).toEqual([])
    })

    test('not when the record has only just come, after a long silence', async () => {
      const made = makeActor()
      await made.clock.advance(600_000)
      made.stats.partition('enrich', 'clicks', 0).noteLogEnd(1, made.clock.now())
      expect(healthOf(made)).toEqual([])
    })

    test("not when the log's end is not known any more: then it is the brokers who are away", async () => {
      const made = makeActor()
      made.stats.partition('enrich', 'clicks', 0).noteLogEnd(100, made.clock.now())
      await made.clock.advance(600_000)
      expect(healthOf(made)).toEqual([])
    })
  })
})
