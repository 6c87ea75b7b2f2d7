/** What binds an actor, from samples of where its records stand. */
import { describe, expect, test } from 'vitest'
import { findConstraint, type ConstraintContext } from '../../../src/supervisor/status/constraint.ts'
import type { ActorSample, PartitionLoad } from '../../../src/supervisor/status/load.ts'

const context: ConstraintContext = {
  actor: { runOn: 'threads', order: 'key' },
  threads: 2,
  intake: { maxRecords: 20_000, maxBytes: 1e9, maxPartitionRecords: 10_000, maxPartitionBytes: 1e8 },
}
const onMain: ConstraintContext = { ...context, actor: { ...context.actor, runOn: 'main' } }

/** Nothing held, nothing to take, unless changed. */
const idle: PartitionLoad = {
  topic: 'clicks',
  partition: 0,
  held: 0,
  ready: 0,
  atHandler: 0,
  atSinks: 0,
  atCheckpoint: 0,
  waiting: 0,
  waitingForSchemas: 0,
  parked: 0,
  unread: 0,
  stops: [],
  largestLane: null,
  restore: null,
}

type Changes = Omit<Partial<ActorSample>, 'partitions'> & { partitions?: readonly Partial<PartitionLoad>[] }

function sample({ partitions = [{}], ...changes }: Changes = {}): ActorSample {
  const loads = partitions.map((load, partition) => ({ ...idle, partition, ...load }))
  return {
    atMs: 0,
    isFull: false,
    isAtConcurrency: false,
    heldBack: null,
    adaptive: null,
    concurrency: 1_000,
    leftOverCalls: 0,
    recordsInFlight: loads.reduce((sum, { held }) => sum + held, 0),
    bytesInFlight: 0,
    sinks: [],
    loopBusy: 0.5,
    ...changes,
    partitions: loads,
  }
}

const containing = (text: string): unknown => expect.stringContaining(text)
const bound = (changes: Changes, of = context) => findConstraint([sample(changes)], of)
const away = { name: 'postgres', queued: 40, trouble: 'connection refused' }
const postgres = { name: 'postgres', queued: 18_000, trouble: null }
const kafka = { name: 'kafka', queued: 20, trouble: null }

describe('input', () => {
  test('nothing more to take', () => {
    expect(bound({})).toMatchObject({
      by: 'input',
      subject: null,
      why: containing('nothing more to take'),
    })
  })

  test.each([
    [{ held: 500, ready: 500 }, '500 records are ready'],
    [{ held: 1_200, waiting: 500, atHandler: 700 }, '500 records wait for another attempt'],
    [{ held: 500, atHandler: 500 }, '500 records are at the handler'],
    [{ held: 500, atSinks: 500 }, '500 records wait for their outputs'],
    [{ held: 1_200, atHandler: 700 }, '500 records wait for others'],
    [{ held: 500, atHandler: 499, waiting: 1, parked: 1 }, '1 record is parked'],
  ])('never "nothing more to take" while %o is unfinished', (load, said) => {
    const why = bound({ partitions: [{ ...load, unread: 0 }] })?.why
    expect(why).toContain(said)
    expect(why).not.toContain('as it comes')
  })

  test('what a paused partition still holds is told, too', () => {
    const partitions = [{}, { held: 500, atHandler: 500, unread: 0, stops: ['user'] as const }]
    expect(bound({ partitions })).toMatchObject({ by: 'input', why: containing('500 records are at the handler') })
  })

  test('no partition', () => {
    expect(bound({ partitions: [] })).toMatchObject({ by: 'input', why: containing('assigned') })
  })

  test('a broker that gives less than what is wanted', () => {
    const partitions = [{ held: 40, atHandler: 40, unread: 5_000 }]
    expect(bound({ partitions })).toMatchObject({ by: 'input', why: containing('5000 records are left') })
  })

  test('a few outputs on their way are no constraint while nothing more comes', () => {
    const partitions = [{ held: 10, atSinks: 10, unread: 0 }]
    expect(bound({ partitions, sinks: [kafka] })).toMatchObject({ by: 'input' })
  })
})

