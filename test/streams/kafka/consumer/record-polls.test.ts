import { expect, test } from 'vitest'
import { systemClock } from '../../../../src/clock.ts'
import { ClientPartitions } from '../../../../src/streams/kafka/consumer/client-partitions.ts'
import { RecordPolls } from '../../../../src/streams/kafka/consumer/record-polls.ts'
import type { NativeConsumeDone, NativeConsumer, NativeTopicPartition } from '../../../../src/streams/kafka/native.ts'
import type { SourceRecord } from '../../../../src/streams/record.ts'

const at = (partition: number): NativeTopicPartition => ({ topic: 't', partition })

/** A client whose `consume` calls the test answers. */
function makePolls() {
  const calls: { readonly count: number; readonly done: NativeConsumeDone }[] = []
  const client = {
    rebalanceProtocol: () => 'COOPERATIVE',
    incrementalAssign: () => undefined,
    incrementalUnassign: () => undefined,
    pause: () => undefined,
    resume: () => undefined,
    getClient: () => ({
      consume: (_timeoutMs: number, count: number, _waits: boolean, done: NativeConsumeDone) => {
        calls.push({ count, done })
      },
    }),
  } as unknown as NativeConsumer
  const owned = new ClientPartitions({
    client,
    settle: () => Promise.resolve(),
    onForgotten: () => undefined,
    onProblem: (message) => {
      throw new Error(message)
    },
  })
  const polls = new RecordPolls({
    client,
    partitions: owned,
    clock: systemClock,
    onTaken: () => undefined,
    onEnd: () => undefined,
    onError: () => undefined,
  })
  const grant = (...partitions: number[]): void => {
    const { id } = owned.open('assign', partitions.map(at), false)
    const starts = partitions.map((partition) => ({ ...at(partition), position: 'earliest' as const }))
    owned.assign(id, starts)
    polls.dropHeld(starts)
  }
  /** Answers the call that is under way with one record of a partition. */
  const bring = (partition: number, offset: number): void => {
    calls.shift()?.done(null, [{ ...at(partition), offset, timestamp: 0, key: null, value: null }], [])
  }
  return { owned, bring, calls, grant, polls }
}

const places = (records: readonly SourceRecord[]): string[] =>
  records.map(({ partition, offset }) => `${partition}@${offset}`)

test('a record that came while nothing may be taken is handed over next, and once', async () => {
  const { bring, calls, grant, polls } = makePolls()
  grant(0)
  const serving = polls.serve()
  bring(0, 7)
  await serving
  expect(places(await polls.take(10, 0))).toEqual(['0@7'])
  const taking = polls.take(10, 0)
  await expect.poll(() => calls.length).toBe(1)
  bring(0, 8)
  expect(places(await taking)).toEqual(['0@8'])
})

// A revoke may be told just before the record that the same call has taken.
test('a held record is not handed over once its partition was given back', async () => {
  const { owned, bring, calls, grant, polls } = makePolls()
  grant(0, 1)
  const serving = polls.serve()
  const { id, partitions } = owned.open('revoke', [at(0)], false)
  polls.dropHeld(partitions)
  bring(0, 7)
  await serving
  owned.unassign(id)
  const taking = polls.take(10, 0)
  await expect.poll(() => calls.length).toBe(1)
  bring(1, 3)
  expect(places(await taking)).toEqual(['1@3'])
})

test('a poll that waits ends with the polls, and so does the call of the client that is under way', async () => {
  const { bring, calls, grant, polls } = makePolls()
  grant(0)
  const first = polls.take(10, 0)
  await expect.poll(() => calls.length).toBe(1)
  bring(0, 1)
  await first
  const waiting = polls.take(10, 600_000)
  await polls.stop()
  expect(await waiting).toEqual([])
  expect(calls).toEqual([])
  const serving = polls.serve()
  let isStopped = false
  const stopping = polls.stop().then(() => (isStopped = true))
  await new Promise(setImmediate)
  expect(isStopped).toBe(false)
  calls.shift()?.done(null, [], [])
  await Promise.all([serving, stopping])
})
