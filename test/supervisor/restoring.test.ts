/** What happens between an assignment and the first record of a partition whose actor keeps state. */
import { describe, expect, test } from 'vitest'
import { RestoreStats } from '../../src/metrics/restore-stats.ts'
import { StateStats } from '../../src/metrics/state-stats.ts'
import { encodeMeta, metaKey, shapeKey, type ChangelogMeta } from '../../src/state/changelog-format.ts'
import { Restoring, type BeginningState } from '../../src/supervisor/restoring.ts'
import type { PartitionState } from '../../src/state/partition-state.ts'
import type { CommittedCheckpoint } from '../../src/state/restore/judgement.ts'
import { shortId } from '../../src/streams/positions/topic-origin.ts'
import { FakeBroker } from '../../src/testing/broker/fake-broker.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { keyOf, totals } from '../state/restore/restore-world.ts'
import { MapStores } from '../support/map-store.ts'

const topic = 'shop-count-changelog'
const changelogId = shortId('c1')
const total = { name: 'total', codec: 'json', ttlMs: null, maxBytes: 1_000 }

class World {
  readonly clock = new ManualClock()
  readonly broker = new FakeBroker({ clock: this.clock })
  readonly stores = new MapStores()
  readonly stats = { restores: new RestoreStats(), stores: new StateStats() }
  readonly lines: string[] = []
  /** At level debug. */
  readonly details: string[] = []
  readonly failures: unknown[] = []
  readonly restored: number[] = []
  readonly overtaken: number[] = []
  /** What the group says when it is asked again, of any partition. */
  committedNow: CommittedCheckpoint | null = null
  readonly restoring: Restoring

