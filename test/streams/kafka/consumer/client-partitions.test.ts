import { expect, test } from 'vitest'
import { ClientPartitions } from '../../../../src/streams/kafka/consumer/client-partitions.ts'
import type { NativeConsumer, NativeTopicPartition } from '../../../../src/streams/kafka/native.ts'
import type { TopicPartition } from '../../../../src/streams/record.ts'

const at = (partition: number): TopicPartition => ({ topic: 't', partition })

/** A client that pauses and resumes what is assigned, ignores the rest, and remembers the pauses of what went away. */
function makeAssignment() {
  const assigned = new Set<number>()
  const paused = new Set<number>()
  const numbers = (list: readonly NativeTopicPartition[]): number[] => list.map(({ partition }) => partition)
  const settling: { names: ReadonlySet<string>; resolve: () => void }[] = []
  const assignment = new ClientPartitions({
    client: {
      rebalanceProtocol: () => 'COOPERATIVE',
      incrementalAssign: (list: readonly NativeTopicPartition[]) => {
        for (const number of numbers(list)) assigned.add(number)
      },
      incrementalUnassign: (list: readonly NativeTopicPartition[]) => {
        for (const number of numbers(list)) assigned.delete(number)
      },
      pause: (list: readonly NativeTopicPartition[]) => {
        for (const number of numbers(list)) if (assigned.has(number)) paused.add(number)
      },
      resume: (list: readonly NativeTopicPartition[]) => {
        for (const number of numbers(list)) paused.delete(number)
      },
    } as unknown as NativeConsumer,
    settle: (names) =>
      new Promise<void>((resolve) => {
        settling.push({ names, resolve })
      }),
    onForgotten: () => undefined,
    onProblem: (message) => {
      throw new Error(message)
    },
  })
  const grant = (...partitions: number[]): void => {
    const { id } = assignment.open('assign', partitions.map(at), false)
    assignment.assign(
      id,
      partitions.map((partition) => ({ ...at(partition), position: 'earliest' })),
    )
  }
  const giveBack = async (...partitions: number[]): Promise<void> => {
    assignment.unassign(assignment.open('revoke', partitions.map(at), false).id)
    for (const { resolve } of settling.splice(0)) resolve()
    await Promise.resolve()
  }
  const running = (): number[] => [...assigned].filter((number) => !paused.has(number))
  return { assignment, giveBack, grant, running, settling }
}

// Case 51.
test('a pause stands that comes after an assignment and before the client knows of it', () => {
  const { assignment, grant, running } = makeAssignment()
  assignment.beginConsume()
  grant(0, 1)
  assignment.pause([at(0)])
  assignment.endConsume()
  expect(running()).toEqual([1])
  assignment.resume([at(0)])
  expect(running()).toEqual([0, 1])
})

test('a halt of the intake stands that comes then as well, and ends', () => {
  const { assignment, grant, running } = makeAssignment()
  assignment.beginConsume()
  grant(0, 1)
  assignment.hold()
  assignment.endConsume()
  expect(running()).toEqual([])
  assignment.release()
  expect(running()).toEqual([0, 1])
})

// Case 52.
test('a partition that comes back begins unpaused, though it was paused when it went away', async () => {
  const { assignment, giveBack, grant, running } = makeAssignment()
  grant(0, 1)
  assignment.pause([at(0), at(1)])
  await giveBack(0)
  assignment.beginConsume()
  grant(0)
  assignment.endConsume()
  expect(running()).toEqual([0])
})

test('what is being given back is still to be committed, and what was lost is not', () => {
  const { assignment, grant } = makeAssignment()
  grant(0, 1, 2)
  assignment.unassign(assignment.open('revoke', [at(0)], false).id)
  expect([...assignment.namesToSettle].sort()).toEqual(['t/0', 't/1', 't/2'])
  assignment.unassign(assignment.open('revoke', [at(1)], true).id)
  expect([...assignment.namesToSettle]).toEqual(['t/2'])
})
