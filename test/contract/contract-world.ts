/** What the contract suite needs of a broker's surroundings, and a member of a group that tests can watch. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Broker } from '../../src/streams/broker.ts'
import type {
  BrokerConsumer,
  BrokerTrouble,
  CommitReport,
  RebalanceEvent,
  StartPosition,
} from '../../src/streams/broker-port.ts'
import type { OutputRecord, RecordHeader, SourceRecord, TopicPartition } from '../../src/streams/record.ts'
import { partitionName } from '../../src/streams/record.ts'

/** A record as somebody else finds it in the log. */
export interface LoggedRecord {
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
}

export interface OpenTransaction {
  commit(): Promise<void>
  abort(): Promise<void>
}

export interface BrokerWorld {
  /** Clients of one process that belongs to the group. Commits every 100 ms or so. */
  broker(groupId: string): Broker
  /** A name nobody else uses. */
  uniqueName(prefix: string): string
  createTopic(name: string, partitions: number, config?: Readonly<Record<string, string>>): Promise<void>
  /** All topics have this many partitions, whatever is asked for. */
  readonly partitions?: number
  /** Appends to the log as somebody else would; each record names its partition. */
  append(topic: string, records: readonly (OutputRecord & { readonly partition: number })[]): Promise<void>
  /** A transaction of somebody else's, with one record for each value, in partition 0. Absent where none are kept. */
  readonly beginTransaction?: (topic: string, values: readonly string[]) => Promise<OpenTransaction>
  /** The group goes on without its members, who find out by themselves. Absent where nobody can do that to them. */
  readonly expelMembers?: (groupId: string) => Promise<void>
  /** All committed records of a topic, by partition and offset, as somebody else reads them. */
  read(topic: string): Promise<readonly LoggedRecord[]>
  /** Abilities that not every world has. */
  readonly has: {
    /** Brokers tell the ids of topics. */
    readonly topicIds: boolean
    /** Records too large for the topic are refused. */
    readonly topicLimits: boolean
    /** Revokes name only what moves (cooperative-sticky or KIP-848). */
    readonly incrementalRebalance: boolean
    /** Commits made while a revoke waits for its answer are accepted. */
    readonly commitsInHold: boolean
    /** Header values of null stay null when written. */
    readonly nullHeaders: boolean
    /** Reports of what was written tell the time that the log has; librdkafka's mock says 1234 of all. */
    readonly reportedTimes: boolean
  }
  end(): Promise<void>
}

type Start = (partition: TopicPartition) => StartPosition['position']

/** One member of a group: polls all the time, answers rebalance events by itself unless told to hold them. */
export class Member {
  readonly consumer: BrokerConsumer
  readonly records: SourceRecord[] = []
  readonly events: RebalanceEvent[] = []
  readonly commits: CommitReport[] = []
  readonly ends: (TopicPartition & { readonly position: number })[] = []
  readonly troubles: BrokerTrouble[] = []
  readonly assigned = new Map<string, TopicPartition>()
  /** Events of these types wait for `answer`. */
  readonly held = new Set<RebalanceEvent['type']>()
  /** Where partitions begin. */
  start: Start = () => 'earliest'
  /** At most this many records per poll; 0 takes none. */
  takes = 500
  /** The most records that one poll brought. */
  mostTaken = 0
  /** Polls that have ended. */
  polls = 0
  /** Runs before a revoke is answered. */
  onRevoke: (event: RebalanceEvent) => void = () => undefined
  #unanswered: RebalanceEvent[] = []
  #polling: Promise<void> | undefined
  #isStopped = false

  constructor(broker: Broker) {
    this.consumer = broker.consumer()
  }

  static async join(broker: Broker, topics: readonly string[], change?: (member: Member) => void): Promise<Member> {
    const member = new Member(broker)
    change?.(member)
    await member.consumer.connect()
    member.consumer.subscribe(topics, {
      onRebalance: (event) => {
        member.events.push(event)
        member.#unanswered.push(event)
      },
      onCommit: (report) => member.commits.push(report),
      onTrouble: (trouble) => member.troubles.push(trouble),
      onEndOfPartition: (at) => member.ends.push(at),
    })
    member.#polling = member.#poll()
    return member
  }

  async #poll(): Promise<void> {
    while (!this.#isStopped) {
      for (const event of this.#unanswered.filter(({ type }) => !this.held.has(type))) this.answer(event)
      const taken = await this.consumer.poll(this.takes, 50)
      this.records.push(...taken)
      this.polls += 1
      this.mostTaken = Math.max(this.mostTaken, taken.length)
      // A consumer that answers at once without records must not starve the others of this process.
      await new Promise(setImmediate)
    }
  }

  /** Answers an event as the engine would. Returns what `assign` or `unassign` said. */
  answer(event: RebalanceEvent): boolean {
    this.#unanswered = this.#unanswered.filter((each) => each !== event)
    if (event.type === 'assign') {
      const done = this.consumer.assign(
        event.id,
        event.partitions.map((each) => ({ ...each, position: this.start(each) })),
      )
      if (done) for (const each of event.partitions) this.assigned.set(partitionName(each), each)
      return done
    }
    this.onRevoke(event)
    const done = this.consumer.unassign(event.id, event.partitions)
    if (done) for (const each of event.partitions) this.assigned.delete(partitionName(each))
    return done
  }

  /** Resolves when a poll has begun and ended that takes what may be taken from now on. */
  async nextPoll(): Promise<void> {
    const before = this.polls
    await until('two polls', () => this.polls >= before + 2)
  }

  /** Stores the position after the last record received of each partition. */
  storeAll(metadata = ''): readonly TopicPartition[] {
    const last = new Map(this.records.map((record) => [partitionName(record), record]))
    return this.consumer.storePositions(
      [...last.values()].map(({ topic, partition, offset }) => ({ topic, partition, position: offset + 1, metadata })),
    )
  }

  valuesOf(partition: number): string[] {
    return this.records.filter((record) => record.partition === partition).map((record) => textOf(record.value))
  }

  /** Stops polling without leaving. */
  async stopPolling(): Promise<void> {
    this.#isStopped = true
    await this.#polling
  }

  /** Leaves the group in order. */
  async leave(): Promise<void> {
    await this.stopPolling()
    await this.consumer.disconnect()
  }
}

export function textOf(bytes: Uint8Array | null): string {
  return bytes === null ? 'null' : Buffer.from(bytes).toString('utf8')
}

export function bytesOf(text: string): Uint8Array {
  return Buffer.from(text)
}

/** `count` records of one partition with values `prefix0`, `prefix1`, … */
export function numbered(partition: number, count: number, prefix = 'v'): (OutputRecord & { partition: number })[] {
  return Array.from({ length: count }, (_, i) => ({
    topic: '',
    partition,
    key: bytesOf(`k${i % 7}`),
    value: bytesOf(`${prefix}${i}`),
  }))
}

/** Waits until `condition` holds; fails with `what` after `timeoutMs`. */
export async function until(what: string, condition: () => boolean, timeoutMs = 120_000): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not so after ${timeoutMs} ms: ${what}`)
    await sleep(10)
  }
}
