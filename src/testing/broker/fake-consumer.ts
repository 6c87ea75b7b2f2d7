/**
 * A consumer of the fake broker. What surprises with the real client is the same here:
 *
 * - callbacks come from within `poll`, and only there;
 * - while a rebalance waits for the application's answer nothing is delivered, of no partition;
 * - stored positions are committed later, on an interval; giving a partition back commits by itself;
 * - a member that was expelled may go on reading and storing until it learns of it.
 */
import type { Clock } from '../../clock.ts'
import { TroupeError, type ErrorCode } from '../../errors.ts'
import type {
  BrokerConsumer,
  BrokerConsumerEvents,
  CommitReport,
  CommittedPosition,
  StartPosition,
  StoredPosition,
  Watermarks,
} from '../../streams/broker-port.ts'
import type { TopicDescription } from '../../streams/broker-port.ts'
import { type SourceRecord, type TopicPartition } from '../../streams/record.ts'
import type { FakeConnection, Latency } from './fake-connection.ts'
import { countPartitions, findLog } from './fake-cluster.ts'
import { FakeFetcher } from './fake-fetcher.ts'
import { FakePolls, type Served } from './fake-polls.ts'
import type { FakeFaults } from './fake-faults.ts'
import type { FakeGroup, GroupMember } from './fake-group.ts'
import type { FakeLog } from '../fake-log.ts'
import { FakeMembership } from './fake-membership.ts'
import type { FakeBrokerEvent } from './fake-events.ts'
import { FakePositions, type CommitAnswer } from './fake-positions.ts'
import type { Random } from '../random.ts'
import type { GroupConsumer } from './transactions/fake-transactional-producer.ts'

/** As the real client, which asks the same again while a transaction is open, and then gives up. */
const COMMITTED_RETRY_MS = 10
const COMMITTED_TIMEOUT_MS = 15_000

export interface FakeConsumerOptions {
  readonly name: string
  readonly process: object
  readonly instanceId: string | null
  readonly clock: Clock
  readonly random: Random
  readonly connection: FakeConnection
  readonly group: FakeGroup
  readonly faults: FakeFaults
  readonly strategy: 'cooperative-sticky' | 'eager'
  readonly commitIntervalMs: number
  readonly heartbeatIntervalMs: number
  readonly maxPollIntervalMs: number
  readonly maxRunRecords: number
  readonly pollLatencyMs: Latency
  readonly topics: ReadonlyMap<string, readonly FakeLog[]>
  readonly describeTopics: (topics: readonly string[]) => ReadonlyMap<string, TopicDescription>
  readonly observe: (event: FakeBrokerEvent) => void
  /** A static member ended: its group waits for it until its session is over. */
  readonly onSilent: (memberId: string) => void
  /** A step was reached at which this process may have to crash. */
  readonly onStep: (step: 'stored' | 'committed') => void
}

export class FakeConsumer implements BrokerConsumer, GroupConsumer {
  readonly #options: FakeConsumerOptions
  readonly #fetcher: FakeFetcher
  readonly #membership: FakeMembership
  readonly #positions: FakePositions
  #state: 'new' | 'connected' | 'ended' = 'new'
  #events: BrokerConsumerEvents | null = null
  #connecting: Promise<void> | null = null
  #ending: Promise<void> | null = null

  readonly #polls: FakePolls
  #polledAtMs = 0
  #cancelPollWatch: (() => void) | null = null
  /** Callbacks that wait for a poll. */
  readonly #callbacks: ((events: BrokerConsumerEvents) => void)[] = []

