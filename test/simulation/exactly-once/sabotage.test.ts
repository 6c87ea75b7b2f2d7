/**
 * The simulation against engines that break exactly-once: each break has to be found within some hundred worlds, by the
 * checker that knows the promise. A net that catches nothing proves nothing.
 */
import { afterEach, expect, test, vi } from 'vitest'
import { PartitionActor } from '../../../src/actors/partition-actor.ts'
import { changesOf } from '../../../src/actors/handlers/verdict.ts'
import { PartitionState } from '../../../src/state/partition-state.ts'
import { RestoreTask } from '../../../src/state/restore/restore-task.ts'
import { StreamTime } from '../../../src/state/stream-time.ts'
import type { StateStore } from '../../../src/state/store.ts'
import { Participant } from '../../../src/streams/delivery/checkpoint/participant.ts'
import { TransactionRunner } from '../../../src/streams/delivery/checkpoint/transaction-runner.ts'
import { partitionName, type TopicPartition } from '../../../src/streams/record.ts'
import { TransactionError } from '../../../src/streams/transaction-port.ts'
import { FakeBroker } from '../../../src/testing/broker/fake-broker.ts'
import type { FakeLog } from '../../../src/testing/fake-log.ts'
import { FakeReader } from '../../../src/testing/broker/fake-reader.ts'
import { troupe } from '../engine-under-test.ts'
import { play } from '../play.ts'
import { findBroken, type Sabotage } from '../sabotage.ts'
import type { World } from '../world.ts'
import { changelogName } from './state-notes.ts'
import { pointedWorld, type Pointed } from './pointed-worlds.ts'
import type { TransactionStep } from '../../../src/testing/broker/fake-faults.ts'
import { makeTransactionWorld } from './transaction-worlds.ts'

/** That the break is found, and that it is the break that is found: without it the same world holds. */
async function expectBroken(
  promise: string,
  sabotage: Sabotage = {},
  isSuitable: (world: World) => boolean = () => true,
  make = makeTransactionWorld,
): Promise<void> {
  const world = await findBroken(promise, sabotage, isSuitable, make)
  if (world === null) throw new Error('nobody has found the break')
  vi.restoreAllMocks()
  expect((await play(world, troupe)).violations).toEqual([])
}

const any = (): boolean => true
/** Worlds that lead to where the break shows. */
const pointed =
  (to: Pointed) =>
  (seed: number): World =>
    pointedWorld(seed, to)

const keepsState = ({ state }: World): boolean => state !== undefined
const has =
  (type: World['timetable'][number]['action']['type']) =>
  ({ timetable }: World): boolean =>
    timetable.some(({ action }) => action.type === type)

/** One of two members comes and goes, while this step of each transaction takes so long. */
const slowly =
  (step: TransactionStep, byMs: number): Pointed['round'] =>
  (random) => [
    [0, { type: 'scale', members: 1 }],
    [500, { type: 'transactions-slow', durationMs: 2_500, step, byMs }],
    [random.integer(600, 2_000), { type: 'scale', members: 2 }],
  ]

/** For so long what was committed is not seen in either changelog, though the positions are. */
const held = (durationMs: number) =>
  [0, 1].map((partition) => {
    const place = `${changelogName(0)}/${partition}`
    return [1_000, { type: 'markers-held', durationMs, place }] as const
  })

afterEach(() => {
  vi.restoreAllMocks()
})

test('a store that is written before the commit', async () => {
  const stores = new WeakMap<PartitionState, StateStore>()
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with the state it belongs to
  const { begin, freeze } = PartitionState.prototype
  vi.spyOn(PartitionState.prototype, 'begin').mockImplementation(function (this: PartitionState, store, ...more) {
    stores.set(this, store)
    return begin.call(this, store, ...more)
  })
  vi.spyOn(PartitionState.prototype, 'freeze').mockImplementation(function (this: PartitionState, checkpoint) {
    freeze.call(this, checkpoint)
    const store = stores.get(this)
    const changes = [...this.frozenRecords()].map(({ key, value }) => [key!, value] as const)
    const { changelogPosition = 0, streamTime = null } = store?.mark ?? {}
    void store?.write(changes, { changelogPosition, checkpoint, streamTime })
  })
  await expectBroken('storesFollow', {}, keepsState)
})

