/** The failure table of the design, row by row: an engine at a fake broker. */
import { describe, expect, test } from 'vitest'
import { checkpointPoints, type CheckpointPoint } from '../../../../src/streams/delivery/checkpoint-points.ts'
import { FakeSink } from '../../../../src/testing/fake-sink.ts'
import { DRAIN_TIMEOUT_MS, ExactlyOnceWorld, INTERVAL_MS, isNeverDuringTransaction } from './exactly-once-world.ts'

const values = (count: number, word = 'v'): string[] => Array.from({ length: count }, (_, at) => `${word}${at}`)

describe('exactly once', () => {
  test('what a reader of committed records sees is what the position says is finished, each once', async () => {
    const world = new ExactlyOnceWorld()
    const engine = await world.start()
    world.append(...values(20))
    await world.clock.advance(2_000)
    expect(world.read().toSorted()).toEqual(values(20).toSorted())
    expect(world.position).toBe(20)
    expect(world.handled).toHaveLength(20)
    expect(world.stats.partition('copy', 'in', 0)).toMatchObject({
      done: 20,
      inFlight: 0,
      safePosition: 20,
      committedPosition: 20,
    })
    await world.settled(engine.stop())
    expect(isNeverDuringTransaction(world.said, ['unassign', 'leave'])).toBe(true)
  })

  test('each checkpoint comes to all its points, in their order', async () => {
    const points: CheckpointPoint[] = []
    const world = new ExactlyOnceWorld()
    const engine = await world.start('a', { onCheckpoint: (point) => points.push(point) })
    world.append('v')
    await world.clock.advance(1_000)
    expect(points).toEqual(checkpointPoints)
    world.append('w')
    await world.clock.advance(1_000)
    expect(points).toEqual([...checkpointPoints, ...checkpointPoints])
    await world.settled(engine.stop())
  })

  test('an app without work makes no transactions, however long', async () => {
    const world = new ExactlyOnceWorld()
    const engine = await world.start()
    world.append('v')
    await world.clock.advance(1_000)
    const before = world.said.length
    await world.clock.advance(60_000)
    expect(world.said.slice(before)).toEqual([])
    world.append('w')
    await world.clock.advance(1_000)
    expect(world.read()).toEqual(['v', 'w'])
    await world.settled(engine.stop())
  })

  test('records handled out of order hold up no checkpoint: the map says which are finished', async () => {
    const world = new ExactlyOnceWorld()
    const engine = await world.start()
    world.append('hold', ...values(5))
    await world.clock.advance(1_000)
    expect(world.read()).toEqual(values(5))
    expect(world.position).toBe(0)
    world.broker.crash('a')
    await world.clock.advance(20_000)
    const other = await world.start('b')
    await world.clock.advance(2_000)
    world.letGo()
    await world.clock.advance(1_000)
    expect(world.read().toSorted()).toEqual(['hold', ...values(5)].toSorted())
    await world.settled(other.stop())
    expect(engine.state).toBe('running')
  })

  test('a stop waits for the checkpoint of what is handled, and leaves nothing to the next owner', async () => {
    const world = new ExactlyOnceWorld()
    const engine = await world.start('a', { checkpointIntervalMs: 60_000 })
    world.append('first')
    await world.clock.advance(1_000)
    world.append(...values(5))
    await world.clock.advance(1_000)
    expect(world.read()).toEqual(['first'])
    await world.settled(engine.stop())
    expect(world.read()).toEqual(['first', ...values(5)])
    expect(world.position).toBe(6)
    expect(isNeverDuringTransaction(world.said, ['unassign', 'leave'])).toBe(true)
    expect(world.log.filter((line) => line.includes('next owner'))).toEqual([])
  })

  test('a dead letter is of the same transaction as the position that passes it', async () => {
    const world = new ExactlyOnceWorld()
    const engine = await world.start()
    world.fault('commit', 'unavailable')
    world.append('fail', 'v')
    await world.clock.advance(2_000)
    expect(world.read('dlq')).toEqual(['fail'])
    expect(world.read()).toEqual(['v'])
    expect(world.position).toBe(2)
    await world.settled(engine.stop())
  })
})

