import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { systemClock } from '../../../../src/clock.ts'
import type { NativeConsumer } from '../../../../src/streams/kafka/native.ts'
import { PositionsOutOfLog } from '../../../../src/streams/kafka/consumer/positions-out-of-log.ts'
import type { TopicPartition } from '../../../../src/streams/record.ts'

const partition = { topic: 't', partition: 0 }

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** What the client knows of the partition, and what the log is by now. */
function makeWatch(position: number, high: number) {
  const asked: number[] = []
  const told: string[] = []
  const watch = new PositionsOutOfLog({
    clock: systemClock,
    client: { position: () => [{ ...partition, offset: position }] } as unknown as NativeConsumer,
    watermarks: () => {
      asked.push(Date.now())
      return Promise.resolve({ low: 0, high })
    },
    startOf: () => 'earliest',
    onOutOfRange: (_partition, message) => told.push(message),
  })
  const look = async (): Promise<void> => {
    await vi.advanceTimersByTimeAsync(5_000)
    watch.look(() => new Map([['t/0', partition]]))
    await vi.advanceTimersByTimeAsync(0)
  }
  return { asked, look, told, watch }
}

test('a partition that brings something is not looked at', async () => {
  const { asked, look, watch } = makeWatch(5, 5)
  watch.noteActive(partition)
  await look()
  expect(asked).toEqual([])
  await look()
  expect(asked).toHaveLength(1)
})

test('a wall clock that is set back an hour holds up no look', async () => {
  const { asked, look } = makeWatch(5, 5)
  vi.setSystemTime(Date.now() - 3_600_000)
  await look()
  expect(asked).toHaveLength(1)
})

// The client tells of it once, and not at all when other partitions brought records in the same call.
test('a silent partition is found whose log was made anew, also when its old end had been reached', async () => {
  const { look, told, watch } = makeWatch(100, 3)
  watch.noteActive(partition)
  await look()
  await look()
  expect(told).toEqual([expect.stringContaining('Position 100 of t/0 is not in its log any more (0 to 3)')])
})

// Positions are read first, and the brokers are asked for one partition after the other.
test('a partition that read on while the brokers were asked is where it is now, not where it was', async () => {
  const positions = [5, 100]
  let refuse: () => void = () => undefined
  const told: string[] = []
  const watch = new PositionsOutOfLog({
    clock: systemClock,
    client: {
      position: ([of]: readonly [TopicPartition]) => [{ ...of, offset: positions[of.partition] }],
    } as unknown as NativeConsumer,
    watermarks: ({ partition: of }) =>
      of === 1
        ? Promise.resolve({ low: 500, high: 900 })
        : new Promise((_, reject) => {
            refuse = () => {
              reject(new Error('the leader is away'))
            }
          }),
    startOf: () => 0,
    onOutOfRange: (_partition, message) => told.push(message),
  })
  const checked = watch.check([0, 1].map((number) => ({ topic: 't', partition: number })))
  // Retention deletes what it has read by now.
  positions[1] = 900
  refuse()
  await checked
  expect(told).toEqual([])
})
