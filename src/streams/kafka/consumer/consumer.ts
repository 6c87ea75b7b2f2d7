/** The consumer of the broker port on the native client: its life, its events, and who does the rest. */
import { sleepInBackground } from '../../../clock.ts'
import { TroupeError } from '../../../errors.ts'
import type {
  BrokerConsumer,
  BrokerConsumerEvents,
  BrokerTrouble,
  CommittedPosition,
  StartPosition,
  StoredPosition,
  Watermarks,
  TopicDescription,
} from '../../broker-port.ts'
import { OpenWaits } from '../../../metrics/open-waits.ts'
import { ClientPartitions } from './client-partitions.ts'
import type { KafkaBrokerOptions } from '../broker-options.ts'
import { consumerConfig } from '../client-config.ts'
import { CommitQueue } from './commits.ts'
import { codeOf, configurationError, connectClient, countPartitions, messageOf } from '../connection.ts'
import { consumeTrouble, fatalTrouble, isExpelledLog } from './consumer-errors.ts'
import { RecordPolls } from './record-polls.ts'
import { checkMetadata, fetchCommitted, fetchWatermarks, mayBeUnstable } from './position-queries.ts'
import type { NativeConsumer, NativeError, NativeKafka, NativeTopicPartition } from '../native.ts'
import { PositionsOutOfLog } from './positions-out-of-log.ts'
import { TopicWatch } from './topic-watch.ts'
import { ClientLog, Debounce, troubleOf } from '../trouble.ts'
import { TransactionError } from '../../transaction-port.ts'
import type { SourceRecord, TopicPartition } from '../../record.ts'
import { partitionName } from '../../record.ts'

const ASSIGN_PARTITIONS = -175
const REVOKE_PARTITIONS = -174
const NO_OFFSET = -168
const POSITION_OUT_OF_RANGE = -140
const UNKNOWN_TOPIC = 3

const REQUEST_TIMEOUT_MS = 15_000
const CONNECT_TIMEOUT_MS = 15_000
/** Longer than the default time-out of a transaction and the brokers' look at it together. One that is longer is waited for again. */
const UNSTABLE_TIMEOUT_MS = 60_000
/** A revoke, or the end, waits at most this long for the last commit. */
const LAST_COMMIT_TIMEOUT_MS = 5000
/** While brokers are away, whether they are back is asked this often. */
const ASK_AGAIN_MS = 1000
/** Asked so often with brokers there, a report that has not come is lost: the client gives a commit up in half of that. */
const MAX_ASKED_FOR_REPORT = 120
/** The client takes some ten milliseconds to leave the group. */
const CLOSE_TIMEOUT_MS = 10_000
/** All of that together, some calls' own time included, takes less than the 15 s that the port promises. */
const DISCONNECT_TIMEOUT_MS = 14_000

const nothingTaken: readonly SourceRecord[] = Object.freeze([])

export class KafkaBrokerConsumer implements BrokerConsumer {
  readonly #options: KafkaBrokerOptions
  readonly #waits: OpenWaits
  readonly #config: Readonly<Record<string, unknown>>
  readonly #client: NativeConsumer
  readonly #partitions: ClientPartitions
  readonly #commits: CommitQueue
  readonly #polls: RecordPolls
  readonly #positions: PositionsOutOfLog
  readonly #topics: TopicWatch
  readonly #debounce = new Debounce()
  #state: 'new' | 'connecting' | 'connected' | 'disconnecting' | 'ended' = 'new'
  #events: BrokerConsumerEvents | undefined
  #connecting: Promise<void> | undefined
  readonly #leaving = new AbortController()
  #ending: Promise<void> | undefined
  /** The client says that the group has given us up; it tells of a revoke only when that was not asked for before. */
  #isExpelled = false
  #isPolling = false
  #memberCalls: Promise<unknown> = Promise.resolve()

