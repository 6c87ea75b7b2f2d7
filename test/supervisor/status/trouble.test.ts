/** What is trouble and what is not, from plain numbers; and how often it is told of. */
import { describe, expect, test } from 'vitest'
import { toWireError } from '../../../src/errors.ts'
import { silentLog, type Log } from '../../../src/log.ts'
import { resolveOptions } from '../../../src/options/resolve.ts'
import { judgeSilence, type QuietPartition } from '../../../src/supervisor/status/silence.ts'
import type { EngineView } from '../../../src/supervisor/status/status.ts'
import {
  judgeGroup,
  judgeRestore,
  judgeRetries,
  judgeSchemas,
  type RetryLoad,
} from '../../../src/supervisor/status/trouble.ts'
import { TroubleWatch } from '../../../src/supervisor/status/trouble-watch.ts'
import { makeActor, resolvedActor } from '../../actors/actor-fixture.ts'

const MINUTE_MS = 60_000
const app = resolveOptions({
  kafka: { brokers: 'localhost:9092', groupId: 'g' },
  actors: [{ handler: resolvedActor.handler }],
})

describe('records that are tried again', () => {
  const refused = new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED 10.0.0.1:80') })
  const load: RetryLoad = {
    actor: 'call',
    order: 'key',
    held: 1_000,
    records: 900,
    lanes: 300,
    oldest: { id: 'clicks/0/5', failures: 7, sinceMs: 0, error: toWireError(refused) },
    oldestMs: 31_000,
    mostlyMs: 30_000,
  }

  test('are told of with actor, records, keys, age, and the reason with its causes', () => {
    const trouble = judgeRetries(load)
    expect(trouble).toMatchObject({ kind: 'retries', about: 'call', severity: 'degraded' })
    expect(trouble?.says).toBe(
      '900 of the 1000 records that actor call holds wait for another attempt (300 keys), the oldest for 31 s: ' +
        'clicks/0/5 has failed 7 times, the last time with fetch failed: connect ECONNREFUSED 10.0.0.1:80',
    )
  })

  test.each<[string, Partial<RetryLoad>, string]>([
    ['one', { records: 1, lanes: 1 }, '1 of the 1000 records that actor call holds waits for another attempt (1 key)'],
    ['partitions', { order: 'partition', lanes: 2 }, 'attempt (2 partitions), the oldest'],
    ['no order', { order: 'unordered' }, 'attempt, the oldest'],
    ['once', { oldest: { ...load.oldest, failures: 1 } }, 'has failed 1 time, the last'],
  ])('of %s', (_what, changes, said) => {
    expect(judgeRetries({ ...load, ...changes })?.says).toContain(said)
  })

  test.each<[string, Partial<RetryLoad>, boolean]>([
    ['for as long as a service may take to start', { mostlyMs: 29_000 }, false],
    ['for a minute, beside others that get on', { mostlyMs: 0, oldestMs: 60_000 }, false],
    ['for longer than a minute', { mostlyMs: 0, oldestMs: 61_000 }, true],
  ])('%s', (_what, changes, isTrouble) => {
    expect(judgeRetries({ ...load, ...changes }) !== null).toBe(isTrouble)
  })
})

test.each([
  ['classic', 9_000, null],
  ['classic', 34_000, /^the member has waited for its group for 34 s: .* its session time-out \(45 s\), .* is done$/],
  ['consumer', 34_000, /where there are more members than partitions one has none$/],
] as const)('a wait for a group of protocol %s for %i ms', (groupProtocol, waitMs, says) => {
  const trouble = judgeGroup(waitMs, { ...app.kafka, groupProtocol })
  if (says === null) expect(trouble).toBeNull()
  else expect(trouble?.says).toMatch(says)
})

test('a restore is trouble when it cannot get on, and not because it takes long', () => {
  const of = { actor: 'count', partition: 3, trouble: null }
  const trouble = { reason: 'no broker answered', sinceMs: 0 }
  expect(judgeRestore(of, 0)).toBeNull()
  expect(judgeRestore({ ...of, trouble }, 9_000)).toBeNull()
  expect(judgeRestore({ ...of, trouble }, 10_000)).toMatchObject({
    kind: 'restore',
    about: 'count/3',
    severity: 'degraded',
    says: 'the state of actor count, partition 3, cannot be restored for 10 s; its records wait, others go on, nothing is lost: no broker answered',
  })
})

