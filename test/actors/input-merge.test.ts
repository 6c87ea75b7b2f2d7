import { expect, test } from 'vitest'
import { InputMerge } from '../../src/actors/input-merge.ts'
import type { InputProgress } from '../../src/actors/input-progress.ts'
import type { SourceRecord } from '../../src/streams/record.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'

function make(clock: ManualClock, highs: Readonly<Record<string, number>>) {
  const admitted: string[] = []
  const inputs = ['left', 'right'].map((topic) => {
    const nothing = () => undefined
    return { topic, partition: 0, queue: nothing, unqueue: nothing, clearQueue: nothing } as unknown as InputProgress
  })
  const merge = new InputMerge({
    ...{ clock, inputs, times: null },
    logEnd: ({ topic }) => Promise.resolve(highs[topic] ?? 0),
    admit: (records) => admitted.push(...records.map(({ offset, topic }) => `${topic} ${offset}`)),
    onEnd: () => undefined,
    onAdmitted: () => undefined,
    onLoadChanged: () => undefined,
  })
  return { merge, admitted }
}

const at = (topic: string, offset: number, timestamp: number): SourceRecord => ({
  ...{ topic, partition: 0, offset, timestamp, key: null, value: null, headers: [] },
})

test('who goes on in the place of another knows how far that had read, also behind its last record: nothing waits for more', async () => {
  const clock = new ManualClock()
  // Behind the last record of the right there is a transaction marker: its end is told once.
  const highs = { left: 2, right: 101 }
  const before = make(clock, highs)
  before.merge.offer([at('right', 99, 10)])
  before.merge.noteEnd({ topic: 'right', position: 101 })
  const after = make(clock, highs)
  after.merge.takeOver(before.merge)
  before.merge.stop()
  after.merge.offer([at('left', 0, 5), at('left', 1, 20)])
  await clock.advance(100)
  expect(after.admitted).toEqual(['left 0', 'right 99', 'left 1'])
})