describe('a transaction that', () => {
  const again = ['stale-generation', 'unavailable'] as const
  for (const fault of again) {
    test(`is told ${fault} is aborted, and the same goes again: no handler runs twice`, async () => {
      const world = new ExactlyOnceWorld()
      const engine = await world.start()
      world.fault('positions', fault)
      world.append(...values(10))
      await world.clock.advance(3_000)
      expect(world.stats.checkpoints.aborts[fault]).toBe(1)
      expect(world.handled).toHaveLength(10)
      expect(world.read().toSorted()).toEqual(values(10).toSorted())
      expect(world.position).toBe(10)
      await world.settled(engine.stop())
    })
  }

  test('waits for brokers is seen as a trouble, with its reason, until it goes through', async () => {
    const world = new ExactlyOnceWorld()
    const engine = await world.start()
    world.fault('commit', 'unavailable', 8)
    world.append('v')
    await world.clock.advance(2_000)
    expect(engine.readiness().reasons).toEqual([expect.stringMatching(/^sink kafka is unavailable: unavailable/)])
    await world.clock.advance(60_000)
    expect(engine.readiness().reasons).toEqual([])
    expect(world.read()).toEqual(['v'])
    await world.settled(engine.stop())
  })

  test('is told that its member is gone ends the epoch: the next one begins at the last commit', async () => {
    const world = new ExactlyOnceWorld()
    const engine = await world.start()
    world.append('v')
    await world.clock.advance(1_000)
    world.fault('positions', 'not-a-member')
    world.append('w')
    await world.clock.advance(30_000)
    expect(world.stats.checkpoints.aborts['not-a-member']).toBe(1)
    expect(world.read()).toEqual(['v', 'w'])
    expect(world.handled.filter((value) => value === 'w').length).toBeGreaterThan(1)
    await world.settled(engine.stop())
  })

  test('was fenced before it was committed is sent again by a new client: no epoch ends', async () => {
    const world = new ExactlyOnceWorld()
    const engine = await world.start()
    world.fault('commit', 'fenced')
    world.append(...values(5))
    await world.clock.advance(5_000)
    expect(world.stats.checkpoints.aborts.fenced).toBe(1)
    expect(world.handled).toHaveLength(5)
    expect(world.read().toSorted()).toEqual(values(5).toSorted())
    await world.settled(engine.stop())
  })

  test('has an unknown outcome and does not stand is sent again', async () => {
    const world = new ExactlyOnceWorld()
    const engine = await world.start()
    world.fault('commit', 'unknown')
    world.append(...values(5))
    await world.clock.advance(5_000)
    expect(world.stats.checkpoints.aborts.unknown).toBe(1)
    expect(world.handled).toHaveLength(5)
    expect(world.read().toSorted()).toEqual(values(5).toSorted())
    await world.settled(engine.stop())
  })

  test('has an unknown outcome and stands is taken as it is: committed() knows its number', async () => {
    const world = new ExactlyOnceWorld()
    const engine = await world.start()
    world.append('first')
    await world.clock.advance(1_000)
    world.broker.faults.lostCommitAnswers = 1
    world.append(...values(5))
    await world.clock.advance(50)
    await world.clock.runUntil(() => world.stats.checkpoints.aborts.unknown > 0)
    world.broker.faults.lostCommitAnswers = 0
    await world.clock.advance(5_000)
    expect(world.read()).toEqual(['first', ...values(5)])
    expect([world.position, world.handled.length]).toEqual([6, 6])
    expect(engine.readiness().reasons).toEqual([])
    await world.settled(engine.stop())
  })

  test('is fenced again and again belongs to an id that another process uses: the engine ends, with one error', async () => {
    const world = new ExactlyOnceWorld()
    const engine = await world.start()
    world.fault('commit', 'fenced', Infinity)
    world.append('v')
    const end = await world.settled(engine.finished)
    expect(end).toMatchObject({ reason: 'failed', error: { code: 'TRANSACTIONAL_ID_TAKEN' } })
    expect(world.stats.restarts).toBe(0)
  })

  test('may not be made ends the engine with one clear error, and no record becomes a dead letter', async () => {
    const world = new ExactlyOnceWorld()
    const engine = await world.start()
    world.fault('positions', 'not-allowed', Infinity)
    world.append('v')
    const end = await world.settled(engine.finished)
    expect(end).toMatchObject({ reason: 'failed', error: { code: 'TRANSACTION_NOT_ALLOWED' } })
    expect([world.read(), world.read('dlq'), world.stats.restarts]).toEqual([[], [], 0])
  })
})

