/**
 * The real Kafka that integration suites share: one broker for the whole run, started by integration-setup.ts.
 * Suites say `describe.skipIf(!kafkaIsAvailable)`, and use topics and groups of their own (`uniqueName`).
 */
import { afterAll, inject } from 'vitest'
import { KafkaProbe } from './kafka-probe.ts'
import type { CommittedOffset, GroupMember, NewRecord, ReadOptions, ReadRecord } from './kafka-probe.ts'

export { KafkaProbe, headerText, uniqueName } from './kafka-probe.ts'
export type { CommittedOffset, GroupMember, NewRecord, ReadOptions, ReadRecord } from './kafka-probe.ts'
export { startKafka } from '../../scripts/kafka-cluster.mjs'
export type { KafkaCluster } from '../../scripts/kafka-cluster.mjs'

declare module 'vitest' {
  interface ProvidedContext {
    /** Absent outside the integration project, empty where there is no Kafka. */
    kafkaBootstrapServers?: string
  }
}

/** Comma-separated; empty when there is no Kafka. */
export const bootstrapServers = inject('kafkaBootstrapServers') ?? process.env['TEST_KAFKA_BROKERS'] ?? ''

export const kafkaIsAvailable = bootstrapServers !== ''

const probe = new KafkaProbe(bootstrapServers)
afterAll(() => probe.close())

export function createTopic(name: string, partitions: number, config?: Record<string, string>): Promise<void> {
  return probe.createTopic(name, partitions, config)
}

/** Appends the records in the order given, partitioned as Java's clients do. */
export function produceAll(topic: string, records: readonly NewRecord[]): Promise<void> {
  return probe.produceAll(topic, records)
}

/** Reads from the beginning to the ends as of the call (or `until` a count); sorted by partition and offset. */
export function readAll(topic: string, options?: ReadOptions): Promise<ReadRecord[]> {
  return probe.readAll(topic, options)
}

export function committedOffsets(group: string, topic: string): Promise<CommittedOffset[]> {
  return probe.committedOffsets(group, topic)
}

export function groupMembers(group: string): Promise<GroupMember[]> {
  return probe.groupMembers(group)
}