describe('a partition with records in its log that takes in none', () => {
  const quiet: QuietPartition = {
    topic: 'clicks',
    partition: 3,
    unread: 500,
    hasMore: true,
    held: 0,
    ready: 0,
    atHandler: 0,
    atSinks: 0,
    atCheckpoint: 0,
    waiting: 0,
    waitingForSchemas: 0,
    parked: 0,
    stops: [],
    quietMs: 70_000,
    askedMs: 65_000,
    stillMs: 70_000,
    waitsFor: null,
    isSinkAway: false,
  }
  const keys = { stops: ['waiting-keys'] as const, held: 40, waiting: 40 }
  const full = { stops: ['limit'] as const, held: 40, atHandler: 40, waitsFor: 'it is at the handler' }

  test.each<[string, Partial<QuietPartition>, string]>([
    [
      'though there is room',
      {},
      'clicks/3 has 500 records left in its log and the broker has brought none for 70 s, though there is room',
    ],
    [
      'as long as what is in flight is enough',
      { askedMs: 5_000, quietMs: 660_000 },
      'none was read for 660 s: what is in flight is enough',
    ],
    [
      'for parked keys',
      { ...keys, parked: 1 },
      'takes in none for 70 s: of its records 1 is parked until an operator decides',
    ],
    [
      'for a full map',
      { ...full, stops: ['completion-map'] },
      'its completion map is full until the first record is finished; the first of them: it is at the handler',
    ],
    [
      'for a limit',
      full,
      'it holds as much as it may, and none of that was finished; the first of them: it is at the handler',
    ],
  ])('%s', (_why, changes, said) => {
    const trouble = judgeSilence({ ...quiet, ...changes })
    expect(trouble).toMatchObject({ kind: 'silence', about: 'clicks/3', severity: 'degraded' })
    expect(trouble?.says).toContain(said)
  })

  test.each<[string, Partial<QuietPartition>]>([
    ['has none', { unread: 0 }],
    ['has but a marker of a transaction', { hasMore: false }],
    ['was paused by the user', { stops: ['user', 'limit'] }],
    ['is being restored, however long it takes', { stops: ['restoring', 'limit'] }],
    [
      'waits for a checkpoint that cannot get on, which is told of',
      { ...full, atHandler: 0, atCheckpoint: 40, isSinkAway: true },
    ],
    ['stopped on a record, which is told of', { stops: ['halted'] }],
    ['tries its records again, which is told of', keys],
    ['waits for a sink that is away, which is told of', { ...full, atHandler: 0, atSinks: 40, isSinkAway: true }],
    ['finishes what it holds', { ...full, stillMs: 500 }],
    ['has its turn within a minute', { askedMs: 59_000 }],
    ['waits for its turn while there is enough to do', { askedMs: 5_000 }],
  ])('is no trouble when it %s', (_why, changes) => {
    expect(judgeSilence({ ...quiet, ...changes })).toBeNull()
  })
})

test('schemas that are waited for are told of with the real cause, after some seconds', () => {
  const trouble = { reason: 'connect ECONNREFUSED 127.0.0.1:8081', sinceMs: 0, waitingIds: 2 }
  expect(judgeSchemas(trouble, 4_999)).toBeNull()
  expect(judgeSchemas(trouble, 5_000)).toMatchObject({
    kind: 'schemas',
    severity: 'degraded',
    says: '2 schemas are waited for, for 5 s; records of them wait, others go on, nothing is lost: connect ECONNREFUSED 127.0.0.1:8081',
  })
})

describe('what is told', () => {
  function watched() {
    const made = makeActor()
    const { clock, stats } = made
    const lines: { level: string; atMs: number; line: string }[] = []
    const beganAtMs = clock.now()
    const note = (level: string) => (_: object, line: string) =>
      lines.push({ level, atMs: clock.now() - beganAtMs, line })
    const log: Log = { ...silentLog, warn: note('warn'), info: note('info') }
    const world = { away: true, sinceMs: clock.now() }
    const view = (): EngineView => ({
      app,
      flow: [],
      nowMs: clock.now(),
      startedAtMs: 0,
      seenSince: (atMs) => clock.now() - atMs,
      state: 'running',
      isRestarting: false,
      lastPollAtMs: clock.now(),
      isReading: true,
      groupWaitSinceMs: null,
      heldBackAtMs: () => null,
      recordsInFlight: 0,
      bytesInFlight: 0,
      actors: [made.actor],
      troubles: world.away ? [{ sink: 'postgres', sinceMs: world.sinceMs, reason: 'connection refused' }] : [],
      schemaTrouble: null,
      stats,
    })
    const watch = new TroubleWatch({ clock, log, stats, view })
    watch.start()
    return { clock, lines, world, watch, stats }
  }

  test('comes at once, again after 1, 2, 4, … minutes, and each hour from then on', async () => {
    const { clock, lines, watch } = watched()
    await clock.advance(4 * 61 * MINUTE_MS)
    watch.stop()
    const minutes = lines.map(({ atMs }) => Math.round(atMs / MINUTE_MS))
    expect(minutes).toEqual([0, 1, 3, 7, 15, 31, 63, 123, 183, 243])
    expect(lines[2]?.line).toBe(
      'sink postgres is unavailable for 185 s; records wait, nothing is lost: connection refused',
    )
  })

  test('is over once, with how long it lasted; what comes back within seconds was never over', async () => {
    const { clock, lines, stats, watch, world } = watched()
    await clock.advance(30_000)
    expect(stats.openTroubles.get('sink')).toBe(1)
    world.away = false
    await clock.advance(3_000)
    world.away = true
    await clock.advance(27_000)
    world.away = false
    await clock.advance(MINUTE_MS)
    watch.stop()
    expect(lines.map(({ level }) => level)).toEqual(['warn', 'info'])
    expect(lines.at(-1)?.line).toBe('over after 60 s: sink postgres was unavailable')
    expect(stats.openTroubles.get('sink')).toBeUndefined()
    expect(clock.pendingTimers).toBe(0)
  })
})
