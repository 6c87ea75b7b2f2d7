/**
 * All that Troupe asks of Kafka while records flow: one consumer in a group, producers, and readers that belong to no
 * group. `broker.ts` makes them; `transaction-port.ts` and `admin-port.ts` have the rest.
 * `kafka/broker.ts` is the real one, `troupe/testing` has a fake; one contract suite runs against both.
 *
 * Nothing here decides anything: partitions are taken and given back only by `assign` and
 * `unassign`, offsets are stored only by `storePositions`.
 */
import type { ErrorCode } from '../errors.ts'
import type { OutputRecord, SourceRecord, TopicPartition } from './record.ts'

/** The group coordinator wants partitions taken or given back. Every event has to be answered, once, by `assign` or `unassign`. */
export interface RebalanceEvent {
  /** Grows with each event. An answer that carries an older id than the newest event is ignored (parked-revoke guard). */
  readonly id: number
  readonly type: 'assign' | 'revoke'
  readonly partitions: readonly TopicPartition[]
  /** Only on revoke: the partitions belong to somebody else already; nothing may be stored any more. */
  readonly lost: boolean
}

/** Where to begin reading a partition. */
export interface StartPosition extends TopicPartition {
  readonly position: number | 'earliest' | 'latest'
}

/** What the group's last accepted commit says of a partition. */
export interface CommittedPosition extends TopicPartition {
  /** null: nothing is committed. */
  readonly position: number | null
  readonly metadata: string
}

/** A position to be committed, with the completion map that belongs to it. */
export interface StoredPosition extends TopicPartition {
  readonly position: number
  readonly metadata: string
}

/** The broker's answer to a commit that the client made of stored positions. */
export interface CommitReport {
  /** `position` is what exactly this request committed; `metadataLength`, in characters, what `too-large` refused. */
  readonly positions: readonly (TopicPartition & { readonly position?: number; readonly metadataLength?: number })[]
  /**
   * - `accepted`  all of them stand.
   * - `deferred`  refused because the group is rebalancing; they are committed again by themselves.
   * - `fenced`    this member is not in the group any more (unknown member, fenced instance or epoch).
   * - `too-large` the broker refuses the metadata's length (error 12) of these very positions, which are committed
   *   again by themselves, without it; those of the same commit that fit are reported apart, as accepted.
   * - `failed`    anything else; they are committed again by themselves.
   */
  readonly result: 'accepted' | 'deferred' | 'fenced' | 'too-large' | 'failed'
  readonly reason?: string
}

export interface Watermarks {
  /** The log's first offset. */
  readonly low: number
  /** The position after the last record: for a consumer the last that it may see, for a reader the very last. */
  readonly high: number
}

export interface BrokerConsumerEvents {
  /** Called from within `poll`. Must only take note: the answer comes later, by `assign` or `unassign`. */
  onRebalance(event: RebalanceEvent): void
  onCommit(report: CommitReport): void
  /** A condition worth an operator's attention: brokers away, no right to read, unknown topic. Debounced by the port. */
  onTrouble(trouble: BrokerTrouble): void
  /** The end of a partition's log was reached; `position` is past trailing transaction markers. */
  onEndOfPartition(at: TopicPartition & { readonly position: number }): void
}

export interface BrokerTrouble {
  /** `fatal`: this consumer will never read again (fenced instance id, no right); the supervisor ends. */
  readonly severity: 'warning' | 'fatal'
  readonly code: ErrorCode
  readonly message: string
  /** The partition it is about, when it is about one. */
  readonly partition?: TopicPartition
}

/** What the brokers say of a topic. */
export interface TopicDescription {
  /** null: these brokers do not tell. */
  readonly id: string | null
  readonly partitions: number
}

