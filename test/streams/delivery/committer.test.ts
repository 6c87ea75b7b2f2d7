/** What is handed to the client to be committed, and what its answers mean. */
import { describe, expect, test } from 'vitest'
import { silentLog } from '../../../src/log.ts'
import type { BrokerConsumer, CommitReport, StoredPosition } from '../../../src/streams/broker-port.ts'
import { Committer } from '../../../src/streams/delivery/committer.ts'
import { CompletionMap, decodeCompletionMap } from '../../../src/streams/positions/completion-map.ts'
import type { CommittedPartition } from '../../../src/streams/delivery/delivery.ts'
import { OffsetTracker } from '../../../src/streams/positions/offset-tracker.ts'
import { EngineStats } from '../../../src/metrics/stats.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { Random } from '../../../src/testing/random.ts'

const TICK_MS = 100

function makeCommitter(options: { assignedCount?: number } = {}) {
  const clock = new ManualClock()
  const stored: StoredPosition[] = []
  const committed: string[] = []
  const refused: string[] = []
  let refuses = (_: StoredPosition): boolean => false
  const committer = new Committer({
    intervalMs: TICK_MS,
    clock,
    log: silentLog,
    stats: new EngineStats(),
    events: {
      onRefused: (partitions) => {
        for (const { partition } of partitions) refused.push(`p${partition}`)
      },
      onCommitted: ({ partition }, position) => void committed.push(`p${partition}@${position}`),
    },
    assignedCount: () => options.assignedCount ?? 1,
  })
  committer.begin({
    storePositions: (positions: readonly StoredPosition[]) => {
      stored.push(...positions)
      return positions.filter((each) => refuses(each))
    },
  } as unknown as BrokerConsumer)
  const refuse = (which: typeof refuses): void => {
    refuses = which
  }
  const report = (result: CommitReport['result'], positions: CommitReport['positions']): void => {
    committer.noteReport({ result, positions })
  }
  return { clock, committed, committer, refuse, refused, report, stored }
}

class Partition implements CommittedPartition {
  readonly topic = 'clicks'
  readonly partition: number
  readonly tracker: OffsetTracker
  isFenced = false
  /** What it was told last; null: nothing. */
  isIntakeBlocked: boolean | null = null

  constructor(tracker = new OffsetTracker({ position: 0 }), partition = 0) {
    this.tracker = tracker
    this.partition = partition
  }

  setIntakeBlocked(isBlocked: boolean): void {
    this.isIntakeBlocked = isBlocked
  }

  setMapLeftOut(): void {}

  /** Starts so many records and finishes those that `isFinished` says. Returns the others, to be finished later. */
  start(count: number, isFinished: (at: number) => boolean = () => false): number[] {
    const from = this.tracker.startedCount + this.tracker.skippedCount
    const sequences = Array.from({ length: count }, (_, at) => this.tracker.start(from + at))
    return sequences.filter((sequence, at) => !isFinished(at) || !this.tracker.finish(sequence))
  }

  finish(sequences: readonly number[]): void {
    for (const sequence of sequences) this.tracker.finish(sequence)
  }
}

/** Goes on whenever somebody looks: a record is finished, others begin and one of them is finished. */
class RestlessTracker extends OffsetTracker {
  #offset = 0

