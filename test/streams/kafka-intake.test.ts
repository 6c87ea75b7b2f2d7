import { expect, test } from 'vitest'
import { Assignment } from '../../src/streams/kafka-assignment.ts'
import { Intake } from '../../src/streams/kafka-intake.ts'
import type { NativeConsumeDone, NativeConsumer, NativeTopicPartition } from '../../src/streams/kafka-native.ts'
import type { SourceRecord } from '../../src/streams/record.ts'

const at = (partition: number): NativeTopicPartition => ({ topic: 't', partition })

/** A client whose `consume` calls the test answers. */
function makeIntake() {
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
  const assignment = new Assignment({
    client,
    settle: () => Promise.resolve(),
    onForgotten: () => undefined,
    onProblem: (message) => {
      throw new Error(message)
    },
  })
  const intake = new Intake({
    client,
    assignment,
    onTaken: () => undefined,
    onEnd: () => undefined,
    onError: () => undefined,
  })
  const grant = (...partitions: number[]): void => {
    const { id } = assignment.open('assign', partitions.map(at), false)
    const starts = partitions.map((partition) => ({ ...at(partition), position: 'earliest' as const }))
    assignment.assign(id, starts)
    intake.dropHeld(starts)
  }
  /** Answers the call that is under way with one record of a partition. */
  const bring = (partition: number, offset: number): void => {
    calls.shift()?.done(null, [{ ...at(partition), offset, timestamp: 0, key: null, value: null }], [])
  }
  return { assignment, bring, calls, grant, intake }
}

const places = (records: readonly SourceRecord[]): string[] =>
  records.map(({ partition, offset }) => `${partition}@${offset}`)

test('a record that came while nothing may be taken is handed over next, and once', async () => {
  const { bring, calls, grant, intake } = makeIntake()
  grant(0)
  const serving = intake.serve()
  bring(0, 7)
  await serving
  expect(places(await intake.take(10, 0))).toEqual(['0@7'])
  const taking = intake.take(10, 0)
  await expect.poll(() => calls.length).toBe(1)
  bring(0, 8)
  expect(places(await taking)).toEqual(['0@8'])
})

// A revoke may be told just before the record that the same call has taken.
test('a held record is not handed over once its partition was given back', async () => {
  const { assignment, bring, calls, grant, intake } = makeIntake()
  grant(0, 1)
  const serving = intake.serve()
  const { id, partitions } = assignment.open('revoke', [at(0)], false)
  intake.dropHeld(partitions)
  bring(0, 7)
  await serving
  assignment.unassign(id)
  const taking = intake.take(10, 0)
  await expect.poll(() => calls.length).toBe(1)
  bring(1, 3)
  expect(places(await taking)).toEqual(['1@3'])
})

test('a poll that waits ends with the intake, and so does the call of the client that is under way', async () => {
  const { bring, calls, grant, intake } = makeIntake()
  grant(0)
  const first = intake.take(10, 0)
  await expect.poll(() => calls.length).toBe(1)
  bring(0, 1)
  await first
  const waiting = intake.take(10, 600_000)
  await intake.stop()
  expect(await waiting).toEqual([])
  expect(calls).toEqual([])
  const serving = intake.serve()
  let isStopped = false
  const stopping = intake.stop().then(() => (isStopped = true))
  await new Promise(setImmediate)
  expect(isStopped).toBe(false)
  calls.shift()?.done(null, [], [])
  await Promise.all([serving, stopping])
})