export interface BrokerConsumer {
  /** Resolves when a broker answered. Rejects with a TroupeError that names the cause (wrong password, wrong CA, nobody listening, …). */
  connect(): Promise<void>
  /** Number of partitions of each topic; a topic that does not exist is absent from the map. */
  partitionCounts(topics: readonly string[]): Promise<ReadonlyMap<string, number>>
  /**
   * What each topic is: its id, which another topic of the same name does not have, and its partitions. A topic
   * that does not exist is absent. A topic that is deleted and made again while partitions of it are assigned is
   * told of as trouble, TOPIC_REPLACED, within some seconds; not where brokers do not tell ids.
   */
  describeTopics(topics: readonly string[]): Promise<ReadonlyMap<string, TopicDescription>>
  /** Joins the group. Rebalance events come from then on, from within `poll`. */
  subscribe(topics: readonly string[], events: BrokerConsumerEvents): void
  /**
   * Waits for records at most `timeoutMs`, then takes what is there, at most `maxRecords`. Also
   * serves callbacks and keeps the member alive, so it is called even when nothing may be taken
   * (`maxRecords` 0), at least once a second. Returns early, with nothing, when a rebalance event
   * came. At most one call is outstanding. Rejects only for what cannot pass by itself.
   *
   * Records of a partition never come after `unassign` or a new `assign` of it. Taking nothing for
   * longer than a second makes the client drop what it fetched ahead, and fetch it again later.
   */
  poll(maxRecords: number, timeoutMs: number): Promise<readonly SourceRecord[]>
  /** Asks the broker, so it is the proof of a commit. */
  committed(partitions: readonly TopicPartition[]): Promise<readonly CommittedPosition[]>
  /** `high` is where all that may be read ends, the last stable offset: below it no transaction is open. */
  watermarks(partition: TopicPartition): Promise<Watermarks>
  /** Answers an assign event. `starts` may be empty. False: the event is stale and nothing was done. */
  assign(eventId: number, starts: readonly StartPosition[]): boolean
  /** Answers a revoke event; what was stored is committed by the client on the way. False: stale, nothing done. */
  unassign(eventId: number, partitions: readonly TopicPartition[]): boolean
  /** Takes note of positions for the next commit. Returns the partitions it refused (not ours any more). Never throws for those. */
  storePositions(positions: readonly StoredPosition[]): readonly TopicPartition[]
  pause(partitions: readonly TopicPartition[]): void
  resume(partitions: readonly TopicPartition[]): void
  /** True when the client knows that its assignment belongs to others by now. */
  isAssignmentLost(): boolean
  /**
   * Commits what is stored, leaves the group, ends. Answers a last revoke by itself. Idempotent. Resolves within
   * 15 s, also when no broker answers: the session time-out then ends the member.
   */
  disconnect(): Promise<void>
}

/**
 * Reads partitions that it is told to, in no group: nobody else's partitions move because of it, and it commits
 * nothing. Records of transactions that were aborted, or are still open, are not handed over.
 *
 * Whoever wants to know when all is read asks `watermarks` first and reads until `position` is there. Counting
 * records would not do: compaction, markers and aborted transactions leave offsets without any.
 */
export interface BrokerReader {
  /** As the consumer's. */
  connect(): Promise<void>
  /** Reads these from now on, and nothing else. Records of what was assigned before never come after it. */
  assign(starts: readonly StartPosition[]): void
  /** Reads these as well; what is fetched of the others stays. A partition that is read already begins anew. */
  follow(starts: readonly StartPosition[]): void
  /** Reads these no more: no record of them comes after it. */
  unfollow(partitions: readonly TopicPartition[]): void
  /** As the consumer's: until `resume`, or until it begins anew, nothing more of these comes. */
  pause(partitions: readonly TopicPartition[]): void
  resume(partitions: readonly TopicPartition[]): void
  /**
   * Waits for records at most `timeoutMs`, then takes what is there, at most `maxRecords` (one or more: there is no
   * membership to keep alive, so who wants nothing does not poll). At most one call is outstanding. Returns nothing
   * while no broker answers; rejects with a TroupeError for what cannot pass by itself: a position that is not in
   * its log, no right, a topic that went away. The partition concerned brings nothing until it is assigned anew.
   */
  poll(maxRecords: number, timeoutMs: number): Promise<readonly SourceRecord[]>
  /** Asks the broker. `high` is the high watermark, so records of open transactions count. Rejects with TOPIC_MISSING when there is no such partition. */
  watermarks(partition: TopicPartition): Promise<Watermarks>
  /**
   * Where reading stands: behind all that polls have returned, and at the end of what may be read also behind the
   * aborted records and markers there. An open transaction holds it at its first record. null: unknown
   * yet (nothing was read from `earliest` or `latest`), or not assigned.
   */
  position(partition: TopicPartition): number | null
  /** Ends polls, now and from now on. Idempotent. Resolves within 15 s, also when no broker answers. */
  disconnect(): Promise<void>
}

/** What became of one output: `null` is durable, an Error says why the broker refused this very record. */
export type WriteResult = Error | null

/** Of a batch that took too long in one go: `again` is not known to be durable, and has to be given again, before anything else. */
export type WriteAnswer = WriteResult | 'again'

/** Where a record stands that is durable, as far as its broker has said. */
export interface RecordPlace {
  readonly partition: number
  /** Absent where the brokers had the record already, from a try that they have answered twice. */
  readonly offset?: number
  /** Milliseconds since the Unix epoch: the record's own, or the broker's where the topic is set to that. */
  readonly timestamp?: number
}

export interface BrokerProducer {
  connect(): Promise<void>
  /**
   * Resolves when each record is durable or refused for good (unknown topic, too large, no right),
   * in the order given. Where that takes long, resolves with what is known by then: what is marked `again` has to be
   * given again, in its order and before anything else. Rejects with a SINK_UNAVAILABLE TroupeError when that is all
   * of it. At most one call is outstanding.
   *
   * `onPlaced` is told of each record that has become durable, by its index, before the promise resolves: it costs some
   * microseconds a record, so only who wants to know gives it.
   */
  write(
    records: readonly OutputRecord[],
    onPlaced?: (index: number, place: RecordPlace) => void,
  ): Promise<readonly WriteAnswer[]>
  /** Number of partitions of each topic; a topic that does not exist is absent. */
  partitionCounts(topics: readonly string[]): Promise<ReadonlyMap<string, number>>
  disconnect(): Promise<void>
}
