import { OpenWaits } from '../../../../src/metrics/open-waits.ts'
import { expect, test } from 'vitest'
import { systemClock } from '../../../../src/clock.ts'
import { CommitQueue } from '../../../../src/streams/kafka/consumer/commits.ts'
import type { NativeError, NativeTopicPartition } from '../../../../src/streams/kafka/native.ts'

const refusal = (code: number): NativeError => Object.assign(new Error('refused'), { code })
const REBALANCE_IN_PROGRESS = 27

// Case 21, and a hand-over that repeats nothing: the newest position is the last one that is sent.
test('an older position whose commit was refused is not sent after a newer one', async () => {
  const sent: NativeTopicPartition[][] = []
  const offsets = (): (number | undefined)[] => sent.map(([entry]) => entry?.offset)
  const queue = new CommitQueue({
    clock: systemClock,
    waits: new OpenWaits(),
    intervalMs: 1,
    commit: (positions) => void sent.push([...positions]),
    onReport: () => undefined,
  })
  const put = (position: number): void => {
    queue.put([{ topic: 't', partition: 0, position, metadata: '' }])
  }
  put(100)
  await expect.poll(offsets).toEqual([100])
  put(200)
  const settled = queue.settle(new Set(['t/0']), 60_000, () => Promise.resolve())
  await expect.poll(offsets).toEqual([100, 200])
  queue.noteReport(refusal(REBALANCE_IN_PROGRESS), sent[0] ?? [])
  queue.noteReport(refusal(REBALANCE_IN_PROGRESS), sent[1] ?? [])
  await expect.poll(offsets).toHaveLength(3)
  queue.noteReport(null, sent[2] ?? [])
  expect(await settled).toBe(true)
  expect(offsets()).toEqual([100, 200, 200])
})
