/** State, outputs and positions of a whole engine: whatever happens, they are of the same set of records. */
import { describe, expect, test } from 'vitest'
import { defineHandler, done } from '../../src/actors/handlers/handler.ts'
import { TroupeError } from '../../src/errors.ts'
import { state } from '../../src/state/declared-state.ts'
import { text } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'
import type { Engine } from '../../src/supervisor/engine.ts'
import { ExactlyOnceWorld } from '../streams/delivery/checkpoint/exactly-once-world.ts'
import { MapStores } from '../support/map-store.ts'

const out = topic('out', { value: text })

class CountingWorld extends ExactlyOnceWorld {
  readonly handler = defineHandler({
    name: 'count',
    input: topic('in', { value: text }),
    outputs: [out],
    state: { count: state<number>({ initial: () => 0 }) },
    handle: (value, { key, state: { count } }) => {
      this.handled.push(value)
      count.update((before) => before + 1)
      return done([
        out.record(
          value.startsWith('bad') ? `${value} ${count.get()}` : `${Buffer.from(key ?? []).toString()} ${count.get()}`,
        ),
      ])
    },
  })

  /** A store outlives its partition's epoch only with `stores`. */
  count(name: string, stores?: MapStores): Promise<Engine> {
    return this.start(name, {
      actor: { handler: this.handler },
      ...(stores === undefined ? {} : { openStores: () => Promise.resolve(stores) }),
    })
  }

  /** So many records of each of these keys, by turns. */
  appendKeys(times: number, ...keys: string[]): void {
    for (let at = 0; at < times; at += 1) {
      for (const key of keys) this.broker.append('in', { key, value: key, partition: keys.indexOf(key) % 2 })
    }
  }
}

/** What each of so many records of a key says, when each was counted once. */
const counted = (key: string, times: number): string[] => Array.from({ length: times }, (_, at) => `${key} ${at + 1}`)

function refuse(world: CountingWorld, ...values: string[]): void {
  world.broker.faults.refuseRecord = ({ topic, value }) =>
    topic === 'out' && values.includes(Buffer.from(value ?? []).toString()) ? 'of no use' : null
}

test('counts go on after a crash where they stood: each record is counted once, and said once', async () => {
  const world = new CountingWorld({ partitions: 2 })
  await world.count('a')
  world.appendKeys(5, 'k0', 'k1', 'k2', 'k3')
  await world.clock.advance(2_000)
  world.appendKeys(5, 'k0', 'k1', 'k2', 'k3')
  // In the middle of a checkpoint.
  await world.clock.advance(103)
  world.broker.crash('a')
  await world.clock.advance(20_000)
  const engine = await world.count('b')
  await world.clock.advance(5_000)
  world.appendKeys(5, 'k0', 'k1', 'k2', 'k3')
  await world.clock.advance(5_000)
  expect(world.read().toSorted()).toEqual(['k0', 'k1', 'k2', 'k3'].flatMap((key) => counted(key, 15)).toSorted())
  await world.settled(engine.stop())
})

test('counts go along with their partition to another member, and back', async () => {
  const world = new CountingWorld({ partitions: 2 })
  const first = await world.count('a')
  world.appendKeys(5, 'k0', 'k1')
  await world.clock.advance(2_000)
  const second = await world.count('b')
  await world.clock.advance(5_000)
  world.appendKeys(5, 'k0', 'k1')
  await world.clock.advance(5_000)
  await world.settled(second.stop())
  await world.clock.advance(5_000)
  world.appendKeys(5, 'k0', 'k1')
  await world.clock.advance(5_000)
  expect(world.read().toSorted()).toEqual(['k0', 'k1'].flatMap((key) => counted(key, 15)).toSorted())
  await world.settled(first.stop())
})