test('a revoke that is answered while a transaction is open', async () => {
  vi.spyOn(TransactionRunner.prototype, 'atRest').mockResolvedValue()
  await expectBroken('revokesWait', {}, any, pointed({ round: slowly('commit', 4_000) }))
})

test('a generation that has passed, taken for loss', async () => {
  await expectBroken(
    'calmHandlesOnce',
    {
      transactions: (inner) => ({
        sendPositions: async (consumer, positions) => {
          try {
            await inner.sendPositions(consumer, positions)
          } catch (error) {
            if (!(error instanceof TransactionError) || error.fault !== 'stale-generation') throw error
            throw new TransactionError('not-a-member', error.message)
          }
        },
      }),
    },
    any,
    pointed({
      theme: 'calm',
      drainTimeoutMs: 60_000,
      round: (random) => [
        [0, { type: 'scale', members: 2 }],
        ...[1, 2, 3].map((at) => [random.integer(at * 900, at * 1_200), { type: 'rebalance' }] as const),
      ],
    }),
  )
})

test('a restore to the last stable offset', async () => {
  const log = logOfTheWorld()
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with the reader it belongs to
  const { watermarks } = FakeReader.prototype
  vi.spyOn(FakeReader.prototype, 'watermarks').mockImplementation(async function (this: FakeReader, of) {
    const { low } = await watermarks.call(this, of)
    return { low, high: log(of).stableEnd }
  })
  await expectBroken(
    'stateIsFound',
    {},
    any,
    pointed({
      round: (random) => [
        [0, { type: 'scale', members: 2 }],
        ...held(random.integer(500, 2_000)),
        [random.integer(1_050, 1_400), { type: 'scale', members: 1 }],
      ],
    }),
  )
})

test('the end of a changelog, asked for before the committed position', async () => {
  const log = logOfTheWorld()
  const ends = new Map<string, number>()
  await expectBroken(
    'stateIsFound',
    {
      consumer: (inner) => ({
        committed: (partitions) => {
          for (const { partition, topic } of partitions) {
            const changelog = { topic: changelogName(Number(topic.slice('in-'.length))), partition }
            ends.set(partitionName(changelog), log(changelog).end)
          }
          return inner.committed(partitions)
        },
      }),
      reader: (inner) => ({
        watermarks: async (of) => {
          const { high, low } = await inner.watermarks(of)
          return { low, high: ends.get(partitionName(of)) ?? high }
        },
      }),
    },
    any,
    pointed({
      round: (random) => [
        [0, { type: 'scale', members: 2 }],
        [1_000, { type: 'transactions-slow', durationMs: 2_500, step: 'write', byMs: 600 }],
        ...held(2_900),
        [random.integer(1_300, 2_500), { type: 'expel', member: random.integer(0, 1) }],
      ],
    }),
  )
})

/** Of the world that is played. */
function logOfTheWorld(): (at: TopicPartition) => FakeLog {
  let broker: FakeBroker | null = null
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with the broker it belongs to
  const { client } = FakeBroker.prototype
  vi.spyOn(FakeBroker.prototype, 'client').mockImplementation(function (this: FakeBroker, ...args) {
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- there is no other way to come by it
    broker = this
    return client.call(this, ...args)
  })
  return (at) => broker!.log(at)
}

test('a partition whose rows are not durable, taken along', async () => {
  vi.spyOn(Participant.prototype, 'isReady', 'get').mockImplementation(function (this: Participant) {
    return this.frozen !== null && !this.isGone
  })
  await expectBroken('checkpointsAreWhole', {}, has('sink-unavailable'))
})

test('a changelog without one of the keys', async () => {
  let count = 0
  await expectBroken(
    'stateIsTheFold',
    {
      transactions: (inner) => ({
        send: (records) =>
          inner.send(
            records.filter(
              ({ key, topic }) => !topic.endsWith('-changelog') || key?.[0] !== 1 || (count += 1) % 20 !== 0,
            ),
          ),
      }),
    },
    keepsState,
  )
})

