/** What checkpoints do by themselves, whatever brokers would refuse: epochs are asked for, and the intake is bounded. */
import { describe, expect, test } from 'vitest'
import { sleep } from '../../../../src/clock.ts'
import type { CheckpointedState } from '../../../../src/streams/delivery/delivery.ts'
import type { Sink } from '../../../../src/streams/delivery/sink.ts'
import { ScriptedCheckpoints, ScriptedOwner, type Step } from './scripted-checkpoints.ts'

describe('an epoch that ends in the middle of a transaction, though the brokers would take all of it', () => {
  const steps: readonly (readonly [Step, readonly string[]])[] = [
    ['send', ['send', 'abort']],
    ['positions', ['send', 'positions', 'abort']],
  ]
  test.for(steps)('at its %s: no position of it is committed', async ([at, said]) => {
    const world = new ScriptedCheckpoints()
    const lost = new ScriptedOwner(0)
    lost.handle(world.delivery)
    world.during = (step) => {
      if (step === at) lost.isFenced = true
    }
    await world.clock.advance(5_000)
    expect(world.said).toEqual(said)
    expect([world.committed, lost.settled]).toEqual([[], 0])
  })

  test('takes nobody along: the same goes again without it', async () => {
    const world = new ScriptedCheckpoints()
    const [lost, kept] = [new ScriptedOwner(0), new ScriptedOwner(1)]
    lost.handle(world.delivery)
    kept.handle(world.delivery)
    let sends = 0
    world.during = (step) => {
      // Both have sent, and the positions come next.
      if (step === 'send' && (sends += 1) === 2) lost.isFenced = true
    }
    await world.clock.advance(5_000)
    expect(world.said).toEqual(['send', 'send', 'abort', 'send', 'positions', 'commit'])
    expect(world.committed).toEqual(['1@1'])
    expect([lost.settled, kept.settled]).toEqual([0, 1])
    expect(world.stats.checkpoints.aborts['owner-gone']).toBe(1)
  })
})

describe('a checkpoint begins before its interval is over', () => {
  test('when half of the records that may be in flight wait for it, and not before', async () => {
    const world = new ScriptedCheckpoints({ intervalMs: 60_000, intake: { maxRecords: 10, maxBytes: 1_000_000 } })
    const owner = new ScriptedOwner(0)
    owner.handle(world.delivery)
    // The first one is due at once.
    await world.clock.advance(1_000)
    for (let at = 0; at < 4; at += 1) owner.handle(world.delivery)
    await world.clock.advance(1_000)
    expect(world.committed).toEqual(['0@1'])
    owner.handle(world.delivery)
    await world.clock.advance(1_000)
    expect(world.committed).toEqual(['0@1', '0@6'])
    expect(owner.settled).toBe(6)
  })

  test('when half of the bytes that may be in flight wait for it, outputs included, over all partitions', async () => {
    const world = new ScriptedCheckpoints({ intervalMs: 60_000, intake: { maxRecords: 1_000, maxBytes: 10_000 } })
    const owners = [new ScriptedOwner(0), new ScriptedOwner(1)] as const
    owners[0].handle(world.delivery)
    await world.clock.advance(1_000)
    owners[0].handle(world.delivery, 2_000)
    owners[1].handle(world.delivery, 2_000)
    await world.clock.advance(1_000)
    expect(world.committed).toEqual(['0@1'])
    owners[1].handle(world.delivery, 1_000)
    await world.clock.advance(1_000)
    expect(world.committed.toSorted()).toEqual(['0@1', '0@2', '1@2'])
  })
})

test('what waits for checkpoints takes all that may be in flight: no more is wanted until one stands', async () => {
  const world = new ScriptedCheckpoints({ intake: { maxRecords: 1_000, maxBytes: 10_000 } })
  const owner = new ScriptedOwner(0)
  let letGo: () => void = () => undefined
  let isHeld = true
  world.during = (step) => (step === 'commit' && isHeld ? new Promise<void>((resolve) => (letGo = resolve)) : undefined)
  owner.handle(world.delivery, 6_000)
  await world.clock.advance(1_000)
  expect(world.delivery.isSated).toBe(false)
  // Frozen and gathering count together.
  owner.handle(world.delivery, 4_000)
  expect(world.delivery.isSated).toBe(true)
  const wanted: boolean[] = []
  world.delivery.onWritten = () => void wanted.push(!world.delivery.isSated)
  isHeld = false
  letGo()
  await world.clock.advance(1)
  expect(wanted[0]).toBe(true)
})

test('a store that is not written is named after a minute, with its partition, and nothing more is committed before it', async () => {
  const world = new ScriptedCheckpoints()
  const owner = new ScriptedOwner(3)
  let write: () => void = () => undefined
  owner.state = {
    ...{ isReady: true, hasChanges: false, freeze: () => undefined, frozenRecords: () => [] },
    encodeFrozen: () => Promise.resolve(true),
    commit: () => new Promise<void>((resolve) => (write = resolve)),
  } as unknown as CheckpointedState
  owner.handle(world.delivery)
  await world.clock.advance(59_000)
  owner.handle(world.delivery)
  expect(world.stats.waits.describeOverdue()).toEqual([])
  await world.clock.advance(2_000)
  expect(world.stats.waits.describeOverdue().map(({ what }) => what)).toEqual([
    'the store of in/3 has not been written',
  ])
  expect(world.committed).toEqual(['3@1'])
  write()
  await world.clock.advance(1_000)
  expect(world.stats.waits.describeOverdue()).toEqual([])
  expect(world.committed).toEqual(['3@1', '3@2'])
})

test('a row that is refused while the state of another partition is made into bytes is not committed: its own begins again', async () => {
  let refuse: () => void = () => undefined
  const sink = {
    maxBatch: 10,
    write: () => new Promise<Error[]>((resolve) => (refuse = () => resolve([new Error('of no use')]))),
  } as unknown as Sink
  const world = new ScriptedCheckpoints({ sinks: { db: sink } })
  const [slow, other] = [new ScriptedOwner(0), new ScriptedOwner(1)]
  other.state = {
    ...{ isReady: true, hasChanges: true, freeze: () => undefined, frozenRecords: () => [] },
    encodeFrozen: async () => {
      refuse()
      await sleep(world.clock, 10)
      return true
    },
    commit: () => Promise.resolve(),
  } as unknown as CheckpointedState
  slow.handle(world.delivery, 100, 'db')
  other.handle(world.delivery)
  // Rows hold up the others for half of the interval only: by then this one has no answer.
  await world.clock.advance(1_000)
  expect(world.committed.filter((each) => each.startsWith('0@'))).toEqual([])
  expect(world.committed).toContain('1@1')
  expect(world.rewinds).toEqual([['in/0/0']])
  expect([slow.settled, other.settled]).toEqual([0, 1])
})