  go(): void {
    if (this.#offset > 0) this.finish(this.oldestUnfinished!.sequence)
    this.start(this.#offset)
    this.start(this.#offset + 1)
    this.finish(this.start(this.#offset + 2))
    this.#offset += 3
  }

  override get safePosition(): number | null {
    const position = super.safePosition
    this.go()
    return position
  }

  override snapshot(): ReturnType<OffsetTracker['snapshot']> {
    const snapshot = super.snapshot()
    this.go()
    return snapshot
  }
}

describe('what is stored', () => {
  // Case 20.
  test('position and map are of one snapshot, though the tracker goes on in between', () => {
    const { committer, stored } = makeCommitter()
    const tracker = new RestlessTracker({ position: 0 })
    tracker.go()
    tracker.go()
    for (let round = 0; round < 20; round += 1) {
      const partition = new Partition(tracker)
      committer.storeNow([partition])
      const { metadata, position } = stored.at(-1)!
      const decoded = decodeCompletionMap(metadata, { position })
      expect(decoded.kind).toBe('map')
      const unfinished = runsOf(tracker)
      expect(unfinished.filter((offset) => offset < position)).toEqual([])
      expect(unfinished.filter((offset) => decoded.kind === 'map' && decoded.map.isFinished(offset))).toEqual([])
    }
  })

  test('only what made progress, the newest of each partition, once per interval', async () => {
    const { clock, committer, stored } = makeCommitter()
    const [quiet, busy] = [new Partition(), new Partition(undefined, 1)]
    quiet.start(1)
    const [first, second] = busy.start(2)
    for (const sequence of [first!, second!]) {
      busy.finish([sequence])
      committer.noteProgress(busy)
    }
    await clock.advance(3 * TICK_MS)
    expect(stored).toEqual([{ topic: 'clicks', partition: 1, position: 2, metadata: '' }])
  })

  // Case 5: what an ended epoch still finishes is nobody's position.
  test('nothing of an epoch that has ended', async () => {
    const { clock, committer, stored } = makeCommitter()
    const partition = new Partition()
    partition.finish(partition.start(1))
    committer.noteProgress(partition)
    partition.isFenced = true
    committer.storeNow([partition])
    committer.noteProgress(partition)
    await clock.advance(TICK_MS)
    expect(stored).toEqual([])
  })

  // Case 13: the broker checks membership only, so the client's word is the first to come.
  test('what the client refuses is fenced', () => {
    const { committer, refuse, refused } = makeCommitter()
    const [kept, gone] = [new Partition(), new Partition(undefined, 1)]
    for (const each of [kept, gone]) each.finish(each.start(1))
    refuse(({ partition }) => partition === 1)
    committer.storeNow([kept, gone])
    expect(refused).toEqual(['p1'])
  })
})

describe('the answers', () => {
  // Case 21: what was stored meanwhile is not what the request has committed.
  test('a position counts as committed with the answer to the very request that carried it', () => {
    const { committed, committer, report } = makeCommitter()
    const partition = new Partition()
    const [first, second] = partition.start(2)
    partition.finish([first!])
    committer.storeNow([partition])
    partition.finish([second!])
    committer.storeNow([partition])
    expect(committed).toEqual([])
    report('accepted', [{ topic: 'clicks', partition: 0, position: 1 }])
    expect(committed).toEqual(['p0@1'])
  })

  // Cases 12 and 13.
  test.each(['deferred', 'failed'] as const)('%s: neither committed nor fenced', (result) => {
    const { committed, refused, report } = makeCommitter()
    report(result, [{ topic: 'clicks', partition: 0, position: 1 }])
    expect([committed, refused]).toEqual([[], []])
  })

  // Case 13.
  test('fenced: the partitions are, and nothing counts as committed', () => {
    const { committed, refused, report } = makeCommitter()
    report('fenced', [{ topic: 'clicks', partition: 0, position: 1 }])
    expect([committed, refused]).toEqual([[], ['p0']])
  })
})

/** About a bit for each offset, which no encoding makes smaller. */
const noise = (seed: number): ((at: number) => boolean) => {
  const random = new Random(seed)
  const bits = Array.from({ length: 60_000 }, () => random.chance(0.5))
  return (at) => at > 0 && bits[at]!
}

describe('a map near its limit', () => {
  // Case 25.
  test('stops the intake, and lets it go on when what is in flight is finished', async () => {
    const { clock, committer } = makeCommitter()
    const partition = new Partition()
    const open = partition.start(50_000, noise(1))
    committer.noteProgress(partition)
    await clock.advance(TICK_MS)
    expect(partition.isIntakeBlocked).toBe(true)
    partition.finish(open)
    committer.noteProgress(partition)
    await clock.advance(TICK_MS)
    expect(partition.isIntakeBlocked).toBe(false)
  })

  // Case 25: never a truncated map. A position alone is true.
  test('and beyond it is not written; its position is', () => {
    const { committer, stored } = makeCommitter({ assignedCount: 1_000 })
    const partition = new Partition()
    partition.start(60_000, noise(2))
    committer.storeNow([partition])
    expect(stored).toEqual([{ topic: 'clicks', partition: 0, position: 0, metadata: '' }])
  })

  // Case 25. What the last owner left unfinished has to be read to be finished: nothing else makes the map smaller.
  test('does not stop the intake of what it already tells of', async () => {
    const { clock, committer } = makeCommitter()
    const before = new Partition()
    before.start(50_000, noise(3))
    const map = new CompletionMap(before.tracker.snapshot()!)
    const partition = new Partition(new OffsetTracker({ position: 0, map }))
    // One poll brings a few of them, and all of those are finished.
    partition.finish([partition.tracker.start(0)])
    committer.noteProgress(partition)
    await clock.advance(TICK_MS)
    expect(partition.isIntakeBlocked).toBe(false)
  })

  // Case 25: a broker with a lower limit than ours. Without maps there is nothing to run out of room for.
  test('that the broker refuses stops the intake no longer: from then on positions go alone', async () => {
    const { clock, committer, report, stored } = makeCommitter()
    const partition = new Partition()
    partition.start(50_000, noise(4))
    committer.noteProgress(partition)
    await clock.advance(TICK_MS)
    expect(partition.isIntakeBlocked).toBe(true)
    const metadataLength = stored.at(-1)!.metadata.length
    report('too-large', [{ topic: 'clicks', partition: 0, position: 0, metadataLength }])
    await clock.advance(TICK_MS)
    expect(stored.at(-1)).toEqual({ topic: 'clicks', partition: 0, position: 0, metadata: '' })
    expect(partition.isIntakeBlocked).toBe(false)
  })
})

// Another epoch may be another broker's limit, and another map.
test('a partition whose epoch has ended begins anew: its map is committed again', async () => {
  const { clock, committer, report, stored } = makeCommitter()
  const partition = new Partition()
  partition.start(3, (at) => at === 1)
  committer.storeNow([partition])
  report('too-large', [{ topic: 'clicks', partition: 0, position: 0, metadataLength: stored.at(-1)!.metadata.length }])
  await clock.advance(TICK_MS)
  expect(stored.at(-1)?.metadata).toBe('')
  committer.forget(partition)
  const next = new Partition()
  next.start(3, (at) => at === 1)
  committer.storeNow([next])
  expect(stored.at(-1)?.metadata).not.toBe('')
})

/** Every unfinished offset. */
function runsOf(tracker: OffsetTracker): number[] {
  const { unfinished } = OffsetTracker.prototype.snapshot.call(tracker)!
  const offsets: number[] = []
  for (let at = 0; at < unfinished.length; at += 2) {
    for (let offset = unfinished[at]!; offset < unfinished[at + 1]!; offset += 1) offsets.push(offset)
  }
  return offsets
}

test('a refusal that is told after its epoch has ended leaves nothing for the next one', async () => {
  const { clock, committer, report, stored } = makeCommitter()
  const partition = new Partition()
  partition.start(3, (at) => at === 1)
  committer.storeNow([partition])
  const { metadata } = stored.at(-1)!
  committer.forget(partition)
  report('too-large', [{ topic: 'clicks', partition: 0, position: 0, metadataLength: metadata.length }])
  const next = new Partition()
  next.start(3, (at) => at === 1)
  committer.noteProgress(next)
  await clock.advance(TICK_MS)
  expect(stored.at(-1)?.metadata).toBe(metadata)
})
