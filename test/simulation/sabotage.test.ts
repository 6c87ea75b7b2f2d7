/**
 * The simulation against engines that break the guarantee: each break has to be found within some
 * hundred worlds, by the checker that knows the promise. A net that catches nothing proves nothing.
 *
 * Most breaks change what passes between the engine and its broker; those that cannot be made there
 * change a method of the partition actor.
 */
import { afterEach, expect, test, vi } from 'vitest'
import { PartitionActor } from '../../src/actors/partition-actor.ts'
import {
  decodeCompletionMap,
  encodeCompletionMap,
  type CompletionSnapshot,
} from '../../src/streams/positions/completion-map.ts'
import { partitionName, type TopicPartition } from '../../src/streams/record.ts'
import type { BrokerConsumer, StoredPosition } from '../../src/streams/broker-port.ts'
import { breaks } from './sabotage.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

test('a position one too far', async () => {
  const found = await breaks('commitsAreTrue', {
    consumer: (inner) => ({
      storePositions: (positions) =>
        inner.storePositions(positions.map((each) => ({ ...each, position: each.position + 1, metadata: '' }))),
    }),
  })
  expect(found).toBe(true)
})

test('a write that counts as durable before it is', async () => {
  const found = await breaks('commitsAreTrue', {
    producer: (inner) => ({
      write: (records) => {
        inner.write(records).catch(() => undefined)
        return Promise.resolve(records.map(() => null))
      },
    }),
  })
  expect(found).toBe(true)
})

test('a sink that is away, taken for one that has written', async () => {
  const found = await breaks('commitsAreTrue', {
    producer: (inner) => ({
      write: (records) => inner.write(records).catch(() => records.map(() => null)),
    }),
  })
  expect(found).toBe(true)
})

test('a lane that goes on after a refused write, as if it had been made', async () => {
  const found = await breaks('commitsAreTrue', {
    producer: (inner) => ({
      write: async (records) => (await inner.write(records)).map(() => null),
    }),
  })
  expect(found).toBe(true)
})

test('a record that is never handed over', async () => {
  let count = 0
  const found = await breaks('nothingIsLost', {
    consumer: (inner) => ({
      poll: async (maxRecords, timeoutMs) =>
        (await inner.poll(maxRecords, timeoutMs)).filter(() => (count += 1) % 20 !== 0),
    }),
  })
  expect(found).toBe(true)
})

test('records that are handed over in another order', async () => {
  const found = await breaks('outputsAreOrdered', {
    producer: (inner) => ({
      write: async (records) => [...(await inner.write([...records].reverse()))].reverse(),
    }),
  })
  expect(found).toBe(true)
})

test('lost partitions taken for revoked ones', async () => {
  const found = await breaks('fencedWritesNothing', {
    consumer: (inner) => ({
      subscribe: (topics, events) => {
        inner.subscribe(topics, {
          ...bound(events),
          onRebalance: (event) => {
            events.onRebalance({ ...event, lost: false })
          },
          onCommit: (report) => {
            events.onCommit({ ...report, result: 'accepted' })
          },
        })
      },
    }),
  })
  expect(found).toBe(true)
})

test('partitions given back before they are drained', async () => {
  const found = await breaks('fencedWritesNothing', {
    consumer: (inner) => {
      let early: number | null = null
      return {
        subscribe: (topics, events) => {
          inner.subscribe(topics, {
            ...bound(events),
            onRebalance: (event) => {
              if (event.type === 'revoke' && inner.unassign(event.id, event.partitions)) early = event.id
              events.onRebalance(event)
            },
          })
        },
        unassign: (id, partitions) => id === early || inner.unassign(id, partitions),
      }
    },
  })
  expect(found).toBe(true)
})

test('an epoch that ends before its drain: every clean hand-over a replay', async () => {
  vi.spyOn(PartitionActor.prototype, 'drain').mockImplementation(function (this: PartitionActor) {
    this.fence()
    return Promise.resolve()
  })
  expect(await breaks('calmRepeatsNothing')).toBe(true)
})