describe('what runs the handler', () => {
  const partitions = [{ held: 9_000, ready: 8_000, atHandler: 1_000, unread: 41_000 }]

  test('threads that are all busy while records are ready', () => {
    const found = bound({ partitions, isFull: true })
    expect(found).toMatchObject({
      by: 'threads',
      why: containing('8000 records are ready'),
    })
  })

  test('threads that hold all that may be read', () => {
    expect(bound({ partitions: [{ held: 20_000, atHandler: 20_000, unread: 30_000 }], isFull: true })?.by).toBe(
      'threads',
    )
  })

  test.each([
    ['main', true],
    ['threads', false],
  ] as const)('the concurrency of a handler that waits on %s', (runOn, isFull) => {
    const found = bound({ partitions, isFull, isAtConcurrency: true }, runOn === 'main' ? onMain : context)
    expect(found).toMatchObject({ by: 'limit', subject: 'concurrency', why: containing('raise it') })
  })

  test('a rate, as against the room that there is', () => {
    const heldBack = { type: 'rate', perSecond: 50 } as const
    expect(bound({ partitions, heldBack })).toMatchObject({
      by: 'rate',
      subject: 'rate.perSecond',
      why: containing('held back by rate: 50/s, 8000 records ready'),
    })
    // It is no constraint while nothing waits for it.
    expect(bound({ partitions: [{ held: 40, atHandler: 40, unread: 0 }], heldBack })?.by).toBe('input')
  })

  test('a throttle, with the record that has told of it, for records that are ready or were refused', () => {
    const throttle = { forMs: 12_000, by: 'clicks/0/7', sinceMs: 300_000 }
    const heldBack = { type: 'throttle', throttle } as const
    expect(bound({ partitions, heldBack, isFull: true })).toMatchObject({
      by: 'throttled',
      why: containing('for 300 s now, last at record clicks/0/7; it goes on in 12 s, and 8000 records wait for it'),
    })
    expect(bound({ partitions: [{ held: 1, waiting: 1 }], heldBack })?.by).toBe('throttled')
    expect(bound({ heldBack })?.by).toBe('input')
  })

  test('adaptive concurrency, with what it follows and not "raise it" while it could go higher', () => {
    const adaptive = {
      min: 5,
      max: 5_000,
      target: 'latency',
      idealLatencyMs: 10,
      latencyMs: 14,
      why: 'a call takes 14 ms',
    } as const
    const found = bound({ partitions, isAtConcurrency: true, adaptive })
    expect(found).toMatchObject({ by: 'limit', subject: 'concurrency', why: containing('(a call takes 14 ms)') })
    expect(found?.why).not.toContain('raise')
    expect(bound({ partitions, isAtConcurrency: true, adaptive: { ...adaptive, max: 1_000 } })?.why).toContain(
      'raise concurrency.max',
    )
  })

  test('main, when its handler holds it', () => {
    const working = [{ held: 9_000, ready: 9_000, unread: 41_000 }]
    expect(bound({ partitions: working, isFull: true, loopBusy: 0.99 }, onMain)).toMatchObject({ by: 'main' })
  })

  test('main, when it does nothing but read and hand over', () => {
    const reading = [{ held: 50, atHandler: 50, unread: 49_950 }]
    expect(bound({ partitions: reading, loopBusy: 0.99 })).toMatchObject({ by: 'main' })
    expect(bound({ partitions: [{ unread: 0 }], loopBusy: 0.99 })).toMatchObject({ by: 'input' })
  })
})

describe('a sink', () => {
  test('that is unavailable, by its name and reason', () => {
    const partitions = [{ held: 40, atSinks: 40, unread: 0 }]
    const found = bound({ partitions, sinks: [kafka, away] })
    expect(found).toMatchObject({ by: 'sink', subject: 'postgres', why: containing('connection refused') })
  })

  test("of another actor's records is not this one's constraint", () => {
    expect(bound({ sinks: [away] })).toMatchObject({ by: 'input' })
  })

  test('whose queue holds most of what may be read', () => {
    const partitions = [{ held: 20_000, atSinks: 18_000, atHandler: 2_000, unread: 70_000 }]
    expect(bound({ partitions, sinks: [kafka, postgres] })).toMatchObject({ by: 'sink', subject: 'postgres' })
  })
})