describe('a record that is refused for good', () => {
  test('is counted by nobody: the partition begins again on the store of its last checkpoint, and goes on', async () => {
    const world = new CountingWorld({ partitions: 2 })
    const engine = await world.count('a')
    world.appendKeys(3, 'k0', 'k1')
    await world.clock.advance(2_000)
    refuse(world, 'bad 5')
    world.appendKeys(1, 'k0', 'k1')
    world.broker.append('in', { key: 'k0', value: 'bad', partition: 0 })
    world.appendKeys(2, 'k0', 'k1')
    await world.clock.advance(5_000)
    expect(world.stats.checkpoints.rewinds).toBe(1)
    expect(world.read('dlq')).toEqual(['bad'])
    world.appendKeys(1, 'k0', 'k1')
    await world.clock.advance(2_000)
    await world.settled(engine.stop())
    expect(world.read().toSorted()).toEqual([...counted('k0', 7), ...counted('k1', 7)].toSorted())
  })

  test('stays given up when the partition has to begin again once more, because of what the next one says now', async () => {
    const world = new CountingWorld()
    const engine = await world.count('a')
    refuse(world, 'bad 1')
    for (const value of ['bad', 'bad', 'bad', 'good']) world.broker.append('in', { key: 'k0', value, partition: 0 })
    await world.clock.advance(20_000)
    expect(world.stats.checkpoints.rewinds).toBe(3)
    expect(world.read('dlq')).toEqual(['bad', 'bad', 'bad'])
    expect(world.read()).toEqual(['k0 1'])
    await world.settled(engine.stop())
  })
})

describe('a store that', () => {
  test('cannot be written begins anew from its changelog: the member joins again, and nothing is counted twice', async () => {
    const world = new CountingWorld({ partitions: 2 })
    const stores = new MapStores()
    const engine = await world.count('a', stores)
    world.appendKeys(3, 'k0', 'k1')
    await world.clock.advance(2_000)
    let left = 1
    stores.of(0).onWrite = () => {
      left -= 1
      return left < 0 ? Promise.resolve() : Promise.reject(new TroupeError('STORE_FAILED', 'the disk is full'))
    }
    world.appendKeys(3, 'k0', 'k1')
    await world.clock.advance(20_000)
    expect(engine.state).toBe('running')
    expect(world.stats.restarts).toBe(1)
    expect(world.stats.sink('kafka')).toMatchObject({ durable: 12, queued: 0 })
    world.appendKeys(3, 'k0', 'k1')
    await world.clock.advance(5_000)
    expect(world.read().toSorted()).toEqual(['k0', 'k1'].flatMap((key) => counted(key, 9)).toSorted())
    await world.settled(engine.stop())
  })

  test('is being written when its partition is lost fails nobody: the next owner restores it', async () => {
    const world = new CountingWorld({ partitions: 2 })
    const stores = new MapStores()
    const engine = await world.count('a', stores)
    world.appendKeys(3, 'k0', 'k1')
    await world.clock.advance(2_000)
    let failLate: () => void = () => undefined
    stores.of(0).onWrite = () =>
      new Promise((_, reject) => {
        failLate = () => {
          reject(new TroupeError('INTERNAL', 'the store is closed'))
        }
      })
    world.appendKeys(3, 'k0', 'k1')
    await world.clock.advance(1_000)
    world.broker.expelMember('a')
    await world.clock.runUntil(() => world.stats.rebalances.lost === 2)
    stores.of(0).onWrite = () => Promise.resolve()
    failLate()
    await world.clock.advance(20_000)
    world.appendKeys(3, 'k0', 'k1')
    await world.clock.advance(5_000)
    expect(engine.state).toBe('running')
    expect(world.read().toSorted()).toEqual(['k0', 'k1'].flatMap((key) => counted(key, 9)).toSorted())
    await world.settled(engine.stop())
  })
})