  constructor(native: NativeKafka, options: KafkaBrokerOptions) {
    this.#options = options
    this.#waits = options.waits ?? new OpenWaits()
    this.#config = consumerConfig(options)
    this.#client = this.#makeClient(native)
    this.#commits = new CommitQueue({
      clock: options.clock,
      intervalMs: options.commitIntervalMs,
      waits: this.#waits,
      commit: (positions) => this.#client.commit(positions),
      onReport: (report) => this.#events?.onCommit(report),
    })
    this.#topics = new TopicWatch({
      clock: options.clock,
      waits: this.#waits,
      admin: () => native.AdminClient.createFrom(this.#client),
      count: (topics) => this.partitionCounts(topics),
      onReplaced: (partition, message) =>
        this.#tellTrouble({ severity: 'fatal', code: 'TOPIC_REPLACED', message, partition }),
    })
    this.#partitions = new ClientPartitions({
      client: this.#client,
      settle: (names) => this.#settle(names),
      onForgotten: (names) => {
        this.#commits.forget(names)
        this.#topics.forget(names)
      },
      onProblem: (message) => this.#tellTrouble({ severity: 'warning', code: 'INTERNAL', message }),
    })
    this.#positions = new PositionsOutOfLog({
      client: this.#client,
      clock: options.clock,
      watermarks: (partition) => this.watermarks(partition),
      startOf: (name) => this.#partitions.startOf(name),
      onOutOfRange: (partition, message) =>
        this.#tellTrouble({ severity: 'fatal', code: 'OFFSET_OUT_OF_RANGE', message, partition }),
    })
    this.#polls = new RecordPolls({
      client: this.#client,
      partitions: this.#partitions,
      clock: options.clock,
      onTaken: (records) => {
        this.#positions.noteRecords(records)
        this.#positions.look(() => this.#partitions.running)
        this.#topics.look()
      },
      onEnd: (at) => {
        this.#positions.noteActive(at)
        this.#events?.onEndOfPartition(at)
      },
      onError: (error) => this.#noteConsumeError(error),
    })
  }

  #makeClient(native: NativeKafka): NativeConsumer {
    let client: NativeConsumer
    try {
      client = new native.KafkaConsumer({
        ...this.#config,
        rebalance_cb: (error: NativeError, list: readonly NativeTopicPartition[]) => this.#noteRebalance(error, list),
        offset_commit_cb: (error: NativeError | null | undefined, list: readonly NativeTopicPartition[]) =>
          this.#noteCommit(error, list),
        queue_non_empty_cb: () => this.#polls.noteQueue(),
      })
    } catch (error) {
      throw configurationError(error, this.#config)
    }
    const log = new ClientLog(this.#options.log, 'consumer', this.#options.clock)
    client.on('event.log', (event) => {
      if (this.#state === 'connecting') return
      log.note(event)
      if (isExpelledLog(event)) this.#noteExpelled()
      const trouble = fatalTrouble(event)
      if (trouble !== undefined) this.#tellTrouble(trouble)
    })
    client.on('event.error', (error) => {
      if (this.#state === 'connected') this.#tellTrouble(troubleOf(error))
    })
    client.on('error', (error) => {
      this.#tellTrouble({ severity: 'warning', code: 'BROKER_AUTHENTICATION', message: error.message })
    })
    return client
  }

  connect(): Promise<void> {
    this.#connecting ??= this.#connect()
    return this.#connecting
  }

  async #connect(): Promise<void> {
    this.#state = 'connecting'
    const timeoutMs = this.#options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS
    try {
      const { brokers, clock } = this.#options
      await connectClient(this.#client, this.#config, brokers, timeoutMs, this.#leaving.signal, clock)
      this.#state = 'connected'
    } catch (error) {
      this.#state = 'ended'
      throw error
    }
  }

  partitionCounts(topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return countPartitions(this.#client, topics, REQUEST_TIMEOUT_MS, this.#waits)
  }

  async describeTopics(topics: readonly string[]): Promise<ReadonlyMap<string, TopicDescription>> {
    this.#requireConnected()
    return await this.#topics.describe(topics)
  }

  subscribe(topics: readonly string[], events: BrokerConsumerEvents): void {
    this.#events = events
    this.#client.subscribe(topics)
    // Asked while the group forms, so that a cluster that does not tell holds up nobody.
    void this.#topics.describe(topics).catch(() => undefined)
  }

  // --- taking records

  async poll(maxRecords: number, timeoutMs: number): Promise<readonly SourceRecord[]> {
    if (this.#isPolling) throw new TroupeError('INTERNAL', 'poll was called while a poll was outstanding')
    if (this.#state !== 'connected') return nothingTaken
    this.#isPolling = true
    try {
      return maxRecords > 0 ? await this.#polls.take(maxRecords, timeoutMs) : await this.#polls.takeNothing(timeoutMs)
    } finally {
      this.#isPolling = false
    }
  }

  #noteConsumeError(error: NativeError): void {
    if (error.code === POSITION_OUT_OF_RANGE) void this.#positions.check(this.#partitions.partitions)
    if (error.code === UNKNOWN_TOPIC) this.#topics.look(true)
    const trouble = consumeTrouble(error)
    if (trouble !== undefined) this.#tellTrouble(trouble)
  }

  // --- assignment

  #noteRebalance(error: NativeError, list: readonly NativeTopicPartition[]): void {
    const type = error.code === ASSIGN_PARTITIONS ? 'assign' : 'revoke'
    if (this.#state !== 'connected') return this.#declineWhileEnding(type, list)
    if (error.code !== ASSIGN_PARTITIONS && error.code !== REVOKE_PARTITIONS) {
      this.#options.log('warn', { code: error.code }, `rebalance failed: ${error.message}`)
    }
    const lost = type === 'revoke' && this.isAssignmentLost()
    if (type === 'assign') this.#isExpelled = false
    const event = this.#partitions.open(type, list, lost)
    if (type === 'revoke') this.#polls.dropHeld(event.partitions)
    this.#events?.onRebalance(event)
    this.#polls.wake()
  }

  /** While the client disconnects it waits for the answer to its last revoke. */
  #declineWhileEnding(type: 'assign' | 'revoke', list: readonly NativeTopicPartition[]): void {
    try {
      this.#partitions.decline(type, list)
    } catch (error) {
      this.#options.log('debug', {}, `${type} while disconnecting: ${messageOf(error)}`)
    }
  }

  assign(eventId: number, starts: readonly StartPosition[]): boolean {
    if (this.#state !== 'connected' || !this.#partitions.assign(eventId, starts)) return false
    this.#polls.dropHeld(starts)
    for (const start of starts) this.#positions.noteActive(start)
    this.#topics.noteAssigned(starts)
    return true
  }

  unassign(eventId: number, _partitions: readonly TopicPartition[]): boolean {
    return this.#state === 'connected' && this.#partitions.unassign(eventId)
  }

  /** The client did not poll for too long and has left the group. What was stored must not be committed any more. */
  #noteExpelled(): void {
    this.#isExpelled = true
    this.#commits.forget(this.#partitions.names)
  }

  isAssignmentLost(): boolean {
    // After disconnecting the client's call would end the process.
    return this.#state === 'connected' && (this.#isExpelled || this.#client.assignmentLost())
  }

  pause(partitions: readonly TopicPartition[]): void {
    if (this.#state === 'connected') this.#partitions.pause(partitions)
  }

  resume(partitions: readonly TopicPartition[]): void {
    if (this.#state === 'connected') this.#partitions.resume(partitions)
  }

  // --- positions

  storePositions(positions: readonly StoredPosition[]): readonly TopicPartition[] {
    if (this.#state !== 'connected' || this.isAssignmentLost()) return positions
    const ours: StoredPosition[] = []
    const refused: TopicPartition[] = []
    for (const each of positions) {
      checkMetadata(each.metadata)
      if (this.#partitions.has(partitionName(each))) ours.push(each)
      else refused.push({ topic: each.topic, partition: each.partition })
    }
    if (ours.length === 0) return refused
    // While an assignment is being made, the client does not know the partition yet.
    if (this.#partitions.afterChange(() => this.#storeLate(ours))) return refused
    return this.#store(ours) ? refused : positions
  }

  /** Some of these partitions, or all, may have been lost since. */
  #storeLate(positions: readonly StoredPosition[]): void {
    if (this.isAssignmentLost()) return
    const ours = positions.filter((position) => this.#partitions.has(partitionName(position)))
    if (ours.length > 0) this.#store(ours)
  }

  /** What the client has stored it commits by itself when partitions are given back, should our last commit have failed. */
  #store(positions: readonly StoredPosition[]): boolean {
    try {
      this.#client.offsetsStore(
        positions.map(({ topic, partition, position, metadata }) => ({ topic, partition, offset: position, metadata })),
      )
    } catch (error) {
      this.#options.log('debug', { code: codeOf(error) }, `the client refused to store positions: ${messageOf(error)}`)
      return false
    }
    this.#commits.put(positions)
    return true
  }

  /** Commits what is stored of these partitions; false when no broker answered in time. */
  #settle(names: ReadonlySet<string>): Promise<boolean> {
    return this.#commits.settle(names, LAST_COMMIT_TIMEOUT_MS, () => this.#polls.serve())
  }

  #noteCommit(error: NativeError | null | undefined, list: readonly NativeTopicPartition[]): void {
    if (error?.code === NO_OFFSET) return
    // Assigned partitions that are not part of this commit appear without an offset.
    const positions = list.filter((entry) => entry.offset !== undefined)
    if (positions.length > 0) this.#commits.noteReport(error, positions)
  }

  /** While a transaction with positions of these is open, nobody is told: until it is over, or the brokers end it. */
  async committed(partitions: readonly TopicPartition[]): Promise<readonly CommittedPosition[]> {
    const endsAt = this.#options.clock.now() + UNSTABLE_TIMEOUT_MS
    for (;;) {
      this.#requireConnected()
      try {
        return await fetchCommitted(this.#client, partitions, REQUEST_TIMEOUT_MS, this.#waits)
      } catch (error) {
        if (!mayBeUnstable(error) || this.#options.clock.now() >= endsAt || !(await this.#hasBroker())) throw error
        const about = partitions.map(partitionName).slice(0, 5).join(', ')
        this.#options.log('info', {}, `a transaction with positions of ${about} is still open: waiting for its end`)
      }
    }
  }

  /**
   * A call that speaks for this member. The client stays connected until it is over: later it would end the process.
   * Rejects with `not-a-member` when the group has given the member up by then. The brokers would not: to them a client
   * without any membership is an older one, and they take its positions, whoever owns the partitions.
   */
  async asMember(call: (client: NativeConsumer) => Promise<void>): Promise<void> {
    this.#requireMembership()
    const called = call(this.#client)
    const ended = called.catch(() => undefined)
    this.#memberCalls = Promise.all([this.#memberCalls, ended])
    await called
    this.#requireMembership()
  }

  #requireMembership(): void {
    if (this.#state === 'connected' && !this.isAssignmentLost()) return
    throw new TransactionError('not-a-member', 'The group has given this member up.')
  }

  async watermarks(partition: TopicPartition): Promise<Watermarks> {
    this.#requireConnected()
    return await fetchWatermarks(this.#client, partition, REQUEST_TIMEOUT_MS, this.#waits)
  }

  #requireConnected(): void {
    if (this.#state !== 'connected') throw new TroupeError('BROKER_UNREACHABLE', 'The consumer is not connected.')
  }

  #tellTrouble(trouble: BrokerTrouble): void {
    const about = trouble.partition === undefined ? '' : partitionName(trouble.partition)
    const heldBack = this.#debounce.admit(`${trouble.code} ${about}`, this.#options.clock.now())
    if (heldBack !== undefined) this.#events?.onTrouble(trouble)
  }

  // --- the end

  disconnect(): Promise<void> {
    this.#ending ??= this.#disconnect()
    return this.#ending
  }

  async #disconnect(): Promise<void> {
    const isOver = sleepInBackground(DISCONNECT_TIMEOUT_MS).then(() => false)
    // The default reason, an error, would keep whoever called this reachable through its stack: see `#close`.
    this.#leaving.abort('the consumer is disconnected')
    await this.#connecting?.catch(() => undefined)
    if (this.#state !== 'connected') {
      this.#state = 'ended'
      return
    }
    this.#state = 'disconnecting'
    // A question about topics may be open for longer than all this may take: only the leave waits for its end.
    const isUnasked = Promise.all([this.#topics.end(), this.#memberCalls])
    await Promise.race([this.#polls.stop(), isOver])
    if (this.#isExpelled) this.#commits.forget(this.#partitions.names)
    const isCommitted = await Promise.race([this.#settle(this.#partitions.namesToSettle), isOver])
    this.#commits.stop()
    const mayAsk = isCommitted ? isUnasked : Promise.resolve()
    const hasBroker = await Promise.race([mayAsk.then(() => this.#hasBroker()), isOver])
    if (isCommitted && hasBroker) {
      await Promise.race([this.#close(), sleepInBackground(CLOSE_TIMEOUT_MS), isOver])
    } else {
      // While a join is not answered, nothing that the coordinator is sent after it is: the group waits for one that has gone.
      const who = hasBroker
        ? "the group's coordinator does not answer, as while the group is rebalanced"
        : 'no broker answers'
      const what = 'the last positions may not be committed, and the group notices after the session time-out'
      this.#options.log('warn', {}, `${who}: ${what}`)
      this.#closeLater(isUnasked).catch((error: unknown) => {
        this.#options.log('warn', {}, `the client could not be closed: ${messageOf(error)}`)
      })
    }
    this.#partitions.clear()
  }

  async #close(): Promise<void> {
    this.#partitions.answerOpen()
    await new Promise<void>((resolve) => {
      this.#client.disconnect(resolve)
    })
    this.#state = 'ended'
    // The binding keeps its callbacks, and all that they reach, for as long as the process lives.
    this.#events = undefined
  }

  /**
   * Leaves the group once brokers are back. The client's `disconnect` waits for the answer to each commit, for ever,
   * and while it waits the process cannot exit either; without it, it can. If the process goes on instead,
   * the member would stay in the group as long as it may go without polling. With a report that is lost it comes to
   * that: to serve on would keep the member for ever.
   */
  async #closeLater(isUnasked: Promise<unknown>): Promise<void> {
    for (let asked = 0; asked < MAX_ASKED_FOR_REPORT;) {
      await sleepInBackground(ASK_AGAIN_MS)
      await this.#polls.serve()
      if (!(await this.#hasBroker())) continue
      if (this.#commits.isIdle) {
        await isUnasked
        await this.#close()
        return
      }
      asked += 1
    }
    this.#events = undefined
    this.#options.log(
      'warn',
      {},
      'the report of a commit is lost: the group notices when the member has not polled for too long',
    )
  }

  #hasBroker(): Promise<boolean> {
    return new Promise((resolve) => {
      this.#client.getMetadata({ timeout: ASK_AGAIN_MS, allTopics: false }, (error) => {
        resolve(error == null)
      })
    })
  }
}