test('partitions given back before their positions are stored', async () => {
  const found = await breaks('calmRepeatsNothing', {
    consumer: (inner) => {
      let isRevoking = false
      return {
        subscribe: (topics, events) => {
          inner.subscribe(topics, {
            ...bound(events),
            onRebalance: (event) => {
              isRevoking = event.type === 'revoke'
              events.onRebalance(event)
            },
          })
        },
        storePositions: (positions) => (isRevoking ? [] : inner.storePositions(positions)),
      }
    },
  })
  expect(found).toBe(true)
})

test('an unassign so late that it throws away the assignment which overtook it', async () => {
  const found = await breaks(
    'everythingEnds',
    {
      consumer: (inner) => {
        const late = new Map<string, TopicPartition>()
        return {
          unassign: (id, partitions) => {
            const isAnswered = inner.unassign(id, partitions)
            if (!isAnswered) for (const partition of partitions) late.set(partitionName(partition), partition)
            return isAnswered
          },
          assign: (id, starts) => {
            const isAnswered = inner.assign(id, starts)
            // As a client that owns nothing any more: no record of these comes, and nobody is told.
            inner.pause(starts.filter((start) => late.delete(partitionName(start))))
            return isAnswered
          },
        }
      },
    },
    ({ strategy, timetable }) =>
      strategy === 'eager' && timetable.some(({ action }) => action.type === 'add-partition'),
  )
  expect(found).toBe(true)
})

test('an epoch that nobody heeds', async () => {
  vi.spyOn(PartitionActor.prototype, 'isFenced', 'get').mockReturnValue(false)
  expect(await breaks('fencedWritesNothing')).toBe(true)
})

test('a completion map of another snapshot than its position', async () => {
  const found = await breaks('commitsAreTrue', {
    consumer: (inner) => {
      const before = new Map<string, CompletionSnapshot>()
      return {
        storePositions: (positions) =>
          inner.storePositions(
            positions.map((each) => {
              const name = partitionName(each)
              const now = snapshotOf(each)
              // What is unfinished as of the store before: a record that began since counts as finished.
              const unfinished = (before.get(name) ?? now).unfinished.map((end) => Math.max(end, now.position))
              before.set(name, now)
              const encoded = encodeCompletionMap({ ...now, unfinished: withoutEmpty(unfinished) })
              return { ...each, metadata: typeof encoded === 'string' ? encoded : '' }
            }),
          ),
      }
    },
  })
  expect(found).toBe(true)
})

function snapshotOf({ metadata, position }: StoredPosition): CompletionSnapshot {
  const decoded = decodeCompletionMap(metadata, { position })
  return decoded.kind === 'map' ? decoded.map : { position, frontier: position, unfinished: new Float64Array() }
}

/** Runs `from, to, …` without those that hold nothing. */
function withoutEmpty(runs: Float64Array): Float64Array {
  return runs.filter((_, at) => runs[at - (at % 2)]! < runs[at - (at % 2) + 1]!)
}

test('a completion map that is thrown away', async () => {
  const found = await breaks('finishedIsSkipped', {
    consumer: (inner) => ({
      committed: async (partitions) => (await inner.committed(partitions)).map((each) => ({ ...each, metadata: '' })),
    }),
  })
  expect(found).toBe(true)
})

test('a pause that never ends', async () => {
  expect(await breaks('everythingEnds', { consumer: () => ({ resume: () => undefined }) })).toBe(true)
})

type Events = Parameters<BrokerConsumer['subscribe']>[1]

function bound(events: Events): Events {
  return {
    onRebalance: (event) => {
      events.onRebalance(event)
    },
    onCommit: (report) => {
      events.onCommit(report)
    },
    onTrouble: (trouble) => {
      events.onTrouble(trouble)
    },
    onEndOfPartition: (at) => {
      events.onEndOfPartition(at)
    },
  }
}
