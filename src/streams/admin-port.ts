/** Topics and groups as an operator sees them: asked at a start, and by commands. No record passes here. */
import type { TopicDescription } from './broker-port.ts'

export interface NewTopic {
  readonly topic: string
  readonly partitions: number
  /** By the names that the brokers give them, such as `cleanup.policy`. */
  readonly settings: Readonly<Record<string, string>>
}

/** What exactly-once asks of a user's rights, beside the transactional id. */
export interface NeededRights {
  readonly groupId: string
  readonly read: readonly string[]
  readonly write: readonly string[]
  /** Topics that are not there yet. */
  readonly create: readonly NewTopic[]
}

export interface MissingRight {
  readonly right: 'Read' | 'Write' | 'Create'
  /** `topic orders`, `group billing`. */
  readonly on: string
}

export interface BrokerAdmin {
  /** Resolves when a broker answered. Rejects with a TroupeError that names the cause. */
  connect(): Promise<void>
  /**
   * False of brokers that take transactions and keep nothing of them: positions sent in one are not stored, and records
   * of an aborted one are read (librdkafka's mock, which the embedded broker is). Nobody may count on a transaction there.
   */
  keepsTransactions(): Promise<boolean>
  /**
   * Rejects with TRANSACTIONS_UNSUPPORTED where brokers do not look at the generation of the member whose positions are sent in a
   * transaction, as those before Kafka 2.5: a member that was given up would overwrite its successor. What they do not tell
   * counts as good.
   */
  verifyTransactions(): Promise<void>
  /** A topic that does not exist is absent. */
  describeTopics(topics: readonly string[]): Promise<ReadonlyMap<string, TopicDescription>>
  /** The settings of a topic that are asked for, as the brokers have them. null: these brokers do not tell. */
  topicSettings(topic: string, names: readonly string[]): Promise<ReadonlyMap<string, string> | null>
  /** With as many replicas as the brokers make by default. False: it was there. Rejects with TOPIC_NOT_ALLOWED where there is no right to. */
  createTopic(topic: NewTopic): Promise<boolean>
  /** Which of these this user has not, as far as brokers tell. Writes nothing and makes nothing. null: they do not tell at all. */
  missingRights(needed: NeededRights): Promise<readonly MissingRight[] | null>
  /** Resolves when they are gone; those that are not there count as gone. */
  deleteTopics(topics: readonly string[]): Promise<void>
  /** Ids of the group's members, as far as they live. */
  groupMembers(groupId: string): Promise<readonly string[]>
  /** Positions that the group has committed in these topics. */
  committedPositions(
    groupId: string,
    topics: readonly string[],
  ): Promise<readonly { readonly topic: string; readonly partition: number; readonly position: number }[]>
  /** Forgets what the group has committed. Rejects while members live. */
  deleteGroup(groupId: string): Promise<void>
  disconnect(): Promise<void>
}