describe('a restore', () => {
  const restore = {
    ...{ actor: 'count', partition: 0, records: 4_000, bytes: 1, recordsPerSecond: 400, offsetsLeft: 8_000 },
    ...{ leftMs: 20_000, forMs: 10_000, trouble: null },
  }
  const restoring = { stops: ['restoring'] as const, unread: 500, restore }

  test('of all partitions here, with how far it is and how long it will take', () => {
    expect(bound({ partitions: [restoring, { ...restoring, restore: { ...restore, leftMs: 90_000 } }] })).toMatchObject(
      {
        by: 'restoring',
        subject: 'clicks/0, clicks/1',
        why: 'the state of clicks/0, clicks/1 is being restored from its changelog: 8000 records read, about 90 s to go',
      },
    )
  })

  test('that cannot get on, with the reason', () => {
    const stuck = { ...restoring, restore: { ...restore, leftMs: null, trouble: 'no broker answered' } }
    expect(bound({ partitions: [stuck] })?.why).toContain('4000 records read, no broker answered')
  })

  test('binds only when the other partitions have nothing left to do', () => {
    const busy = { held: 9_000, ready: 8_000, atHandler: 1_000, unread: 41_000 }
    expect(bound({ partitions: [restoring, busy], isFull: true })?.by).toBe('threads')
    expect(bound({ partitions: [restoring, {}] })).toMatchObject({ by: 'restoring', subject: 'clicks/0' })
  })
})

describe('a checkpoint', () => {
  const handled = [{ held: 900, atCheckpoint: 900, unread: 50 }]

  test('that waits for brokers or for a sink, by its reason', () => {
    const brokers = { name: 'kafka', queued: 0, trouble: 'no coordinator' }
    expect(bound({ partitions: handled, sinks: [brokers] })).toMatchObject({
      by: 'checkpoint',
      subject: 'brokers',
      why: 'the checkpoint of 900 handled records waits for the brokers: no coordinator',
    })
    expect(bound({ partitions: handled, sinks: [kafka, away] })).toMatchObject({
      by: 'checkpoint',
      subject: 'postgres',
      why: containing('waits for sink postgres: connection refused'),
    })
  })

  test('that takes so long that nothing more is taken in; and is never taken for a hot key', () => {
    const partitions = [{ held: 20_000, atCheckpoint: 19_000, atHandler: 1_000, unread: 50_000 }]
    expect(bound({ partitions })).toMatchObject({ by: 'checkpoint', why: containing('19000 records are handled') })
    expect(bound({ partitions: [{ ...handled[0], unread: 0 }] })).toMatchObject({
      by: 'input',
      why: containing('900 records wait for their checkpoint'),
    })
  })
})

describe('order', () => {
  const one = { held: 5_000, atHandler: 10, ready: 0, unread: 4_000, largestLane: { key: 'user 7', records: 4_900 } }

  test('key skew: few keys hold the work, and the largest is named', () => {
    const found = bound({ partitions: [one, {}] })
    expect(found).toMatchObject({ by: 'key-skew', subject: 'user 7' })
    expect(found?.why).toMatch(/4990 records wait for others of their key, 4900 of them of key user 7 \(clicks\/0\)/)
  })

  test('key skew, when what waits has filled the intake', () => {
    expect(bound({ partitions: [{ ...one, held: 20_000 }] })).toMatchObject({ by: 'key-skew', subject: 'user 7' })
    expect(bound({ partitions: [{ ...one, stops: ['limit'] }, {}] })).toMatchObject({ by: 'key-skew' })
  })

  test('a hot partition, where order is by partition', () => {
    const partition = { ...context, actor: { ...context.actor, order: 'partition' as const } }
    const found = bound({ partitions: [{ held: 2, atHandler: 1 }, one, {}] }, partition)
    expect(found).toMatchObject({ by: 'hot-partition', subject: 'clicks/1' })
  })
})

