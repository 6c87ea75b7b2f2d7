import { beforeEach, describe, expect, test } from 'vitest'
import type { Log } from '../../../src/log.ts'
import type { BrokerConsumer, StoredPosition } from '../../../src/streams/broker-port.ts'
import { Committer } from '../../../src/streams/delivery/committer.ts'
import { decodeCompletionMap } from '../../../src/streams/positions/completion-map.ts'
import type { CommittedPartition } from '../../../src/streams/delivery/delivery.ts'
import { OffsetTracker } from '../../../src/streams/positions/offset-tracker.ts'
import { EngineStats } from '../../../src/metrics/stats.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { Random } from '../../../src/testing/random.ts'

const INTERVAL_MS = 100

/** A partition that takes note of what it is told. */
class Partition implements CommittedPartition {
  readonly topic = 't'
  readonly tracker = new OffsetTracker({ position: 0 })
  isFenced = false
  isIntakeBlocked = false
  isMapLeftOut = false
  readonly partition: number
  #next = 0

  constructor(partition: number) {
    this.partition = partition
  }

  setIntakeBlocked(isBlocked: boolean): void {
    this.isIntakeBlocked = isBlocked
  }

  setMapLeftOut(isLeftOut: boolean): void {
    this.isMapLeftOut = isLeftOut
  }

