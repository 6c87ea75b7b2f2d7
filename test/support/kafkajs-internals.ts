/**
 * What lies below kafkajs' public interface (2.2.4, no longer changing) and is used here: single requests to single
 * brokers. Its public consumer must join a group and never says when it has passed transaction markers or compacted
 * records, and it knows nothing of the newer group protocol.
 */
import { createRequire } from 'node:module'
import type { Kafka } from 'kafkajs'

export interface Cluster {
  connect(): Promise<void>
  disconnect(): Promise<void>
  addTargetTopic(topic: string): Promise<void>
  refreshMetadata(): Promise<void>
  findLeaderForPartitions(topic: string, partitions: number[]): Record<string, number[]>
  findBroker(of: { nodeId: string }): Promise<Broker>
  findGroupCoordinator(of: { groupId: string }): Promise<Broker>
}

export interface Broker {
  fetch(request: object): Promise<{ responses: { partitions: FetchedPartition[] }[] }>
  offsetCommit(request: object): Promise<unknown>
  listOffsets(request: object): Promise<{ responses: { partitions: { offset: string }[] }[] }>
  readonly connectionPool: { send(exchange: object): Promise<unknown> }
}

export interface FetchedPartition {
  messages: RawMessage[]
  highWatermark: string
}

export interface RawMessage {
  offset: string
  timestamp: string
  key: Buffer | null
  value: Buffer | null
  headers: Record<string, Buffer | null | (Buffer | null)[]>
  batchContext: { firstOffset: string; lastOffsetDelta: number }
}

export interface Decoder {
  readInt8(): number
  readInt16(): number
  readInt32(): number
  readBytes(length: number): Buffer
  readBoolean(): boolean
  readUVarIntString(): string | null
  readUVarIntArray<Item>(read: (decoder: Decoder) => Item): Item[] | null
  readTaggedFields(): unknown
}

export interface Encoder {
  writeBoolean(value: boolean): Encoder
  writeUVarIntString(value: string): Encoder
  writeUVarIntArray(items: Encoder[]): Encoder
  /** Without an argument: one zero byte, which is also how "no tagged fields" is written. */
  writeUVarIntBytes(): Encoder
}

const require = createRequire(import.meta.url)

/** Drops control records and aborted ones. */
export const Batch = require('kafkajs/src/consumer/batch') as new (
  topic: string,
  from: string,
  data: FetchedPartition,
) => { messages: RawMessage[] }
export const Decoder = require('kafkajs/src/protocol/decoder') as new (data: Buffer) => Decoder
export const Encoder = require('kafkajs/src/protocol/encoder') as new () => Encoder

const clusters = new WeakMap<Kafka, Promise<Cluster>>()

/** The connections behind a Kafka object, opened once. */
export async function openCluster(kafka: Kafka): Promise<Cluster> {
  const known = clusters.get(kafka)
  if (known !== undefined) return await known
  const opened = connectCluster(kafka)
  clusters.set(kafka, opened)
  opened.catch(() => clusters.delete(kafka))
  return await opened
}

export async function closeCluster(kafka: Kafka): Promise<void> {
  const cluster = await clusters.get(kafka)
  clusters.delete(kafka)
  await cluster?.disconnect()
}

async function connectCluster(kafka: Kafka): Promise<Cluster> {
  const internals = kafka as unknown as Record<symbol, (options: object) => Cluster>
  const name = Object.getOwnPropertySymbols(kafka).find((each) => each.description === 'private:Kafka:createCluster')
  if (name === undefined) throw new Error('this kafkajs has another inside: see test/support/kafkajs-internals.ts')
  const cluster = internals[name]!({ metadataMaxAge: 60_000, allowAutoTopicCreation: false })
  await cluster.connect()
  return cluster
}