test('a map of another moment than what is handled', async () => {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with the participant it belongs to
  const { freeze } = Participant.prototype
  vi.spyOn(Participant.prototype, 'freeze').mockImplementation(function (this: Participant, checkpoint, whole, atMs) {
    const frozen = freeze.call(this, checkpoint, whole, atMs)
    for (const position of frozen?.positions ?? []) {
      const { input, snapshot } = position
      const get = (): object => whole.of(input, input.tracker.snapshot() ?? snapshot, checkpoint)
      Object.defineProperty(position, 'stored', { get })
    }
    return frozen
  })
  await expectBroken('checkpointsAreWhole')
})

test('the stream time of all that was read, and not of the position', async () => {
  vi.spyOn(StreamTime.prototype, 'at').mockImplementation(function (this: StreamTime) {
    return this.current
  })
  await expectBroken('stateIsTheFold', {}, keepsState)
})

test('positions that are sent after the hand-over', async () => {
  vi.spyOn(Participant.prototype, 'isGone', 'get').mockReturnValue(false)
  await expectBroken(
    'outputsAreOnce',
    {},
    any,
    pointed({
      round: (random) => [
        [0, { type: 'scale', members: 1 }],
        [1_000, { type: 'producing-unavailable', durationMs: 2_900 }],
        [random.integer(1_000, 1_300), { type: 'scale', members: 2 }],
      ],
    }),
  )
})

test('what a thread brings of a state, applied after its epoch', async () => {
  const newest = new Map<string, PartitionState>()
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with the actor it belongs to
  const { admit, settle } = PartitionActor.prototype
  vi.spyOn(PartitionActor.prototype, 'admit').mockImplementation(function (this: PartitionActor, records) {
    if (this.state !== null) newest.set(placeOf(this), this.state)
    admit.call(this, records)
  })
  vi.spyOn(PartitionActor.prototype, 'settle').mockImplementation(function (
    this: PartitionActor,
    run,
    verdicts,
    nowMs,
  ) {
    const state = newest.get(placeOf(this))
    if (this.isFenced && state?.isReady === true) {
      for (const [at, verdict] of verdicts.entries()) {
        const { stateKey } = run.invocations[at]!
        const changes = changesOf(verdict)
        if (stateKey !== null && changes !== undefined) state.apply(stateKey, changes)
      }
    }
    settle.call(this, run, verdicts, nowMs)
  })
  await expectBroken(
    'stateIsTheFold',
    {},
    any,
    pointed({
      runOn: 'threads',
      plan: { costMs: 300 },
      round: (random) => [
        [0, { type: 'scale', members: 1 }],
        ...[1, 2, 3].map((at) => [random.integer(at * 900, at * 1_200), { type: 'expel', member: 0 }] as const),
      ],
    }),
  )
})

function placeOf({ inputs }: PartitionActor): string {
  return inputs.map((input) => partitionName(input)).join(' ')
}

test('a restore that ends when it has counted as many records as there are offsets', async () => {
  const counts = new WeakMap<RestoreTask, { at: number }>()
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with the task it belongs to
  const { reach, take } = RestoreTask.prototype
  vi.spyOn(RestoreTask.prototype, 'take').mockImplementation(function (this: RestoreTask, records) {
    take.call(this, records)
    const count = counts.get(this)
    if (count === undefined) return
    count.at += records.length
    reach.call(this, count.at)
  })
  vi.spyOn(RestoreTask.prototype, 'reach').mockImplementation(function (this: RestoreTask, position) {
    if (counts.has(this)) return
    counts.set(this, { at: position })
    reach.call(this, position)
  })
  await expectBroken(
    'everythingEnds',
    {},
    any,
    pointed({
      round: (random) => [
        [0, { type: 'scale', members: 1 }],
        [random.integer(1_000, 2_000), { type: 'scale', members: 2 }],
      ],
    }),
  )
})
