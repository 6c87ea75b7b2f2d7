/** What all clients of a fake broker share: topics, settings, faults, chance. */
import type { Clock } from '../../clock.ts'
import { TroupeError } from '../../errors.ts'
import type { RecordPlace, WriteResult } from '../../streams/broker-port.ts'
import { partitionName, type OutputRecord, type TopicPartition } from '../../streams/record.ts'
import type { Latency } from './fake-connection.ts'
import type { FakeBrokerEvent } from './fake-events.ts'
import { FakeFaults } from './fake-faults.ts'
import type { FakeLog } from '../fake-log.ts'
import { partitionOf } from '../murmur2.ts'
import type { Random } from '../random.ts'

export interface FakeClusterOptions {
  readonly clock: Clock
  readonly latencyMs: Latency
  readonly pollLatencyMs: Latency
  readonly strategy: 'cooperative-sticky' | 'eager'
  readonly commitIntervalMs: number
  readonly heartbeatIntervalMs: number
  readonly sessionTimeoutMs: number
  readonly maxPollIntervalMs: number
  readonly maxRunRecords: number
}

export class FakeCluster {
  readonly options: FakeClusterOptions
  readonly random: Random
  readonly faults: FakeFaults = new FakeFaults()
  readonly topics: Map<string, FakeLog[]> = new Map<string, FakeLog[]>()
  /** Of each topic that exists; no two topics ever have the same. */
  readonly topicIds: Map<string, string> = new Map<string, string>()
  /** Records that stand in no order of keys: their partition is drawn. */
  readonly #partitions: Random
  readonly observe: (event: FakeBrokerEvent) => void
  /** Clients that wait for records look again. */
  onAppended: (log: FakeLog) => void = () => undefined

  constructor(options: FakeClusterOptions, random: Random, observe: (event: FakeBrokerEvent) => void) {
    this.options = options
    this.random = random
    this.#partitions = random.fork('partitions')
    this.observe = observe
  }

  /** A producer's record. Durable (null), or refused for good (an Error). */
  appendOutput(client: string, record: OutputRecord, onPlaced?: (place: RecordPlace) => void): WriteResult {
    const reason = this.faults.refuseRecord(record)
    const refusal = reason === null ? this.#refusal(record) : new TroupeError('SINK_REFUSED', reason)
    if (refusal !== null) return refusal
    const { partition, offset, timestamp } = this.append(client, record).records.at(-1)!
    onPlaced?.({ partition, offset, timestamp })
    return null
  }

  /** Returns the place of the record. */
  append(client: string | null, record: OutputRecord): FakeLog {
    const { headers = [], key, timestamp = this.options.clock.wallNow(), value } = record
    const log = this.#logFor(record)
    log.append({ key, value, headers, timestamp })
    this.observe({ type: 'appended', client, record: log.records.at(-1)! })
    this.onAppended(log)
    return log
  }

  #logFor({ key, partition, topic }: OutputRecord): FakeLog {
    const logs = this.topics.get(topic)
    if (logs === undefined) throw new RangeError(`there is no topic ${topic}`)
    const chosen =
      partition ?? (key === null ? this.#partitions.integer(0, logs.length - 1) : partitionOf(key, logs.length))
    const log = logs[chosen]
    if (log === undefined) throw new RangeError(`topic ${topic} has no partition ${chosen}`)
    return log
  }

  #refusal({ headers = [], key, partition = 0, topic, value }: OutputRecord): TroupeError | null {
    const logs = this.topics.get(topic)
    if (logs === undefined) return new TroupeError('TOPIC_MISSING', `there is no topic ${topic}`)
    const log = logs[partition]
    if (log === undefined) return new TroupeError('SINK_REFUSED', `topic ${topic} has no partition ${partition}`)
    let size = (key?.byteLength ?? 0) + (value?.byteLength ?? 0)
    for (const [name, content] of headers) size += name.length + (content?.byteLength ?? 0)
    if (size <= log.maxRecordBytes) return null
    return new TroupeError('RECORD_TOO_LARGE', `a record of ${size} bytes is too large for topic ${topic}`)
  }
}

export function findLog(all: ReadonlyMap<string, readonly FakeLog[]>, of: TopicPartition): FakeLog {
  const log = all.get(of.topic)?.[of.partition]
  if (log === undefined) throw new TroupeError('TOPIC_MISSING', `there is no partition ${partitionName(of)}`)
  return log
}

/** Partitions of each topic that exists. */
export function countPartitions(
  all: ReadonlyMap<string, readonly FakeLog[]>,
  topics: readonly string[],
): ReadonlyMap<string, number> {
  return new Map(
    topics.flatMap((topic) => {
      const count = all.get(topic)?.length
      return count === undefined ? [] : [[topic, count] as const]
    }),
  )
}