describe('an output that is refused for good', () => {
  test('by its topic: its record is given up by policy, and the others are handled from their last checkpoint on', async () => {
    const world = new ExactlyOnceWorld()
    const engine = await world.start()
    world.append('first')
    await world.clock.advance(1_000)
    world.broker.faults.refuseRecord = ({ topic, value }) =>
      topic === 'out' && Buffer.from(value ?? []).toString() === 'v2' ? 'of no use' : null
    world.append(...values(5), 'none')
    await world.clock.advance(10_000)
    expect(world.read().toSorted()).toEqual(['first', 'v0', 'v1', 'v3', 'v4'])
    expect(world.read('dlq')).toEqual(['v2'])
    expect(world.position).toBe(7)
    expect(world.handled.filter((value) => value === 'v2')).toHaveLength(1)
    expect(world.handled.filter((value) => value === 'first')).toHaveLength(1)
    expect(world.stats.partition('copy', 'in', 0)).toMatchObject({ deadLettered: 1, inFlight: 0 })
    await world.settled(engine.stop())
  })

  test('by its topic, and its dead letter too: the partition halts on it, and nothing goes round for ever', async () => {
    const world = new ExactlyOnceWorld()
    const engine = await world.start()
    world.broker.faults.refuseRecord = ({ value }) =>
      Buffer.from(value ?? []).toString() === 'v1' ? 'of no use' : null
    world.append(...values(3))
    await world.clock.advance(20_000)
    expect(world.read('dlq')).toEqual([])
    expect(engine.health().reasons.join()).toMatch(/in\/0\/1/)
    expect(world.stats.checkpoints.rewinds).toBe(2)
    await world.settled(engine.stop())
  })

  test("by its sink: the row's record is given up by policy in the same way", async () => {
    const world = new ExactlyOnceWorld()
    const engine = await world.start()
    world.sink.database.refuseRow = (_, { id }) => (id === 'row1' ? 'of no use' : null)
    world.append('row0', 'row1', 'row2')
    await world.clock.advance(10_000)
    expect(world.read().toSorted()).toEqual(['row0', 'row2'])
    expect(world.read('dlq')).toEqual(['row1'])
    expect(world.position).toBe(3)
    await world.settled(engine.stop())
  })

  test('of one partition leaves the others alone: none of their records is handled twice', async () => {
    const world = new ExactlyOnceWorld({ partitions: 2 })
    const engine = await world.start()
    world.broker.faults.refuseRecord = ({ topic, value }) =>
      topic === 'out' && Buffer.from(value ?? []).toString() === 'v1' ? 'of no use' : null
    world.append(...values(3))
    world.appendTo(1, ...values(3, 'other'))
    await world.clock.advance(10_000)
    expect(world.read().toSorted()).toEqual(['other0', 'other1', 'other2', 'v0', 'v2'])
    expect(world.handled.filter((value) => value.startsWith('other'))).toHaveLength(3)
    await world.settled(engine.stop())
  })
})

