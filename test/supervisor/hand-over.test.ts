import { expect, test } from 'vitest'
import { EngineStats } from '../../src/metrics/stats.ts'
import { handOver } from '../../src/supervisor/hand-over.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { makeActor, sourceRecord } from '../actors/actor-fixture.ts'

const DRAIN_TIMEOUT_MS = 1_000

/** An actor that has read three records of one key and has begun with the first. */
function begun() {
  const { actor } = makeActor()
  actor.admit([4, 5, 6].map((offset) => sourceRecord(offset)))
  const run = actor.takeRun(1)!
  const lines: { fields: object; message: string }[] = []
  const write = (fields: object, message: string): void => void lines.push({ fields, message })
  const clock = new ManualClock()
  const log = { debug: write, info: write, warn: write, error: write }
  const steps = { settleState: () => Promise.resolve(), giveBack: () => undefined, endEpoch: () => actor.fence() }
  const delivery = { makeDurable: () => Promise.resolve(), atRest: () => Promise.resolve() }
  const ended = handOver([actor], steps, {
    ...{ clock, log, delivery, stats: new EngineStats(clock), drainTimeoutMs: DRAIN_TIMEOUT_MS },
  })
  return { actor, run, clock, lines, ended }
}

test('what was not begun is left to the next owner: how many records of which partition, and the oldest', async () => {
  const { actor, run, clock, lines, ended } = begun()
  actor.settle(run, [{ type: 'skip' }])
  await clock.settle()
  await ended
  expect(lines).toEqual([
    {
      fields: { left: [{ partition: 'clicks/0', records: 2, inFlight: 0, oldest: 'clicks/0/5' }] },
      message: 'the next owner handles what is left: 2 of clicks/0, the oldest clicks/0/5',
    },
  ])
})

test('what has not finished by the deadline is told likewise, with what to do', async () => {
  const { clock, lines, ended } = begun()
  await clock.advance(DRAIN_TIMEOUT_MS)
  await ended
  expect(lines).toEqual([
    {
      fields: {
        code: 'DRAIN_TIMEOUT',
        action: expect.stringContaining('drainTimeoutMs') as unknown,
        left: [{ partition: 'clicks/0', records: 3, inFlight: 1, oldest: 'clicks/0/4' }],
      },
      message:
        'work in flight did not finish within 1000 ms, and the next owner handles it again: 3 of clicks/0, the oldest clicks/0/4',
    },
  ])
})