  constructor(options: FakeConsumerOptions) {
    this.#options = options
    const { clock, connection, group, heartbeatIntervalMs, instanceId, name, process, random, strategy } = options
    this.#fetcher = new FakeFetcher(random, options.maxRunRecords, (of) => options.faults.silentPartitions.has(of))
    this.#polls = new FakePolls({ ...options, serve: (maxRecords) => this.#serve(maxRecords) })
    this.#positions = this.#positionsOf(options)
    this.#membership = new FakeMembership({
      name,
      process,
      instanceId,
      group,
      strategy,
      send: (request) => {
        connection.request(request)
      },
      receive: (message) => {
        connection.tell(message)
      },
      atHeartbeat: (work) => {
        clock.after(random.integer(0, heartbeatIntervalMs), work)
      },
      tell: (event) => {
        this.#callBack((events) => {
          options.observe({ type: 'rebalance', client: name, event })
          events.onRebalance(event)
        })
      },
      commitOnTheWayOut: (partitions, then) => {
        this.#positions.giveBack(partitions, then)
      },
      onFenced: () => {
        this.#fetcher.unassignAll()
        this.#trouble('FENCED', 'another member with the same group.instance.id took over')
      },
    })
  }

  #positionsOf({
    clock,
    commitIntervalMs,
    connection,
    faults,
    group,
    name,
    onStep,
  }: FakeConsumerOptions): FakePositions {
    return new FakePositions({
      clock,
      connection,
      intervalMs: commitIntervalMs,
      memberId: () => this.#membership.memberId,
      commit: (memberId, positions) => {
        if (faults.areBrokersAway) return [{ result: 'failed', positions }]
        const answers = group.commit(name, memberId, positions)
        if (answers.some(({ result }) => result === 'accepted')) onStep('committed')
        return answers
      },
      onAnswer: (memberId, answer) => {
        this.#noteAnswer(memberId, answer)
      },
    })
  }

  connect(): Promise<void> {
    this.#connecting ??= this.#options.connection.ask(() => {
      if (this.#state === 'new') this.#state = 'connected'
    })
    return this.#connecting
  }

  partitionCounts(topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return this.#options.connection.ask(() => countPartitions(this.#options.topics, topics))
  }

  describeTopics(topics: readonly string[]): Promise<ReadonlyMap<string, TopicDescription>> {
    return this.#options.connection.ask(() => this.#options.describeTopics(topics))
  }

  subscribe(topics: readonly string[], events: BrokerConsumerEvents): void {
    this.#requireConnected()
    this.#events = events
    this.#polledAtMs = this.#options.clock.now()
    this.#membership.join(topics)
    this.#watchPolls()
  }

  // --- taking records

  poll(maxRecords: number, timeoutMs: number): Promise<readonly SourceRecord[]> {
    if (!this.#polls.isOutstanding) this.#polledAtMs = this.#options.clock.now()
    return this.#polls.poll(maxRecords, timeoutMs)
  }

  /** Something may have come for the poll under way. */
  wake(): void {
    this.#polls.wake()
  }

  reads(partition: TopicPartition): boolean {
    return this.#fetcher.has(partition)
  }

  #serve(maxRecords: number): Served {
    const hasCalledBack = this.#callbacks.length > 0
    if (this.#events !== null) for (const callback of this.#callbacks.splice(0)) callback(this.#events)
    const records = this.#take(maxRecords)
    // The real client returns early now and then when it served a callback.
    return { records, isEnd: this.#state === 'ended', mayReturnEarly: hasCalledBack }
  }

  #take(maxRecords: number): readonly SourceRecord[] {
    if (this.#membership.isAwaiting || this.#options.faults.areBrokersAway || this.#state === 'ended') return []
    // As the real client, which is told at once when its position is gone, and asks for ids now and then.
    this.#tellOutOfRange()
    this.#tellReplaced()
    this.#tellEnds()
    const records = this.#fetcher.take(maxRecords)
    // As with the real client, the end may be told before the records that lead to it are handed over.
    if (records.length > 0 && this.#options.random.chance(0.5)) this.#tellEnds()
    return records
  }

  /** The real client reads on in the new log for some seconds before this is noticed. */
  #tellReplaced(): void {
    for (const { topic, partition } of this.#fetcher.takeReplaced((of) => this.#options.topics.get(of.topic))) {
      const message = `topic ${topic} was deleted and made again`
      this.#events?.onTrouble({
        severity: 'fatal',
        code: 'TOPIC_REPLACED',
        message,
        partition: { topic, partition },
      })
    }
  }

  #tellOutOfRange(): void {
    for (const { high, low, partition, position, topic } of this.#fetcher.takeOutOfRange()) {
      const message = `position ${position} of ${topic}/${partition} is not in its log (${low} to ${high})`
      this.#events?.onTrouble({
        severity: 'fatal',
        code: 'OFFSET_OUT_OF_RANGE',
        message,
        partition: { topic, partition },
      })
    }
  }

  #tellEnds(): void {
    for (const end of this.#fetcher.takeEnds()) this.#events?.onEndOfPartition(end)
  }

  #callBack(callback: (events: BrokerConsumerEvents) => void): void {
    this.#callbacks.push(callback)
    this.wake()
  }

  /** An application that does not poll is given up: its client leaves the group. */
  #watchPolls(): void {
    const { clock, maxPollIntervalMs } = this.#options
    const dueMs = this.#polledAtMs + maxPollIntervalMs - clock.now()
    this.#cancelPollWatch = clock.after(Math.max(dueMs, 1), () => {
      // An outstanding poll is an application that waits for us.
      if (this.#polls.isOutstanding) this.#polledAtMs = clock.now()
      else if (clock.now() - this.#polledAtMs >= maxPollIntervalMs) this.#membership.giveUp()
      this.#watchPolls()
    })
  }

  // --- assignment

  assign(eventId: number, starts: readonly StartPosition[]): boolean {
    const answered = this.#membership.answer(eventId, 'assign')
    if (answered === null) return false
    if (this.#options.strategy === 'eager') {
      this.#positions.forget(this.#fetcher.names)
      this.#fetcher.unassignAll()
    }
    for (const start of starts) {
      const log = this.#options.topics.get(start.topic)?.[start.partition]
      if (log !== undefined) this.#fetcher.assign(start, log)
    }
    this.#options.observe({ type: 'assigned', client: this.#options.name, eventId, starts })
    answered.proceed()
    this.wake()
    return true
  }

  unassign(eventId: number, _partitions: readonly TopicPartition[]): boolean {
    const answered = this.#membership.answer(eventId, 'revoke')
    if (answered === null) return false
    const { partitions, lost } = answered.event
    for (const partition of partitions) this.#fetcher.unassign(partition)
    this.#options.observe({ type: 'unassigned', client: this.#options.name, eventId, partitions, lost })
    answered.proceed()
    this.wake()
    return true
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.#fetcher.setPaused(partition, true)
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.#fetcher.setPaused(partition, false)
    this.wake()
  }

  isAssignmentLost(): boolean {
    return this.#state === 'connected' && this.#membership.isLost
  }

  // --- positions

  storePositions(positions: readonly StoredPosition[]): readonly TopicPartition[] {
    const refused: TopicPartition[] = []
    const stored: StoredPosition[] = []
    for (const position of positions) {
      const { topic, partition } = position
      if (this.#state === 'connected' && this.#fetcher.has(position)) {
        stored.push(position)
      } else {
        refused.push({ topic, partition })
      }
    }
    if (stored.length > 0) {
      this.#positions.store(stored)
      this.#options.observe({ type: 'stored', client: this.#options.name, positions: stored })
      this.#options.onStep('stored')
    }
    return refused
  }

  #noteAnswer(memberId: string | null, { positions, result }: CommitAnswer): void {
    // The client learns from a refusal what its heartbeat would have told it.
    if (result === 'fenced' && memberId !== null) this.#membership.noteExpelled(memberId)
    const report: CommitReport = {
      positions: positions.map(({ topic, partition, position, metadata }) => {
        const about = { topic, partition, position }
        return result === 'too-large' ? { ...about, metadataLength: metadata.length } : about
      }),
      result,
      ...(result === 'accepted' ? {} : { reason: `the fake broker answered: ${result}` }),
    }
    this.#options.observe({ type: 'commit', client: this.#options.name, report, positions })
    if (this.#state === 'ended') this.#events?.onCommit(report)
    else {
      this.#callBack((events) => {
        events.onCommit(report)
      })
    }
  }

  async committed(partitions: readonly TopicPartition[]): Promise<readonly CommittedPosition[]> {
    const { clock, connection, group } = this.#options
    const untilMs = clock.now() + COMMITTED_TIMEOUT_MS
    for (;;) {
      const answer = await connection.ask(() => {
        if (partitions.some((partition) => group.isPending(partition))) return null
        return partitions.map(({ topic, partition }) => {
          const found = group.committed({ topic, partition })
          return { topic, partition, position: found?.position ?? null, metadata: found?.metadata ?? '' }
        })
      })
      if (answer !== null) return answer
      if (clock.now() >= untilMs) {
        const message = 'positions of a transaction that is still open hold back what is committed'
        throw new TroupeError('BROKER_UNREACHABLE', message)
      }
      await new Promise<void>((resolve) => {
        clock.after(COMMITTED_RETRY_MS, resolve)
      })
    }
  }

  membership(): { readonly group: FakeGroup; readonly member: GroupMember } | null {
    if (this.#state !== 'connected') return null
    const { generation, memberId } = this.#membership
    return { group: this.#options.group, member: { id: memberId, generation } }
  }

  watermarks(of: TopicPartition): Promise<Watermarks> {
    return this.#options.connection.ask(() => {
      const { low, stableEnd } = findLog(this.#options.topics, of)
      return { low, high: stableEnd }
    })
  }

  // --- the end

  disconnect(): Promise<void> {
    this.#ending ??= this.#disconnect()
    return this.#ending
  }

  async #disconnect(): Promise<void> {
    // A connection that is being made is waited for, and then ended.
    await this.#connecting?.catch(() => undefined)
    const wasConnected = this.#state === 'connected'
    this.#state = 'ended'
    this.#cancelPollWatch?.()
    this.wake()
    if (!wasConnected) return
    this.#membership.end()
    await new Promise<void>((resolve) => {
      this.#positions.end(resolve)
    })
    await this.#leave()
  }

  #leave(): Promise<void> {
    const { connection, group, instanceId, name, observe, onSilent } = this.#options
    return new Promise((resolve) => {
      connection.request(
        () => {
          const id = this.#membership.memberId
          if (id === null) return
          if (instanceId === null) group.leave(id)
          else onSilent(id)
        },
        () => {
          this.#fetcher.unassignAll()
          observe({ type: 'disconnected', client: name })
          resolve()
        },
      )
    })
  }

  #trouble(code: ErrorCode, message: string): void {
    this.#callBack((events) => {
      events.onTrouble({ severity: 'fatal', code, message })
    })
  }

  #requireConnected(): void {
    if (this.#state !== 'connected') throw new TroupeError('BROKER_UNREACHABLE', 'the consumer is not connected')
  }
}