  /** Finishes records in an order that no encoding makes short: some 15 of them take a character. */
  finishAtRandom(records: number, random: Random): number[] {
    return Array.from({ length: records }, () => {
      const sequence = this.tracker.start(this.#next++)
      if (this.#next > 1 && random.chance(0.5)) this.tracker.finish(sequence)
      return sequence
    })
  }
}

describe('committer', () => {
  let clock: ManualClock
  let stats: EngineStats
  let stored: { readonly atMs: number; readonly positions: readonly StoredPosition[] }[]
  let warnings: string[]
  let partitions: Partition[]
  let committer: Committer
  let startMs: number

  beforeEach(() => begin(1))

  function begin(count: number, mapBytesPerSecond = 1_000_000): void {
    clock = new ManualClock()
    startMs = clock.now()
    stats = new EngineStats()
    stored = []
    warnings = []
    partitions = Array.from({ length: count }, (_, partition) => new Partition(partition))
    const log: Log = { debug() {}, info() {}, warn: (_, message) => void warnings.push(message), error() {} }
    committer = new Committer({
      intervalMs: INTERVAL_MS,
      mapBytesPerSecond,
      clock,
      log,
      stats,
      events: { onRefused: () => undefined, onCommitted: () => undefined },
      assignedCount: () => partitions.length,
    })
    committer.begin({
      storePositions: (positions: readonly StoredPosition[]) => {
        stored.push({ atMs: clock.now() - startMs, positions })
        return []
      },
    } as unknown as BrokerConsumer)
  }

  const noteAll = (): void => {
    for (const partition of partitions) committer.noteProgress(partition)
  }
  const bytesOf = (positions: readonly StoredPosition[]): number =>
    positions.reduce((sum, { metadata }) => sum + Buffer.byteLength(metadata), 0)
  const lengths = (): number[] => stored.at(-1)!.positions.map(({ metadata }) => metadata.length)
  const times = (): number[] => stored.map(({ atMs }) => atMs)
  /** The broker refuses what was stored last of the partition. */
  const refuse = (partition: Partition): void => {
    const { topic, partition: number } = partition
    const last = stored.at(-1)!.positions.find((position) => position.partition === number)!
    const { position, metadata } = last
    const refused = { topic, partition: number, position, metadataLength: metadata.length }
    committer.noteReport({ result: 'too-large', positions: [refused] })
  }

  test('hands over at each interval while maps are small, and says that interval', async () => {
    for (let round = 0; round < 5; round += 1) {
      partitions[0]!.finishAtRandom(100, new Random(round))
      noteAll()
      await clock.advance(INTERVAL_MS)
    }
    expect(times()).toEqual([100, 200, 300, 400, 500])
    // One half is the client's.
    expect(stats.commitIntervalMs).toBe(2 * INTERVAL_MS)
  })

  describe('large maps', () => {
    const bytesPerSecond = 100_000
    async function fill(): Promise<void> {
      begin(6, bytesPerSecond)
      for (const partition of partitions) partition.finishAtRandom(30_000, new Random(partition.partition))
      noteAll()
      await clock.advance(INTERVAL_MS)
      expect(Math.min(...lengths())).toBeGreaterThan(1000)
    }

    test('put the next ones off for as long as they take at so many bytes a second', async () => {
      await fill()
      const bytes = bytesOf(stored[0]!.positions)
      expect(bytes).toBeGreaterThan(30_000)
      const restMs = (1000 * bytes) / bytesPerSecond
      noteAll()
      await clock.advance(restMs - 1)
      expect(stored).toHaveLength(1)
      expect(stats.commitIntervalMs).toBeCloseTo(restMs + INTERVAL_MS)
      await clock.advance(2)
      expect(stored).toHaveLength(2)
    })

    test('come to no more than that, however long it goes on', async () => {
      await fill()
      for (let tenth = 0; tenth < 100; tenth += 1) {
        noteAll()
        await clock.advance(INTERVAL_MS)
      }
      const bytes = stored.reduce((sum, { positions }) => sum + bytesOf(positions), 0)
      const mostBytes = 10.1 * bytesPerSecond + bytesOf(stored[0]!.positions)
      expect(bytes).toBeLessThanOrEqual(mostBytes)
      expect(bytes).toBeGreaterThan(0.9 * mostBytes)
      expect(stats.mapBytes).toBe(bytes)
    })

    test('gone, the interval is the configured one again', async () => {
      await fill()
      partitions = [new Partition(0)]
      for (let round = 0; round < 3; round += 1) {
        noteAll()
        await clock.advance(1000)
      }
      expect(stats.commitIntervalMs).toBe(2 * INTERVAL_MS)
    })

    test('do not put off a revoke or a stop', async () => {
      await fill()
      committer.storeNow(partitions)
      expect(times()).toEqual([100, 100])
    })
  })

  // Case 25: error 12.
  describe('a map that the broker refuses for its length', () => {
    const random = new Random(12)

    test('is left out from then on, and says so; the position goes on', async () => {
      const [partition] = partitions as [Partition]
      const [first] = partition.finishAtRandom(9000, random)
      noteAll()
      await clock.advance(INTERVAL_MS)
      expect(lengths()[0]).toBeGreaterThan(500)
      refuse(partition)
      await clock.advance(INTERVAL_MS)
      expect(stored.at(-1)!.positions).toEqual([{ topic: 't', partition: 0, position: 0, metadata: '' }])
      expect([partition.isMapLeftOut, stats.commits['too-large']]).toEqual([true, 1])
      expect(warnings).toEqual([expect.stringMatching(/refuses the length/)])
      partition.tracker.finish(first!)
      noteAll()
      await clock.advance(INTERVAL_MS)
      expect(lengths()).toEqual([0])
      expect(stored.at(-1)!.positions[0]!.position).toBeGreaterThan(0)
    })

    test('goes again once it is half as long, and stays out where that is refused as well', async () => {
      const [partition] = partitions as [Partition]
      const sequences = partition.finishAtRandom(9000, random)
      noteAll()
      await clock.advance(INTERVAL_MS)
      const [refused] = lengths()
      refuse(partition)
      await clock.advance(INTERVAL_MS)
      for (const sequence of sequences.slice(3000)) partition.tracker.finish(sequence)
      noteAll()
      await clock.advance(INTERVAL_MS)
      expect(lengths()[0]).toBeGreaterThan(0)
      expect(lengths()[0]).toBeLessThanOrEqual(refused! / 2)
      const [{ position, metadata }] = stored.at(-1)!.positions as [StoredPosition]
      expect(decodeCompletionMap(metadata, { position }).kind).toBe('map')
      expect(partition.isMapLeftOut).toBe(false)
      refuse(partition)
      await clock.advance(INTERVAL_MS)
      expect([lengths(), partition.isMapLeftOut]).toEqual([[0], true])
    })

    // It was stored while the first was on its way: two reports, one limit.
    test('and another of that length after it: a map half as long still goes', async () => {
      const [partition] = partitions as [Partition]
      const sequences = partition.finishAtRandom(9000, random)
      noteAll()
      await clock.advance(INTERVAL_MS)
      const [refused] = lengths() as [number]
      refuse(partition)
      refuse(partition)
      // Finishes from behind until the map is half as long, and little shorter.
      for (let left = 9000; lengths()[0] === 0 || lengths()[0] === refused; left -= 100) {
        for (const sequence of sequences.slice(left - 100, left)) partition.tracker.finish(sequence)
        noteAll()
        await clock.advance(INTERVAL_MS)
      }
      expect(lengths()[0]).toBeLessThanOrEqual(refused / 2)
      expect(lengths()[0]).toBeGreaterThan(refused / 2 - 20)
    })

    test('also where the broker counts bytes: what it takes in the end has a map again', async () => {
      const [partition] = partitions as [Partition]
      const sequences = partition.finishAtRandom(30_000, random)
      const accepted: number[] = []
      for (let left = 30_000; left > 1000; left -= 1000) {
        for (const sequence of sequences.slice(left - 1000, left)) partition.tracker.finish(sequence)
        noteAll()
        await clock.advance(INTERVAL_MS)
        const bytes = bytesOf(stored.at(-1)!.positions)
        if (bytes + 1 > 4096) refuse(partition)
        else if (bytes > 0) accepted.push(bytes)
      }
      expect(stats.commits['too-large']).toBeGreaterThan(0)
      expect(stats.commits['too-large']).toBeLessThan(4)
      expect(accepted.length).toBeGreaterThan(0)
    })

    test('does not stop the intake for good', async () => {
      const [partition] = partitions as [Partition]
      partition.finishAtRandom(50_000, random)
      noteAll()
      await clock.advance(INTERVAL_MS)
      expect(partition.isIntakeBlocked).toBe(true)
      refuse(partition)
      await clock.advance(INTERVAL_MS)
      expect(partition.isIntakeBlocked).toBe(false)
    })

    test('costs the others nothing, and is forgotten with the epoch', async () => {
      begin(2)
      const [long, other] = partitions as [Partition, Partition]
      for (const partition of partitions) partition.finishAtRandom(9000, random)
      noteAll()
      await clock.advance(INTERVAL_MS)
      refuse(long)
      noteAll()
      await clock.advance(INTERVAL_MS)
      expect([long.isMapLeftOut, other.isMapLeftOut]).toEqual([true, false])
      committer.forget(long)
      committer.noteProgress(long)
      await clock.advance(INTERVAL_MS)
      expect(long.isMapLeftOut).toBe(false)
    })
  })

  // Case 25: the share of each partition, and what happens beyond it.
  test('a map beyond the share of its partition is left out, and the intake waits for it', async () => {
    const [partition] = partitions as [Partition]
    partition.finishAtRandom(80_000, new Random(3))
    noteAll()
    await clock.advance(INTERVAL_MS)
    expect(lengths()).toEqual([0])
    expect([partition.isMapLeftOut, partition.isIntakeBlocked]).toEqual([true, true])
  })

  test('ends with its timer', () => {
    committer.end()
    expect(clock.pendingTimers).toBe(0)
  })
})