  constructor(keepsTransactions = true, shapes = [total], partitions = 4, timers: readonly string[] = []) {
    this.broker.createTopic(topic, partitions)
    const note = (_fields: object, message: string): void => void this.lines.push(message)
    this.restoring = new Restoring({
      groupId: 'shop',
      changelogs: new Map([
        [
          'count',
          {
            ...{ actor: 'count', input: 'orders', topic, id: 'c1', partitions },
            ...{ deleteRetentionMs: 86_400_000, limit: { bytes: 1_000_000, setting: 'max.message.bytes' } },
          },
        ],
      ]),
      shapes: new Map([['count', shapes]]),
      timers: new Map([['count', timers]]),
      companions: new Map(),
      stores: this.stores,
      openReader: (name) => this.broker.reader(name),
      keepsTransactions,
      clock: this.clock,
      log: { debug: (_, line) => void this.details.push(line), info: note, warn: note, error: note },
      stats: this.stats,
      decidedEnd: (at) => Promise.resolve(this.broker.log(at).stableEnd),
      committed: () => Promise.resolve(this.committedNow ?? this.#committedAtFirst),
      onOvertaken: ({ partition }) => this.overtaken.push(partition),
      onFailure: (error) => this.failures.push(error),
    })
  }

  /** A checkpoint of this partition, as its owner writes it. */
  checkpoint(checkpoint: number, values: Readonly<Record<string, string>>, partition = 0): void {
    for (const [key, value] of Object.entries(values)) this.broker.append(topic, { key: keyOf(key), value, partition })
    const meta: ChangelogMeta = { checkpoint, streamTime: null, inputId: 11, changelogId }
    this.broker.append(topic, { key: metaKey, value: encodeMeta(meta), partition })
  }

  beginning(checkpoint: number | null, partition = 0): BeginningState {
    const at = { topic: 'orders', partition }
    return { actor: 'count', at, inputId: 11, companions: [], isCommitted: checkpoint !== null, checkpoint }
  }

  #committedAtFirst: CommittedCheckpoint = { isCommitted: false, checkpoint: null }

  begin(checkpoint: number | null, partition = 0): PartitionState {
    const beginning = this.beginning(checkpoint, partition)
    this.#committedAtFirst = beginning
    const state = this.restoring.stateOf(beginning)
    if (state === null) throw new Error('the actor keeps no state')
    this.restoring.begin(beginning, state, () => this.restored.push(partition))
    return state
  }

  async end(): Promise<void> {
    await this.clock.runUntil(() => this.restored.length + this.failures.length + this.overtaken.length > 0)
  }
}

test('the state of a partition begins when it is that of the committed position', async () => {
  const world = new World()
  world.checkpoint(6, { a: '1', b: '1' })
  world.checkpoint(7, { a: '2' })
  const state = world.begin(7)
  expect(state.isReady).toBe(false)
  await world.end()
  expect(state.isReady).toBe(true)
  expect(totals(world.stores.of(0))).toEqual({ a: '2', b: '1' })
  expect(world.lines[0]).toBe('state of actor count, partition 0: restoring')
  expect(world.lines[1]).toMatch(/^state of actor count, partition 0: restored, 5 records of changelogs in \d+ ms$/)
  expect(world.lines).toHaveLength(2)
  expect([...world.stats.restores.open()]).toEqual([])
})

test('restores of many partitions are one line when they begin and one when all are over, whatever becomes of some', async () => {
  const world = new World(true, [total], 200)
  const states = Array.from({ length: 200 }, (_, partition) => {
    world.checkpoint(3, { a: '1' }, partition)
    return world.begin(3, partition)
  })
  world.restoring.end({ topic: 'orders', partition: 7 }, states[7]!)
  await world.clock.runUntil(() => world.restored.length === 199)
  await world.clock.settle()
  expect(world.lines).toEqual([
    'state of 200 partitions (actor count): restoring',
    expect.stringMatching(
      /^state of 200 partitions \(actor count\): restored, 398 records of changelogs in \d+ ms, 1 of them not, since they have gone$/,
    ),
  ])
  expect(world.details).toContain('state of actor count, partition 8: restored, 2 records of its changelog')
})

test('a restore that takes long says every ten seconds how far it is', async () => {
  const world = new World()
  world.checkpoint(3, { a: '1' }, 1)
  world.checkpoint(3, { a: '1' }, 0)
  let letGo: () => void = () => undefined
  world.stores.of(0).onWrite = () => new Promise((resolve) => (letGo = resolve))
  world.begin(3, 0)
  world.begin(3, 1)
  await world.clock.advance(25_000)
  expect(world.lines).toEqual([
    'state of 2 partitions (actor count): restoring',
    expect.stringMatching(/^state of 2 partitions \(actor count\): restoring, \d are done$/),
    expect.stringMatching(/^state of 2 partitions \(actor count\): restoring, \d are done$/),
  ])
  world.stores.of(0).onWrite = () => Promise.resolve()
  letGo()
  await world.clock.advance(15_000)
  expect(world.lines).toHaveLength(4)
  await world.restoring.close()
})

test('an actor without state has none', () => {
  const world = new World()
  expect(world.restoring.stateOf({ ...world.beginning(1), actor: 'copy' })).toBeNull()
})

describe('state and position that do not belong together', () => {
  test('are refused, with both checkpoints', async () => {
    const world = new World()
    world.checkpoint(6, { a: '1' })
    const state = world.begin(7)
    await world.end()
    expect(world.failures).toMatchObject([
      { code: 'CHANGELOG_LOST', message: expect.stringMatching(/stands at checkpoint 6.*with checkpoint 7/) as string },
    ])
    expect([state.isReady, world.restored]).toEqual([false, []])
  })

  test('are told of, and go on, where brokers keep no transactions', async () => {
    const world = new World(false)
    world.checkpoint(6, { a: '1' })
    world.begin(7)
    await world.end()
    expect([world.failures, world.restored]).toEqual([[], [0]])
    expect(world.lines.join('\n')).toContain('keep no transactions')
  })

  test('after somebody else had the partition: the local store is begun anew, from the whole changelog', async () => {
    const world = new World()
    world.checkpoint(6, { a: '1' })
    // This process's last word: its mark has moved behind what others were about to write.
    const local = world.stores.of(0)
    await local.write([[keyOf('a'), Buffer.from('1')]], { changelogPosition: 4, checkpoint: 6, streamTime: null })
    world.checkpoint(9, { b: '5' })
    world.begin(9)
    await world.end()
    expect(world.failures).toEqual([])
    expect(local.wipes).toBe(1)
    expect(totals(local)).toEqual({ a: '1', b: '5' })
  })
})

describe('a partition with which another has gone on since its position was asked for', () => {
  test.each([
    ['from where it stood', 7, { isCommitted: true, checkpoint: 9 }],
    ['and further than was restored', 7, { isCommitted: true, checkpoint: 12 }],
    ['for the first time', null, { isCommitted: true, checkpoint: 9 }],
  ])('%s, is given up, and nothing is lost', async (_, known, now) => {
    const world = new World()
    world.checkpoint(9, { a: '1' })
    world.committedNow = now
    const state = world.begin(known)
    await world.end()
    expect([world.overtaken, world.restored, world.failures]).toEqual([[0], [], []])
    expect(state.isReady).toBe(false)
    expect(world.lines.at(-1)).toContain('another member has gone on with it')
  })

  test('leaves a local store as it is: it may come back here', async () => {
    const world = new World()
    const local = world.stores.of(0)
    await local.write([[keyOf('a'), Buffer.from('1')]], { changelogPosition: 0, checkpoint: 7, streamTime: null })
    world.checkpoint(9, { b: '5' })
    world.committedNow = { isCommitted: true, checkpoint: 9 }
    world.begin(7)
    await world.end()
    expect([world.overtaken, local.wipes]).toEqual([[0], 0])
  })

  test('is no more than what it is when brokers keep no transactions: there its own position may be late', async () => {
    const world = new World(false)
    world.checkpoint(9, { a: '1' })
    world.committedNow = { isCommitted: true, checkpoint: 9 }
    world.begin(7)
    await world.end()
    expect([world.overtaken, world.restored]).toEqual([[], [0]])
  })
})

test('a state that is declared with another codec is refused, with both', async () => {
  const world = new World()
  world.broker.append(topic, { key: shapeKey('total'), value: '\u0001avro', partition: 0 })
  world.checkpoint(1, { a: '1' })
  world.begin(1)
  await world.end()
  expect(world.failures).toMatchObject([
    { code: 'STATE_CHANGED', message: expect.stringContaining('codec avro, and is declared with json') as string },
  ])
})

test('a partition that the changelog has not, because the input has grown, is refused', () => {
  const world = new World()
  expect(() => world.restoring.stateOf(world.beginning(null, 4))).toThrow(/orders has 5 partitions .* has 4/)
})

// T45
test('a partition that is revoked while it is restored ends at once, and its store is closed; others go on', async () => {
  const world = new World()
  for (const partition of [0, 1]) {
    for (let at = 0; at < 2_000; at += 1) world.broker.append(topic, { key: keyOf(`k${at}`), value: 'v', partition })
    world.checkpoint(3, {}, partition)
  }
  const state = world.begin(3, 0)
  world.begin(3, 1)
  await world.clock.runUntil(() => world.stores.of(0).keyCount > 0)
  world.restoring.end({ topic: 'orders', partition: 0 }, state)
  await world.clock.settle()
  expect(world.stores.of(0).isClosed).toBe(true)
  await world.end()
  expect([world.restored, world.failures, state.isReady]).toEqual([[1], [], false])
  expect(world.stores.of(1).keyCount).toBe(2_001)
})

test('a partition that comes back is opened after its store was closed, and the end of an old epoch does not end the new one', async () => {
  const world = new World()
  world.checkpoint(3, { a: '1' })
  const store = world.stores.of(0)
  let letGo: () => void = () => undefined
  store.onWrite = () => new Promise((resolve) => (letGo = resolve))
  const old = world.begin(3)
  await world.clock.advance(1_000)
  world.restoring.end({ topic: 'orders', partition: 0 }, old)
  const state = world.begin(3)
  await world.clock.advance(1_000)
  expect(world.stores.said).toEqual(['open 0'])
  store.onWrite = () => Promise.resolve()
  letGo()
  await world.end()
  world.restoring.end({ topic: 'orders', partition: 0 }, old)
  await world.clock.settle()
  expect(world.failures).toEqual([])
  expect([state.isReady, store.isClosed, world.stores.said]).toEqual([true, false, ['open 0', 'open 0']])
  await world.restoring.close()
  expect(store.isClosed).toBe(true)
})

test('a partition that goes in order leaves a store that knows where its changelog ends: the next start reads nothing', async () => {
  const world = new World()
  world.stores.kind = 'disk'
  world.checkpoint(3, { a: '1' })
  const state = world.begin(3)
  await world.end()
  state.freeze(4)
  world.checkpoint(4, {})
  world.broker.appendMarkers({ topic, partition: 0 })
  await state.commit()
  world.committedNow = { isCommitted: true, checkpoint: 4 }
  const ending = world.restoring.atEnd([{ topic: 'orders', partition: 0 }])
  await world.clock.advance(1_000)
  await ending
  world.restoring.end({ topic: 'orders', partition: 0 }, state)
  await world.clock.settle()
  world.begin(4)
  await world.clock.runUntil(() => world.restored.length === 2)
  expect(world.failures).toEqual([])
  expect(world.lines.at(-1)).toContain('restored, 0 records')
})

test('a store is asked for with the topic id of its changelog: of another one it is not taken', async () => {
  const world = new World()
  world.checkpoint(3, { a: '1' })
  world.begin(3)
  await world.end()
  expect(world.stores.places).toEqual([
    { groupId: 'shop', actor: 'count', partition: 0, changelogId: 'c1', deleteRetentionMs: 86_400_000 },
  ])
})

test('what partitions have left here that are somebody else’s is looked for soon, and again and again, until the end', async () => {
  const world = new World()
  world.checkpoint(3, { a: '1' }, 1)
  world.begin(3, 1)
  await world.end()
  const HOUR_MS = 3_600_000
  await world.clock.advance(HOUR_MS)
  const early = world.stores.sweeps.length
  expect(early).toBeGreaterThan(0)
  expect(world.stores.sweeps.at(-1)).toMatchObject([{ actor: 'count', partition: 1 }])
  await world.clock.advance(5 * HOUR_MS)
  const later = world.stores.sweeps.length
  expect(later).toBeGreaterThan(early)
  await world.restoring.close()
  await world.clock.advance(5 * HOUR_MS)
  expect(world.stores.sweeps).toHaveLength(later)
})

test('the last word of an epoch that was another’s by then moves no mark: what others have changed is restored, also behind it', async () => {
  const world = new World()
  world.stores.kind = 'disk'
  world.checkpoint(3, { a: '1' })
  const state = world.begin(3)
  await world.end()
  // This process stands still, and another has the partition.
  world.checkpoint(9, { b: '5' })
  world.committedNow = { isCommitted: true, checkpoint: 9 }
  const ending = world.restoring.atEnd([{ topic: 'orders', partition: 0 }])
  await world.clock.advance(1_000)
  await ending
  world.restoring.end({ topic: 'orders', partition: 0 }, state)
  await world.clock.settle()
  // Back here after that one has gone on: its own word fits, and is no proof of what came before.
  world.checkpoint(12, { c: '7' })
  world.committedNow = null
  world.begin(12)
  await world.clock.runUntil(() => world.restored.length === 2)
  expect(world.failures).toEqual([])
  expect(totals(world.stores.of(0))).toEqual({ a: '1', b: '5', c: '7' })
})

test('the store of an actor with timers keeps them in order before it is filled; one without keeps nothing so', async () => {
  const world = new World()
  world.checkpoint(3, { a: '1' })
  world.begin(3)
  await world.end()
  expect(world.stores.of(0).ordered).toEqual([])
  const timed = new World(true, [total], 4, ['reminder'])
  timed.checkpoint(3, { a: '1' })
  const store = timed.stores.of(0)
  store.onWrite = () => {
    expect(store.ordered).toEqual(['\u0002'])
    return Promise.resolve()
  }
  timed.begin(3)
  await timed.end()
  expect(store.ordered).toEqual(['\u0002'])
})