// A restore takes its time, and whoever stands still meanwhile hears of nothing.
test('a partition that another has got while it was restored is not told to have lost its changelog', async () => {
  const world = new CountingWorld({ heartbeatIntervalMs: 20_000 })
  const before = await world.count('before')
  world.appendKeys(3, 'k0')
  await world.clock.advance(2_000)
  await world.settled(before.stop())
  const stores = new MapStores()
  const open = stores.open.bind(stores)
  let begin: () => void = () => undefined
  const mayOpen = new Promise<void>((resolve) => (begin = resolve))
  stores.open = async (place) => {
    await mayOpen
    return await open(place)
  }
  const first = await world.count('a', stores)
  await world.clock.runUntil(() => world.stats.rebalances.assign === 2)
  world.broker.expelMember('a')
  const second = await world.count('b')
  world.appendKeys(2, 'k0')
  await world.clock.runUntil(() => world.read().length === 5)
  begin()
  await world.clock.advance(60_000)
  expect([first.state, second.state]).toEqual(['running', 'running'])
  await world.settled(second.stop())
  world.appendKeys(2, 'k0')
  await world.clock.advance(60_000)
  expect(world.read()).toEqual(counted('k0', 7))
  await world.settled(first.stop())
})

test('a value that the topic of its changelog does not take fails its record alone, by name', async () => {
  const world = new ExactlyOnceWorld()
  world.broker.createTopic('group-longest-changelog', 1, {
    settings: { 'max.message.bytes': '2000', 'cleanup.policy': 'compact' },
  })
  const handler = defineHandler({
    name: 'longest',
    input: topic('in', { value: text }),
    outputs: [out],
    state: { longest: state<string>() },
    handle: (value, { state: { longest } }) => {
      const before = longest.get() ?? ''
      longest.set(value)
      return done([out.record(`${before.length} → ${value.length}`)])
    },
  })
  const engine = await world.start('a', {
    actor: { name: 'longest', handler },
    producer: { batchBytes: 1_000 },
  })
  for (const length of [10, 3_000, 20]) {
    world.broker.append('in', { key: 'k', value: 'x'.repeat(length), partition: 0 })
  }
  await world.clock.advance(5_000)
  expect(engine.state).toBe('running')
  expect(world.read()).toEqual(['0 → 10', '10 → 20'])
  const [letter] = world.broker.committedRecords('dlq')
  const headers = new Map(letter?.headers.map(([name, value]) => [name, Buffer.from(value ?? []).toString()]))
  expect(headers.get('troupe.error-code')).toBe('STATE_INVALID')
  expect(headers.get('troupe.error-message')).toMatch(
    /^state longest: .* 3\d{3} bytes, and its changelog group-longest-changelog takes 1\d{3} .*max\.message\.bytes/,
  )
  await world.settled(engine.stop())
})

test('an input that grows beyond its changelog ends the app within seconds, whoever gets the new partitions and when', async () => {
  const world = new CountingWorld({ partitions: 2 })
  const engine = await world.count('a')
  world.appendKeys(3, 'k0', 'k1')
  await world.clock.advance(2_000)
  world.broker.addPartitions('in', 4, { isNoticed: false })
  const end = await world.settled(engine.finished)
  expect(end).toMatchObject({
    reason: 'failed',
    error: { code: 'CHANGELOG_UNFIT', message: expect.stringMatching(/in has 4 partitions .* has 2/) as string },
  })
})

test('what records set counts as in flight until a checkpoint stands: large values slow the intake down', async () => {
  const world = new ExactlyOnceWorld()
  let handled = 0
  const handler = defineHandler({
    name: 'large',
    input: topic('in', { value: text }),
    outputs: [out],
    state: { large: state<string>() },
    handle: (value, { state: { large } }) => {
      handled += 1
      large.set(value.repeat(2_000))
      return done()
    },
  })
  const engine = await world.start('a', {
    actor: { name: 'large', handler },
    intake: { maxBytes: 200_000, maxPartitionBytes: 200_000 },
  })
  const append = (count: number): void => {
    for (let at = 0; at < count; at += 1) world.broker.append('in', { key: `k${at}`, value: 'v', partition: 0 })
  }
  append(1)
  await world.clock.advance(2_000)
  expect(world.position).toBe(1)
  world.fault('commit', 'unavailable', Infinity)
  append(400)
  await world.clock.advance(1_000)
  // Of each 2,000 bytes and some, of 200,000.
  expect(handled).toBeGreaterThan(50)
  expect(handled).toBeLessThan(110)
  world.fault('commit', 'unavailable', 0)
  await world.clock.advance(60_000)
  expect([handled, world.position]).toEqual([401, 401])
  await world.settled(engine.stop())
})
