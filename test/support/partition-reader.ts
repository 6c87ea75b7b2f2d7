/** Reads one partition to its end, over transaction markers and compacted stretches. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Kafka } from 'kafkajs'
import { Batch, openCluster } from './kafkajs-internals.ts'
import type { Broker, Cluster, RawMessage } from './kafkajs-internals.ts'

export type Isolation = 'read_committed' | 'read_uncommitted'

/** A record as it stands in the log. Fits where a SourceRecord is wanted. */
export interface ReadRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  /** In the order kafkajs gives: repeats of a name stand together. */
  readonly headers: readonly (readonly [name: string, value: Buffer | null])[]
}

export interface PartitionRead {
  readonly records: ReadRecord[]
  /** Where to go on. */
  readonly position: number
}

const isolationLevels = { read_uncommitted: 0, read_committed: 1 }

/** From `from` (or the log's beginning) to the end as of the call. */
export async function readPartition(
  kafka: Kafka,
  { topic, partition }: { topic: string; partition: number },
  from: number | undefined,
  isolation: Isolation = 'read_committed',
  deadline = Infinity,
): Promise<PartitionRead> {
  const records: ReadRecord[] = []
  let position = from
  let end: number | undefined
  for (;;) {
    try {
      const cluster = await openCluster(kafka)
      await cluster.addTargetTopic(topic)
      position ??= await findEdge(cluster, topic, partition, isolation, true)
      end ??= await findEdge(cluster, topic, partition, isolation, false)
      if (position >= end) return { records, position }
      const fetched = await fetchFrom(cluster, topic, partition, position, isolation)
      for (const message of new Batch(topic, String(position), fetched).messages) {
        const offset = Number(message.offset)
        if (offset < end) records.push(toRecord(topic, partition, message))
      }
      const last = fetched.messages.at(-1)?.batchContext
      // No record at all below the end: what stood there was compacted away.
      const next = last === undefined ? end : Number(last.firstOffset) + last.lastOffsetDelta + 1
      position = Math.min(next, end)
    } catch (error) {
      // A leader on the move, or a broker that is down on purpose.
      if (Date.now() > deadline || (error as { retriable?: boolean }).retriable === false) throw error
      await sleep(100)
      await (await openCluster(kafka)).refreshMetadata().catch(() => {})
    }
  }
}

async function fetchFrom(cluster: Cluster, topic: string, partition: number, from: number, isolation: Isolation) {
  const broker = await findLeader(cluster, topic, partition)
  const maxBytes = 4 << 20
  const { responses } = await broker.fetch({
    isolationLevel: isolationLevels[isolation],
    maxWaitTime: 500,
    minBytes: 1,
    maxBytes,
    topics: [{ topic, partitions: [{ partition, fetchOffset: String(from), maxBytes, currentLeaderEpoch: -1 }] }],
  })
  const fetched = responses[0]?.partitions[0]
  if (fetched === undefined) throw new Error(`no answer for ${topic}/${partition}`)
  return fetched
}

async function findEdge(cluster: Cluster, topic: string, partition: number, isolation: Isolation, first: boolean) {
  const leader = await findLeader(cluster, topic, partition)
  const timestamp = first ? -2 : -1
  const request = {
    isolationLevel: isolationLevels[isolation],
    topics: [{ topic, partitions: [{ partition, timestamp }] }],
  }
  const { responses } = await leader.listOffsets(request)
  return Number(responses[0]?.partitions[0]?.offset)
}

async function findLeader(cluster: Cluster, topic: string, partition: number): Promise<Broker> {
  const [nodeId] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]))
  if (nodeId === undefined) throw new Error(`${topic}/${partition} has no leader`)
  return await cluster.findBroker({ nodeId })
}

function toRecord(topic: string, partition: number, message: RawMessage): ReadRecord {
  const headers = Object.entries(message.headers).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((each) => [name, each] as const),
  )
  const { key, value } = message
  return { topic, partition, offset: Number(message.offset), timestamp: Number(message.timestamp), key, value, headers }
}