test('a database that is away holds up only the partitions that write to it', async () => {
  const world = new ExactlyOnceWorld({ partitions: 2 })
  const engine = await world.start()
  world.sink.database.isUnavailable = true
  world.append('row0')
  world.appendTo(1, ...values(3))
  await world.clock.advance(10 * INTERVAL_MS)
  expect(world.read()).toEqual(values(3))
  expect(world.position ?? 0).toBe(0)
  world.sink.database.isUnavailable = false
  await world.clock.advance(10_000)
  expect(world.read()).toEqual([...values(3), 'row0'])
  expect(world.position).toBe(1)
  await world.settled(engine.stop())
})

describe('partitions that are given back', () => {
  const steps = ['write', 'positions', 'commit', 'abort'] as const
  for (const step of steps) {
    test(`while a transaction is at its ${step}: it ends first, and nothing comes twice or is lost`, async () => {
      const world = new ExactlyOnceWorld({ partitions: 4 })
      const engine = await world.start('a')
      if (step === 'abort') world.fault('commit', 'unavailable')
      world.broker.faults.transactionDelayMs = (asked) => (asked === step ? 700 : 0)
      for (const partition of [0, 1, 2, 3]) world.appendTo(partition, ...values(5, `p${partition}-`))
      await world.clock.advance(150)
      const other = await world.start('b')
      await world.clock.advance(1_000)
      for (const partition of [0, 1, 2, 3]) world.appendTo(partition, `last${partition}`)
      await world.clock.advance(30_000)
      const expected = [0, 1, 2, 3].flatMap((partition) => [...values(5, `p${partition}-`), `last${partition}`])
      expect(world.read().toSorted()).toEqual(expected.toSorted())
      await world.settled(Promise.all([engine.stop(), other.stop()]))
      expect(isNeverDuringTransaction(world.saidBy('a'), ['unassign', 'leave'])).toBe(true)
      expect(world.saidBy('a').filter((word) => word === 'unassign').length).toBeGreaterThan(0)
    })
  }

  test('are given back when no transaction is open, and their consumer leaves when none is', async () => {
    const world = new ExactlyOnceWorld({ partitions: 4 })
    const engine = await world.start('a')
    world.broker.faults.transactionDelayMs = () => 300
    for (const partition of [0, 1, 2, 3]) world.appendTo(partition, ...values(5))
    await world.clock.advance(200)
    await world.settled(engine.stop())
    expect(world.said).toContain('commit')
    expect(isNeverDuringTransaction(world.said, ['unassign', 'leave'])).toBe(true)
    expect(world.read()).toHaveLength(20)
  })

  test('and whose checkpoint is late are given back without it: the transaction is aborted first', async () => {
    const world = new ExactlyOnceWorld()
    const engine = await world.start('a')
    world.append('first')
    await world.clock.advance(1_000)
    world.broker.faults.transactionDelayMs = (step) => (step === 'positions' ? DRAIN_TIMEOUT_MS + 3_000 : 0)
    world.append(...values(5))
    await world.clock.advance(150)
    await world.settled(engine.stop())
    expect(world.stats.checkpoints.aborts['owner-gone']).toBe(1)
    expect(isNeverDuringTransaction(world.said, ['unassign', 'leave'])).toBe(true)
    expect([world.read(), world.position]).toEqual([['first'], 1])
    expect(world.log.join()).toMatch(/the next owner/)
    world.broker.faults.transactionDelayMs = () => 0
    const other = await world.start('b')
    await world.clock.advance(3_000)
    expect(world.read().toSorted()).toEqual(['first', ...values(5)])
    await world.settled(other.stop())
  })

  test('and are lost in the middle of a transaction take no position with them: it goes again without them', async () => {
    const world = new ExactlyOnceWorld()
    const engine = await world.start('a')
    world.append('first')
    await world.clock.advance(1_000)
    world.broker.faults.transactionDelayMs = (step) => (step === 'positions' ? 2_000 : 0)
    world.append(...values(3))
    await world.clock.advance(150)
    world.broker.expelMember('a')
    await world.clock.advance(1_000)
    world.broker.faults.transactionDelayMs = () => 0
    await world.clock.advance(30_000)
    expect(world.read().toSorted()).toEqual(['first', ...values(3)])
    expect(isNeverDuringTransaction(world.said, ['unassign', 'leave'])).toBe(true)
    await world.settled(engine.stop())
  })
})

