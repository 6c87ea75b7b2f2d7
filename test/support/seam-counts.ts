/**
 * Counts what crosses the engine's seams (broker port, sinks), where the engine cannot reach: what its own numbers have to
 * agree with. Knows nothing of how it counts.
 */
import type { Broker } from '../../src/streams/broker.ts'
import type { BrokerConsumer, BrokerProducer, CommitReport } from '../../src/streams/broker-port.ts'
import type { Sink } from '../../src/streams/delivery/sink.ts'
import { partitionName, type SourceRecord, type TopicPartition } from '../../src/streams/record.ts'

/** What was asked of one sink or producer, and what it said. */
export interface WriteCounts {
  /** Outputs that were given to it and not answered for. */
  open: number
  durable: number
  refused: number
  written: number
  unavailable: number
}

export class SeamCounts {
  readonly polled = new Map<string, SourceRecord[]>()
  readonly commits: Record<CommitReport['result'], number> = {
    accepted: 0,
    deferred: 0,
    fenced: 0,
    'too-large': 0,
    failed: 0,
  }
  readonly committed = new Map<string, number>()
  readonly troubles = new Map<string, number>()
  /** Answers to events that had partitions in them, by what they were. */
  readonly answers = { assign: 0, revoke: 0 }
  /** Partitions taken, each time. */
  starts = 0
  readonly assigned = new Set<string>()
  readonly paused = new Set<string>()
  readonly pauses = new Map<string, number>()
  readonly writes = new Map<string, WriteCounts>()
  mapBytes = 0

  broker(broker: Broker): Broker {
    return {
      consumer: () => this.#consumer(broker.consumer()),
      reader: (name) => broker.reader(name),
      transactionalProducer: (options) => broker.transactionalProducer(options),
      admin: () => broker.admin(),
      producer: (name) => this.#producer(broker.producer(name), name === 'outputs' ? 'kafka' : name),
    }
  }

  sink(sink: Sink, name: string): Sink {
    const counts = this.#countsOf(name)
    return {
      maxBatch: sink.maxBatch,
      open: (context) => sink.open(context),
      prepare: (destinations) => sink.prepare(destinations),
      write: (batch) => counted(counts, batch.length, () => sink.write(batch)),
      close: () => sink.close(),
    } satisfies Sink
  }

  polledOf(of: TopicPartition): readonly SourceRecord[] {
    return this.polled.get(partitionName(of)) ?? []
  }

  #countsOf(sink: string): WriteCounts {
    let counts = this.writes.get(sink)
    if (counts === undefined) {
      this.writes.set(sink, (counts = { open: 0, durable: 0, refused: 0, written: 0, unavailable: 0 }))
    }
    return counts
  }

  #producer(producer: BrokerProducer, sink: string): BrokerProducer {
    const counts = this.#countsOf(sink)
    return {
      connect: () => producer.connect(),
      write: (records) => counted(counts, records.length, () => producer.write(records)),
      partitionCounts: (topics) => producer.partitionCounts(topics),
      disconnect: () => producer.disconnect(),
    }
  }

  #consumer(consumer: BrokerConsumer): BrokerConsumer {
    return {
      connect: () => consumer.connect(),
      partitionCounts: (topics) => consumer.partitionCounts(topics),
      describeTopics: (topics) => consumer.describeTopics(topics),
      committed: (partitions) => consumer.committed(partitions),
      watermarks: (partition) => consumer.watermarks(partition),
      isAssignmentLost: () => consumer.isAssignmentLost(),
      disconnect: () => consumer.disconnect(),
      subscribe: (topics, events) => {
        consumer.subscribe(topics, {
          ...events,
          onCommit: (report) => {
            this.#noteReport(report)
            events.onCommit(report)
          },
          onTrouble: (trouble) => {
            addTo(this.troubles, trouble.code)
            events.onTrouble(trouble)
          },
          onRebalance: (event) => {
            events.onRebalance(event)
          },
          onEndOfPartition: (at) => {
            events.onEndOfPartition(at)
          },
        })
      },
      poll: async (maxRecords, timeoutMs) => {
        const records = await consumer.poll(maxRecords, timeoutMs)
        for (const record of records) {
          const name = partitionName(record)
          const known = this.polled.get(name)
          if (known === undefined) this.polled.set(name, [record])
          else known.push(record)
        }
        return records
      },
      assign: (eventId, starts) => {
        const isTaken = consumer.assign(eventId, starts)
        if (isTaken && starts.length > 0) this.answers.assign += 1
        if (isTaken) {
          this.starts += starts.length
          for (const start of starts) this.assigned.add(partitionName(start))
        }
        return isTaken
      },
      unassign: (eventId, partitions) => {
        const isTaken = consumer.unassign(eventId, partitions)
        if (isTaken && partitions.length > 0) this.answers.revoke += 1
        for (const partition of partitions) {
          this.assigned.delete(partitionName(partition))
          this.paused.delete(partitionName(partition))
        }
        return isTaken
      },
      storePositions: (positions) => {
        // Nine characters before the map say of which topic the position is.
        for (const { metadata } of positions) {
          const map = metadata.startsWith('T~2') ? metadata.slice(9) : metadata
          this.mapBytes += Buffer.byteLength(map)
        }
        return consumer.storePositions(positions)
      },
      pause: (partitions) => {
        for (const partition of partitions) {
          this.paused.add(partitionName(partition))
          addTo(this.pauses, partitionName(partition))
        }
        consumer.pause(partitions)
      },
      resume: (partitions) => {
        for (const partition of partitions) this.paused.delete(partitionName(partition))
        consumer.resume(partitions)
      },
    }
  }

  #noteReport({ positions, result }: CommitReport): void {
    this.commits[result] += 1
    if (result !== 'accepted') return
    for (const each of positions) {
      if (each.position !== undefined) this.committed.set(partitionName(each), each.position)
    }
  }
}

export function addTo(counts: Map<string, number>, name: string, count = 1): void {
  counts.set(name, (counts.get(name) ?? 0) + count)
}

async function counted<Result>(
  counts: WriteCounts,
  outputs: number,
  write: () => Promise<readonly Result[]>,
): Promise<readonly Result[]> {
  counts.open += outputs
  try {
    const results = await write()
    counts.written += 1
    for (const result of results) counts[result === null ? 'durable' : 'refused'] += 1
    return results
  } catch (error) {
    counts.unavailable += 1
    throw error
  } finally {
    counts.open -= outputs
  }
}
