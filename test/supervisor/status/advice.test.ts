/** Where a handler had better run, from what its records cost. */
import { describe, expect, test } from 'vitest'
import { ActorStats } from '../../../src/metrics/stats.ts'
import {
  advise,
  BREAK_EVEN_MICROS,
  costBetween,
  sumsOf,
  type RecordCost,
} from '../../../src/supervisor/status/advice.ts'

const crossing = { mainMicros: 1, threadMicros: 1, wakeMicros: 0.5, micros: 2.5 }
const takes = (handlerMicros: number): RecordCost => ({ handlerMicros, waits: 0, crossing })

describe('what a record costs', () => {
  /** As the executors note it. */
  function busyActor(): ActorStats {
    const stats = new ActorStats('enrich')
    stats.handlerSeconds.observe(700e-6, 1_000)
    Object.assign(stats.cost, { crossed: 1_000, mainMs: 1, threadMs: 2, wakeMs: 0.5 })
    return stats
  }

  test('is the mean of the time between two moments', () => {
    const stats = busyActor()
    const before = sumsOf(stats)
    stats.handlerSeconds.observe(100e-6, 50)
    stats.handlerSeconds.observe(300e-6, 50)
    stats.cost.crossed += 100
    stats.cost.mainMs += 0.2
    stats.cost.threadMs += 0.1
    expect(costBetween(before, sumsOf(stats))).toEqual({
      handlerMicros: 200,
      waits: 0,
      crossing: { mainMicros: 2, threadMicros: 1, wakeMicros: 0, micros: 3 },
    })
  })

  test('is not known while nothing was handled', () => {
    const sums = sumsOf(busyActor())
    expect(costBetween(sums, sums)).toEqual({ handlerMicros: null, waits: 0, crossing: null })
  })

  test('of an asynchronous handler is what it takes until it waits, and the wait is no part of it', () => {
    const stats = new ActorStats('call')
    const before = sumsOf(stats)
    for (let at = 0; at < 64; at += 1) {
      stats.handlerSeconds.observe(0.05)
      stats.cost.notePromise(0.02, at % 16 === 0 ? at > 0 : null)
    }
    // Of the four that were looked at three have waited.
    expect(costBetween(before, sumsOf(stats))).toMatchObject({ handlerMicros: 20, waits: 0.75 })
    const later = sumsOf(stats)
    stats.handlerSeconds.observe(0.05)
    stats.cost.notePromise(0.04, null)
    expect(costBetween(later, sumsOf(stats))).toMatchObject({ handlerMicros: 40, waits: 0.75 })
  })
})

describe('the advice', () => {
  test('is a sentence, also where no crossing was measured', () => {
    const waits = advise('main', { handlerMicros: 3, waits: 1, crossing: null }, null).why
    expect(waits).toMatch(/; a crossing pays from about 6.0 µs on \(not measured here, where nothing crosses\)$/)
    expect(advise('main', takes(3), null).why).toMatch(/^the handler takes 3.0 µs a record, a crossing costs 2.5 µs: /)
  })

  test('CPU work above the cost of a crossing belongs on threads', () => {
    expect(advise('main', takes(700), null)).toEqual({
      runOn: 'threads',
      why: 'the handler takes 700 µs a record, a crossing costs 2.5 µs: on main each record would hold the event loop for longer than that',
    })
  })

  test('below it, on main', () => {
    expect(advise('threads', takes(0.4), null)).toMatchObject({ runOn: 'main' })
  })

  test('near it, where it is', () => {
    for (const runOn of ['main', 'threads'] as const) {
      for (const micros of [2.1, 3]) expect(advise(runOn, takes(micros), null).runOn).toBe(runOn)
    }
  })

  test('waiting belongs on main, however long the handler computes before', () => {
    const { runOn, why } = advise('threads', { ...takes(900), waits: 0.98 }, null)
    expect([runOn, why]).toEqual(['main', expect.stringMatching(/^98 % of the records wait/)])
    expect(advise('main', { ...takes(900), waits: 0.1 }, null).runOn).toBe('threads')
  })

  test("an actor whose records do not cross is judged by others' crossings, else by the known break-even", () => {
    const alone = { ...takes(BREAK_EVEN_MICROS * 2), crossing: null }
    expect(advise('main', alone, null)).toMatchObject({
      runOn: 'threads',
      why: expect.stringContaining('not measured') as unknown,
    })
    expect(advise('main', { ...takes(BREAK_EVEN_MICROS / 2), crossing: null }, null).runOn).toBe('main')
    expect(advise('main', alone, { ...crossing, micros: 400 })).toMatchObject({ runOn: 'main' })
  })

  test('there is none before a record was handled', () => {
    expect(advise('main', { handlerMicros: null, waits: 0, crossing: null }, crossing).runOn).toBeNull()
  })
})
