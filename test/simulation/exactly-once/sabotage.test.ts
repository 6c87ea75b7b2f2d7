/**
 * The simulation against engines that break exactly-once: each break has to be found within some hundred worlds, by the
 * checker that knows the promise. A net that catches nothing proves nothing.
 */
import { afterEach, expect, test, vi } from 'vitest'
import { PartitionState } from '../../../src/state/partition-state.ts'
import { StreamTime } from '../../../src/state/stream-time.ts'
import type { StateStore } from '../../../src/state/store.ts'
import { Participant } from '../../../src/streams/delivery/checkpoint/participant.ts'
import { breaks, type Sabotage } from '../sabotage.ts'
import type { World } from '../world.ts'
import { makeTransactionWorld } from './transaction-worlds.ts'

function broken(promise: string, sabotage: Sabotage = {}, isSuitable: (world: World) => boolean = () => true) {
  return breaks(promise, sabotage, isSuitable, makeTransactionWorld)
}

const keepsState = ({ state }: World): boolean => state !== undefined
const has =
  (type: World['timetable'][number]['action']['type']) =>
  ({ timetable }: World): boolean =>
    timetable.some(({ action }) => action.type === type)

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
  expect(await broken('storesFollow', {}, keepsState)).toBe(true)
})

test('a partition whose rows are not durable, taken along', async () => {
  vi.spyOn(Participant.prototype, 'isReady', 'get').mockImplementation(function (this: Participant) {
    return this.frozen !== null && !this.isGone
  })
  expect(await broken('checkpointsAreWhole', {}, has('sink-unavailable'))).toBe(true)
})

test('a changelog without one of the keys', async () => {
  let count = 0
  const found = await broken(
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
  expect(found).toBe(true)
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
  expect(await broken('checkpointsAreWhole')).toBe(true)
})

test('the stream time of all that was read, and not of the position', async () => {
  vi.spyOn(StreamTime.prototype, 'at').mockImplementation(function (this: StreamTime) {
    return this.current
  })
  expect(await broken('stateIsTheFold', {}, keepsState)).toBe(true)
})
