/**
 * Completion maps in real commits, up to the largest, as two clients read them that are not the one which wrote them:
 * kafkajs and Kafka's own, the Java one.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Committer } from '../../src/streams/delivery/committer.ts'
import { systemClock } from '../../src/clock.ts'
import { decodeCompletionMap, encodeCompletionMap } from '../../src/streams/positions/completion-map.ts'
import { createKafkaBroker } from '../../src/streams/kafka/broker.ts'
import { maxCharactersFor } from '../../src/streams/positions/map-budget.ts'
import { OffsetTracker } from '../../src/streams/positions/offset-tracker.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { Random } from '../../src/testing/random.ts'
import { Member, until } from '../contract/contract-world.ts'
import { committedAsJavaReads, findWhatJavaLacks } from '../support/java-reader.ts'
import {
  KafkaProbe,
  bootstrapServers,
  kafkaIsAvailable,
  uniqueName,
  type CommittedOffset,
} from '../support/real-kafka.ts'
import { testOptions } from './kafka-world.ts'

/** Beyond 2^31, as in any topic of some age. */
const FIRST = 3_000_000_000

/** The more records, the longer the map: each is finished or not at random, the first one not, the last one is. */
function trackerOf(records: number, seed: number): OffsetTracker {
  const random = new Random(seed)
  const tracker = new OffsetTracker({ position: FIRST })
  for (let index = 0; index < records; index += 1) {
    const sequence = tracker.start(FIRST + index)
    if (index === records - 1 || (index > 0 && random.chance(0.5))) tracker.finish(sequence)
  }
  return tracker
}

function lengthOf(tracker: OffsetTracker): number {
  const encoded = encodeCompletionMap(tracker.snapshot()!)
  return typeof encoded === 'string' ? encoded.length : encoded.characters
}

/** A tracker whose map has exactly so many characters. */
function trackerWithMapOf(characters: number, seed: number): OffsetTracker {
  // A random record takes a bit, and a character has 15; what comes before the payload moves it a little.
  let records = 15 * characters
  for (let attempt = 0; attempt < 1000; attempt += 1) {
    const tracker = trackerOf(records, seed)
    const missing = characters - lengthOf(tracker)
    if (missing === 0) return tracker
    records += missing > 1 || missing < -1 ? 12 * missing : 3 * missing
  }
  throw new Error(`no map of ${characters} characters was found`)
}

// The client writes a NUL behind each metadata, and hides it when it reads.
const withNul = (text: string): string => `${text}\0`

const javaLacks = kafkaIsAvailable ? await findWhatJavaLacks() : undefined
if (javaLacks !== undefined) console.warn(`\nReading with Java is SKIPPED: ${javaLacks}\n`)

describe.skipIf(!kafkaIsAvailable)('completion maps in real commits', () => {
  let probe: KafkaProbe
  beforeAll(() => {
    probe = new KafkaProbe(bootstrapServers)
  })
  afterAll(() => probe.close())
  type Read = (group: string, topic: string) => Promise<CommittedOffset[]>
  const testWithEach = (name: string, check: (read: Read) => Promise<void>): void => {
    test(`${name} by kafkajs`, () => check((group, topic) => probe.committedOffsets(group, topic)))
    test.skipIf(javaLacks !== undefined)(`${name} by Java`, () =>
      check((group, topic) => committedAsJavaReads(bootstrapServers, group, topic)),
    )
  }

  /** Commits the trackers' positions and maps in one go, as a stop does, with the engine's committer and client. */
  async function commitAll(trackers: readonly OffsetTracker[]): Promise<{ group: string; topic: string }> {
    const [group, topic] = [uniqueName('maps'), uniqueName('maps')]
    await probe.createTopic(topic, trackers.length)
    const member = await Member.join(createKafkaBroker(testOptions(bootstrapServers, group)), [topic])
    try {
      await until('all partitions', () => member.assigned.size === trackers.length)
      const committer = new Committer({
        intervalMs: 3_600_000,
        clock: systemClock,
        log: { debug() {}, info() {}, warn() {}, error() {} },
        stats: new EngineStats(),
        events: { onRefused: () => undefined, onCommitted: () => undefined },
        assignedCount: () => trackers.length,
      })
      committer.begin(member.consumer)
      committer.storeNow(
        trackers.map((tracker, partition) => ({
          topic,
          partition,
          tracker,
          isFenced: false,
          setIntakeBlocked: () => undefined,
          setMapLeftOut: () => undefined,
        })),
      )
      committer.end()
    } finally {
      await member.leave()
    }
    return { group, topic }
  }

  describe('the smallest and the largest', () => {
    // Nothing beyond the position; one stuck record; half and all of what a broker takes.
    const lengths = [0, 2048, 4095]
    const trackers = [
      new OffsetTracker({ position: FIRST }),
      ...lengths.slice(1).map((characters) => trackerWithMapOf(characters, characters)),
    ]
    let committed: { group: string; topic: string }
    beforeAll(async () => {
      committed = await commitAll(trackers)
    })

    testWithEach('are read back as they were written', async (read) => {
      const found = await read(committed.group, committed.topic)
      expect(found.map(({ metadata }) => metadata.length)).toEqual(lengths.map((length) => length + 1))
      expect(found.map(({ position, metadata }) => [position, metadata])).toEqual(
        trackers.map((tracker) => {
          const snapshot = tracker.snapshot()!
          return [snapshot.position, withNul(encodeCompletionMap(snapshot) as string)]
        }),
      )
      for (const [partition, { position, metadata }] of found.entries()) {
        const { frontier, unfinished } = trackers[partition]!.snapshot()!
        const decoded = decodeCompletionMap(metadata, { position: position! })
        if (lengths[partition] === 0) expect(decoded).toEqual({ kind: 'none' })
        else expect(decoded).toEqual({ kind: 'map', map: { position, frontier, unfinished } })
      }
    })
  })

  describe('full maps of 320 partitions, which share a megabyte', () => {
    const count = 320
    const share = maxCharactersFor({ partitionCount: count })
    // They differ, or one taken for another would not be noticed.
    const trackers = Array.from({ length: count }, (_, partition) => trackerWithMapOf(share, partition))
    let committed: { group: string; topic: string }
    beforeAll(async () => {
      committed = await commitAll(trackers)
    })

    testWithEach('are committed in one go, and read back', async (read) => {
      const found = await read(committed.group, committed.topic)
      expect(found.map(({ partition }) => partition)).toEqual(trackers.map((_, partition) => partition))
      const wrong = found.filter(({ partition, metadata }) => {
        const written = encodeCompletionMap(trackers[partition]!.snapshot()!) as string
        return written.length !== share || metadata !== withNul(written)
      })
      expect(wrong.map(({ partition, metadata }) => [partition, metadata.length])).toEqual([])
    })

    // The client commits all in one request when partitions go; ours are smaller.
    test('are taken in one request as well; half as long again, all of it is refused', async () => {
      const { group, topic } = { group: uniqueName('maps'), topic: committed.topic }
      const request = (characters: number) =>
        trackers.map((_, partition) => ({ partition, position: 1, metadata: '\u8000'.repeat(characters) }))
      const positions = async () =>
        new Set((await probe.committedOffsets(group, topic)).map(({ position }) => position))
      await expect(probe.commitOffsets(group, topic, request(Math.ceil(1.5 * share)))).rejects.toThrow()
      expect(await positions()).toEqual(new Set([null]))
      await probe.commitOffsets(group, topic, request(share))
      expect(await positions()).toEqual(new Set([1]))
    })
  })
})