test('a stop waits for what brokers that are away have open, but no longer than the time-out of that, and its drain', async () => {
  const world = new ExactlyOnceWorld()
  const engine = await world.start('a', { transactionTimeoutMs: 10_000 })
  world.append('first')
  await world.clock.advance(1_000)
  world.fault('commit', 'unknown', Infinity)
  world.append('second')
  await world.clock.advance(150)
  world.broker.faults.answerTransaction = () => 'unavailable'
  const startedAt = world.clock.now()
  await world.settled(engine.stop())
  expect(world.clock.now() - startedAt).toBeLessThanOrEqual(DRAIN_TIMEOUT_MS + 10_000)
})

test('what is kept until a checkpoint stands counts as in flight: long outputs slow the intake down', async () => {
  const world = new ExactlyOnceWorld()
  const engine = await world.start('a', { intake: { maxBytes: 200_000, maxPartitionBytes: 200_000 } })
  const value = 'v'.repeat(2_000)
  world.append(value)
  await world.clock.advance(1_000)
  world.fault('commit', 'unavailable', Infinity)
  world.append(...Array.from({ length: 300 }, () => value))
  await world.clock.advance(5_000)
  // Of each record 2,000 bytes and some, and as much again of its output.
  expect(world.handled.length).toBeGreaterThan(20)
  expect(world.handled.length).toBeLessThan(80)
  world.fault('commit', 'unavailable', 0)
  await world.clock.advance(60_000)
  expect(world.read()).toHaveLength(301)
  expect(engine.status().recordsInFlight).toBe(0)
  await world.settled(engine.stop())
})

test('a revoke does not wait for a database that only others write to', async () => {
  const world = new ExactlyOnceWorld({ partitions: 2 })
  const engine = await world.start('a', { checkpointIntervalMs: 20_000 })
  for (const partition of [0, 1]) world.appendTo(partition, `first${partition}`)
  await world.clock.advance(25_000)
  world.sink.database.isUnavailable = true
  world.appendTo(0, 'row0')
  world.appendTo(1, 'v')
  await world.clock.advance(500)
  const other = await world.start('b', { sinks: { table: new FakeSink({ clock: world.clock }) } })
  await world.clock.runUntil(() => other.status().partitions.length === 1)
  expect(other.status().partitions).toMatchObject([{ partition: 1 }])
  // In its last checkpoint, so nobody handles it again: waiting for others would have used up the drain.
  await world.clock.advance(60_000)
  expect(world.handled.filter((value) => value === 'v')).toHaveLength(1)
  world.sink.database.isUnavailable = false
  await world.clock.advance(60_000)
  expect(world.read().toSorted()).toEqual(['first0', 'first1', 'row0', 'v'])
  await world.settled(Promise.all([engine.stop(), other.stop()]))
})

test('an app that begins at the end of the log commits where it begins, and then what it handles', async () => {
  const world = new ExactlyOnceWorld()
  world.append('before')
  const engine = await world.start('a', { actor: { startFrom: 'latest' } })
  await world.clock.advance(1_000)
  expect(world.position).toBe(1)
  for (const value of values(3)) {
    world.append(value)
    await world.clock.advance(1_000)
  }
  expect([world.read(), world.position]).toEqual([values(3), 4])
  await world.settled(engine.stop())
})
