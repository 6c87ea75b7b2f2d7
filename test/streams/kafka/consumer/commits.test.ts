import { OpenWaits } from '../../../../src/metrics/open-waits.ts'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { systemClock } from '../../../../src/clock.ts'
import type { CommitReport, StoredPosition } from '../../../../src/streams/broker-port.ts'
import { CommitQueue } from '../../../../src/streams/kafka/consumer/commits.ts'
import type { NativeTopicPartition } from '../../../../src/streams/kafka/native.ts'

const at = (partition: number, position: number, metadata = ''): StoredPosition => ({
  topic: 't',
  partition,
  position,
  metadata,
})

describe('commits', () => {
  let sent: (readonly NativeTopicPartition[])[]
  let reports: CommitReport[]
  let queue: CommitQueue
  let waits: OpenWaits

  beforeEach(() => {
    vi.useFakeTimers()
    sent = []
    reports = []
    waits = new OpenWaits()
    queue = new CommitQueue({
      clock: systemClock,
      intervalMs: 100,
      waits,
      commit: (positions) => void sent.push(positions),
      onReport: (report) => void reports.push(report),
    })
  })
  afterEach(() => {
    queue.stop()
    vi.useRealTimers()
  })

  const pass = (ms: number): void => void vi.advanceTimersByTime(ms)
  const offsets = (): (readonly (number | undefined)[])[] => sent.map((list) => list.map(({ offset }) => offset))
  const answer = (code?: number): void => {
    queue.noteReport(code === undefined ? null : { code, message: `error ${code}` }, sent.at(-1)!)
  }

  test('one request is on its way; what is stored meanwhile waits, the newest of each partition', () => {
    queue.put([at(0, 1)])
    pass(0)
    for (let position = 2; position < 50; position += 1) queue.put([at(0, position)])
    pass(60_000)
    expect(offsets()).toEqual([[1]])
    answer()
    pass(0)
    expect(offsets()).toEqual([[1], [49]])
  })

  test('a request that nobody answers counts as lost after its deadline, and the newest goes instead', () => {
    queue.put([at(0, 1), at(1, 1)])
    pass(0)
    queue.put([at(0, 9)])
    pass(119_000)
    expect(offsets()).toEqual([[1, 1]])
    expect(waits.describeOverdue()).toEqual([])
    pass(1_001)
    expect(offsets()).toEqual([
      [1, 1],
      [9, 1],
    ])
    // Nobody has answered yet, whoever asks.
    pass(10_000)
    expect(waits.describeOverdue().map(({ says }) => says)).toEqual(['no broker has answered a commit for 130 s'])
    answer()
    expect(waits.describeOverdue()).toEqual([])
    queue.put([at(0, 10)])
    pass(1_000)
    expect(offsets().at(-1)).toEqual([10])
  })

  test('the late report of a lost request neither counts for the one after it nor sends it again', () => {
    queue.put([at(0, 1)])
    pass(0)
    queue.put([at(0, 2)])
    pass(120_001)
    expect(offsets()).toEqual([[1], [2]])
    // Refused, late: what it carried has gone again by then.
    queue.noteReport({ code: -195, message: 'late' }, sent[0]!)
    pass(1_000)
    expect(offsets()).toEqual([[1], [2]])
    queue.put([at(0, 3)])
    pass(1_000)
    expect(offsets()).toEqual([[1], [2]])
    answer()
    pass(0)
    expect(offsets()).toEqual([[1], [2], [3]])
  })

  test('a lost request that is taken after all, behind its successor, is made good', () => {
    queue.put([at(0, 1)])
    pass(0)
    queue.put([at(0, 2)])
    pass(120_001)
    answer()
    queue.noteReport(null, sent[0]!)
    // Position 1 stands at the broker now, and 2 was told to stand.
    pass(1_000)
    expect(offsets()).toEqual([[1], [2], [2]])
  })

  test('a lost request that is refused late fences nobody who has got the partition anew', () => {
    queue.put([at(0, 1), at(1, 1)])
    pass(120_001)
    answer()
    queue.forget(['t/0'])
    queue.noteReport({ code: 25, message: 'unknown member' }, sent[0]!)
    const fenced = reports.filter(({ result }) => result === 'fenced')
    expect(fenced.map(({ positions }) => positions.map(({ partition }) => partition))).toEqual([[1]])
  })

  test('a lost request of which only some were taken, behind its successor, is made good as well', () => {
    queue.put([at(0, 1), at(1, 1, 'long')])
    pass(0)
    queue.put([at(0, 2), at(1, 2)])
    pass(120_001)
    answer()
    queue.noteReport({ code: 12, message: 'too long' }, sent[0]!)
    pass(1_000)
    expect(offsets().slice(2)).toEqual([[2, 2]])
  })

  test('what is made good never takes the place of what goes one by one, which is newer', () => {
    queue.put([at(0, 10)])
    pass(0)
    queue.put([at(0, 20)])
    pass(120_001)
    answer()
    queue.put([at(0, 30, 'long'), at(1, 5)])
    pass(1_000)
    answer(12)
    queue.noteReport(null, sent[0]!)
    for (const code of [12, undefined, undefined]) {
      pass(0)
      answer(code)
    }
    pass(1_000)
    expect(
      sent
        .flat()
        .filter(({ partition }) => partition === 0)
        .at(-1)?.offset,
    ).toBe(30)
    expect(offsets()).toHaveLength(6)
  })

  test('once stopped, nobody waits for an answer any more, however many requests were on their way', async () => {
    queue.put([at(0, 1)])
    pass(0)
    queue.put([at(1, 1)])
    const settled = queue.settle(new Set(['t/1']), 50, () => Promise.resolve())
    await vi.advanceTimersByTimeAsync(100)
    expect(await settled).toBe(false)
    expect(sent).toHaveLength(2)
    queue.stop()
    queue.noteReport(null, sent[0]!)
    expect(vi.getTimerCount()).toBe(0)
    pass(1_000_000)
    expect(waits.describeOverdue()).toEqual([])
  })

  test('at most one request in an interval', () => {
    for (let i = 1; i <= 10; i += 1) {
      queue.put([at(0, i)])
      pass(0)
      if (sent.length === 1 && i === 1) answer()
    }
    expect(sent).toHaveLength(1)
    pass(100)
    expect(offsets()).toEqual([[1], [10]])
  })

  // KAFKA-4051
  test.each([-3_600_000, 3_600_000])('a wall clock that is set by %i ms holds up no commit', (stepMs) => {
    queue.put([at(0, 1)])
    pass(0)
    answer()
    vi.setSystemTime(Date.now() + stepMs)
    queue.put([at(0, 2)])
    pass(99)
    expect(offsets()).toEqual([[1]])
    pass(1)
    expect(offsets()).toEqual([[1], [2]])
  })

  test('a position that stands is committed again with other metadata', () => {
    for (const metadata of ['a', 'b']) {
      queue.put([at(0, 5, metadata)])
      pass(100)
      answer()
    }
    expect(sent.map(([entry]) => entry!.metadata)).toEqual(['a', 'b'])
  })

  // Cases 12 and 21.
  test.each([27, 22, 113, -195])('refused with %i: sent again, unless something newer was stored', (code) => {
    queue.put([at(0, 1), at(1, 1)])
    pass(0)
    queue.put([at(0, 2)])
    answer(code)
    expect(reports.map(({ result }) => result)).toEqual([code === -195 ? 'failed' : 'deferred'])
    pass(1000)
    expect(offsets()).toEqual([
      [1, 1],
      [2, 1],
    ])
  })

  test('refused as unknown: reported, and never sent again', () => {
    queue.put([at(0, 1)])
    pass(0)
    answer(25)
    pass(60_000)
    expect(reports.map(({ result }) => result)).toEqual(['fenced'])
    expect(sent).toHaveLength(1)
  })

  test('refused as too long: each goes alone; only the one that is too long is reported as such, and goes again at once without', () => {
    queue.put([at(0, 1, 'short'), at(1, 1, 'long'), at(2, 1, 'short')])
    pass(0)
    answer(12)
    expect(reports).toEqual([])
    for (const code of [undefined, 12, undefined, undefined]) {
      pass(0)
      answer(code)
    }
    expect(sent.slice(1).map((list) => list.map(({ partition, metadata }) => [partition, metadata]))).toEqual([
      [[0, 'short']],
      [[1, 'long']],
      [[1, '']],
      [[2, 'short']],
    ])
    expect(reports.map((report) => [report.result, report.positions[0]!.partition])).toEqual([
      ['accepted', 0],
      ['too-large', 1],
      ['accepted', 1],
      ['accepted', 2],
    ])
    // By this the committer knows what to try next.
    expect(reports.map((report) => report.positions[0]!.metadataLength)).toEqual([undefined, 4, undefined, undefined])
    pass(60_000)
    expect(sent).toHaveLength(5)
  })

  test('refused as too long: what was stored meanwhile goes instead', () => {
    queue.put([at(0, 1, 'long')])
    pass(0)
    queue.put([at(0, 2, 'short')])
    answer(12)
    pass(100)
    expect(sent.map(([entry]) => [entry!.offset, entry!.metadata])).toEqual([
      [1, 'long'],
      [2, 'short'],
    ])
  })

  test('what belongs to an epoch that is over is not sent again', () => {
    queue.put([at(0, 1), at(1, 1)])
    pass(0)
    queue.put([at(1, 2)])
    queue.forget(['t/0'])
    answer(27)
    pass(1000)
    expect(offsets()).toEqual([[1, 1], [2]])
  })

  test('maps of many partitions go in several requests', () => {
    const metadata = 'x'.repeat(4000)
    queue.put(Array.from({ length: 100 }, (_, partition) => at(partition, 1, metadata)))
    for (let i = 0; i < 10; i += 1) {
      pass(100)
      if (sent.length > i) answer()
    }
    expect(sent.length).toBeGreaterThan(1)
    expect(sent.flat().map(({ partition }) => partition)).toEqual(Array.from({ length: 100 }, (_, i) => i))
  })

  test('a client that refuses the call is asked again later', () => {
    const broken = new CommitQueue({
      clock: systemClock,
      waits,
      intervalMs: 100,
      commit: (positions) => {
        sent.push(positions)
        if (sent.length === 1) throw new Error('no')
      },
      onReport: (report) => void reports.push(report),
    })
    broken.put([at(0, 1)])
    pass(1000)
    expect(offsets()).toEqual([[1], [1]])
    broken.stop()
  })

  // A revoke or a stop in which the map is too long for the first time: nobody is left to store anything else.
  test('settling ends with the position alone of what is too long, and the maps of the others', async () => {
    vi.useRealTimers()
    const stands = new Map<number, string | undefined>()
    let answered = 0
    queue.put([at(0, 1, 'short'), at(1, 1, 'long'), at(2, 1, 'short')])
    const settled = await queue.settle(new Set(['t/0', 't/1', 't/2']), 5000, async () => {
      for (; answered < sent.length; answered += 1) {
        const list = sent[answered]!
        for (const { partition, metadata } of list) if (metadata !== 'long') stands.set(partition, metadata)
        const isRefused = list.some(({ metadata }) => metadata === 'long')
        queue.noteReport(isRefused ? { code: 12, message: 'too long' } : null, list)
      }
    })
    expect(settled).toBe(true)
    expect(stands).toEqual(
      new Map([
        [0, 'short'],
        [1, ''],
        [2, 'short'],
      ]),
    )
  })

  test('settling sends nothing older after something newer, also of what goes one by one', async () => {
    vi.useRealTimers()
    let answered = 0
    queue.put([at(0, 1, 'long'), at(1, 1, 'long'), at(2, 1, 'long')])
    const settled = await queue.settle(new Set(['t/0', 't/1', 't/2']), 5000, async () => {
      for (; answered < sent.length; answered += 1) {
        const list = sent[answered]!
        queue.noteReport(list.length > 1 ? { code: 12, message: 'too long' } : null, list)
        if (answered === 0) queue.put([at(2, 2, 'short')])
      }
    })
    expect(settled).toBe(true)
    const ofLast = sent.flat().filter(({ partition }) => partition === 2)
    expect(ofLast.map(({ offset }) => offset)).toEqual([1, 2])
    expect(sent.flat().filter(({ partition }) => partition === 1)).toHaveLength(2)
  })

  test('settling many full maps takes several requests, as the brokers take no more than a megabyte in one', async () => {
    vi.useRealTimers()
    const metadata = 'x'.repeat(4000)
    let answered = 0
    const positions = Array.from({ length: 100 }, (_, partition) => at(partition, 1, metadata))
    queue.put(positions)
    await queue.settle(new Set(positions.map(({ partition }) => `t/${partition}`)), 5000, async () => {
      for (; answered < sent.length; answered += 1) queue.noteReport(null, sent[answered]!)
    })
    expect(Math.max(...sent.map((list) => list.length * 3 * metadata.length))).toBeLessThan(1_000_000)
    expect(sent.flat()).toHaveLength(100)
  })

  test('settling sends at once, waits for the answer, and says when there is none', async () => {
    vi.useRealTimers()
    queue.put([at(0, 1)])
    const settled = queue.settle(new Set(['t/0']), 1000, async () => {
      if (sent.length > 0 && reports.length === 0) answer()
    })
    expect(await settled).toBe(true)
    queue.put([at(0, 2)])
    expect(await queue.settle(new Set(['t/0']), 50, async () => undefined)).toBe(false)
  })
})