describe('a limit of the user', () => {
  test.each([
    ['maxRecords', { recordsInFlight: 20_000 }, {}],
    ['maxBytes', { recordsInFlight: 5_000, bytesInFlight: 1e9 }, {}],
    ['maxPartitionRecords', { recordsInFlight: 5_000 }, { stops: ['limit'] as const }],
    ['maxPartitionBytes', { recordsInFlight: 20 }, { stops: ['limit'] as const, held: 20, atHandler: 20 }],
  ])('intake.%s, while threads could take more', (option, changes, load) => {
    const partitions = [{ held: 5_000, atHandler: 5_000, unread: 85_000, ...load }]
    expect(bound({ partitions, ...changes })).toMatchObject({ by: 'limit', subject: `intake.${option}` })
  })

  test('the completion map', () => {
    const partitions = [{ held: 3, atHandler: 1, unread: 89_997, stops: ['completion-map'] as const }]
    expect(bound({ partitions })).toMatchObject({ by: 'limit', subject: 'completion map of clicks/0' })
  })

  test('parked keys', () => {
    const partitions = [{ held: 500, waiting: 500, parked: 2, unread: 400 }]
    expect(bound({ partitions })).toMatchObject({ by: 'limit', subject: 'parked keys' })
    const stopped = [{ held: 5_000, waiting: 2_000, parked: 2, unread: 4_000, stops: ['waiting-keys'] as const }]
    expect(bound({ partitions: stopped })).toMatchObject({ by: 'limit', subject: 'parked keys' })
  })
})

describe('waiting', () => {
  test('retries, whether they have stopped the intake or are all there is', () => {
    expect(bound({ partitions: [{ held: 30, waiting: 30, unread: 0 }] })).toMatchObject({ by: 'retries' })
    const full = [{ held: 20_000, waiting: 15_000, atSinks: 5_000, unread: 70_000 }]
    expect(bound({ partitions: full })).toMatchObject({ by: 'retries' })
  })

  test('partitions that stopped or were paused, when there is nothing else', () => {
    const halted = { stops: ['halted'] as const, unread: 70 }
    expect(bound({ partitions: [halted] })).toMatchObject({ by: 'stopped', subject: 'clicks/0' })
    expect(bound({ partitions: [{}, halted] })).toMatchObject({ by: 'stopped', subject: 'clicks/1' })
    const paused = { stops: ['user'] as const, unread: 70 }
    const found = bound({ partitions: [paused, paused, paused, paused] })
    expect(found).toMatchObject({ by: 'stopped', subject: 'clicks/0, clicks/1, clicks/2 and 1 more' })
    expect(found?.why).toContain('by hand')
  })
})

describe('one of anything', () => {
  test.each<[string, Changes, string]>([
    ['key', { partitions: [{ held: 2, atHandler: 1 }] }, '1 record waits for others of its key'],
    [
      'ready',
      { partitions: [{ held: 1_001, ready: 1, atHandler: 1_000 }], isFull: true },
      '1 record is ready and waits',
    ],
    ['place', { partitions: [{ held: 2, ready: 1, atHandler: 1 }], isAtConcurrency: true }, '1 record is in progress'],
    ['output', { partitions: [{ held: 1, atSinks: 1 }], sinks: [{ ...away, queued: 1 }] }, '1 output waits for it'],
    ['left', { partitions: [{ unread: 1 }] }, '1 record is left in the log'],
    ['parked', { partitions: [{ held: 1, waiting: 1, parked: 1 }] }, '1 record is parked or waits'],
  ])('is told of as one: %s', (_what, changes, said) => {
    expect(bound(changes)?.why).toContain(said)
  })
})

describe('over time', () => {
  const busy = sample({ partitions: [{ held: 9, ready: 8, unread: 90 }], isFull: true })
  const quiet = sample()

  test('it is what most samples say, with the words of the last of them', () => {
    const busier = sample({ partitions: [{ held: 99, ready: 77, unread: 0 }], isFull: true })
    const found = findConstraint([quiet, busy, busy, busier, quiet], context)
    expect(found).toMatchObject({ by: 'threads', share: 0.6, why: containing('77 records') })
  })

  test('of two that are as frequent it is the later one', () => {
    expect(findConstraint([busy, quiet], context)?.by).toBe('input')
    expect(findConstraint([quiet, busy], context)?.by).toBe('threads')
  })

  test('two keys are two constraints, and without a sample there is none', () => {
    const hot = (key: string) => sample({ partitions: [{ held: 50, atHandler: 1, largestLane: { key, records: 49 } }] })
    expect(findConstraint([hot('a'), hot('b'), hot('b')], context)).toMatchObject({ subject: 'b', share: 0.67 })
    expect(findConstraint([], context)).toBeNull()
  })
})
