/**
 * One consumer's life in its group: connect, subscribe, poll, own partitions, leave. A failure ends
 * it; the supervisor decides whether another one begins.
 */
import { hashedKey, plainKey } from '../actors/key-text.ts'
import type { Dispatcher } from '../actors/executors/dispatcher.ts'
import type { InputProgress } from '../actors/input-progress.ts'
import type { FrontSettings } from '../actors/front/source-outputs.ts'
import type { Clock } from '../clock.ts'
import { TroupeError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Lookout } from '../lookout.ts'
import type { ResolvedActor, ResolvedApp } from '../options/options.ts'
import { Appetite } from '../streams/appetite.ts'
import type { Timing } from '../state/stamp.ts'
import { outgrown } from '../state/changelog-topic.ts'
import type { BrokerConsumer, BrokerTrouble, Watermarks } from '../streams/broker-port.ts'
import { Credit } from '../streams/credit.ts'
import type { Delivery } from '../streams/delivery/delivery.ts'
import type { TopicOrigin } from '../streams/positions/topic-origin.ts'
import type { SchemaPort } from '../streams/registry/schema-port.ts'
import type { TopicPartition } from '../streams/record.ts'
import { Source } from '../streams/source.ts'
import type { EngineStats } from '../metrics/stats.ts'
import { Assignment } from './assignment.ts'
import type { StateKeeping } from './restoring.ts'
import type { UserPauses } from './user-pauses.ts'

export interface MembershipOptions {
  readonly app: ResolvedApp
  readonly consumer: BrokerConsumer
  /** The actor of each input topic. */
  readonly actors: ReadonlyMap<string, ResolvedActor>
  readonly dispatcherOf: (actor: ResolvedActor) => Dispatcher
  /** How its stream time comes on; missing: by what is on its records. */
  readonly timingOf?: (actor: ResolvedActor) => Timing
  /** The high watermark of a log; needed where something is closed when that is idle. */
  readonly logEnd?: (of: TopicPartition) => Promise<number>
  readonly dispatchers: readonly Dispatcher[]
  readonly delivery: Delivery
  readonly clock: Clock
  readonly lookout: Lookout
  readonly random: () => number
  readonly log: Log
  readonly stats: EngineStats
  readonly userPauses: UserPauses
  /** How the fronts of other actors write; none, unless given. */
  readonly fronts?: ReadonlyMap<string, FrontSettings>
  /** null: no codec of the app needs schemas. */
  readonly schemas: SchemaPort | null
  readonly origins: Map<string, TopicOrigin>
  /** null: no actor keeps state. */
  readonly keeping: StateKeeping | null
  readonly onFailure: (error: unknown) => void
}

/** How often the ends of the logs are asked for, to know the lag. */
const LAG_INTERVAL_MS = 5_000
/** A person who has just started it looks now. */
const FIRST_LAG_DELAY_MS = 1_000
/** A consumer that cannot say good-bye within this time is left to the session time-out. */
const DISCONNECT_TIMEOUT_MS = 15_000

export class Membership {
  readonly assignment: Assignment
  readonly source: Source
  readonly credit: Credit
  readonly #options: MembershipOptions
  readonly #appetite: Appetite
  #cancelLagTimer: (() => void) | null = null
  #hasFailed = false
  #isLeaving = false
  #hasEnded = false
  /** The group has given this member up, and has given it nothing since. */
  #hasLostPlace = false

  constructor(options: MembershipOptions) {
    this.#options = options
    const { app, consumer } = options
    this.credit = new Credit(app.intake)
    this.assignment = new Assignment({
      ...options,
      credit: this.credit,
      drainTimeoutMs: app.drainTimeoutMs,
      foreignMetadata: app.foreignMetadata,
      keyText: app.showKeys ? plainKey : hashedKey,
      maxPartitionRecords: app.intake.maxPartitionRecords,
      maxPartitionBytes: app.intake.maxPartitionBytes,
      onFailure: (error) => {
        this.fail(error)
      },
    })
    const { delivery, dispatchers } = options
    // What one actor has too much of must not keep out the records of another.
    const isOnlyActor = app.actors.length === 1
    this.#appetite = new Appetite(
      () => dispatchers.every(({ isSated }) => isSated) || (isOnlyActor && delivery.isSated),
    )
    for (const dispatcher of dispatchers) dispatcher.onHandedOut = () => this.#appetite.review()
    delivery.onWritten = () => this.#appetite.review()
    this.source = new Source({
      consumer,
      credit: this.credit,
      appetite: this.#appetite,
      clock: options.clock,
      onRecords: (records) => {
        this.assignment.admit(records)
      },
      onEnd: (end) => {
        this.assignment.noteEnd(end)
      },
      onBatchEnd: () => {
        for (const dispatcher of dispatchers) dispatcher.pump()
      },
      onFailure: (error) => {
        this.fail(error)
      },
    })
  }

  /** Joins the group. Rejects when no broker can be reached. */
  async join(): Promise<void> {
    const { actors, consumer, delivery } = this.#options
    await consumer.connect()
    // A stop may have overtaken the connect: what has left must not subscribe, or it would poll and
    // commit with nobody to end it.
    if (this.#isLeaving) return
    consumer.subscribe([...actors.keys()], {
      onRebalance: (event) => {
        this.#hasLostPlace = event.lost || (this.#hasLostPlace && event.type === 'revoke')
        this.assignment.noteRebalance(event)
      },
      onCommit: (report) => {
        // A client that could not say good-bye is served in the background: by now the delivery, and
        // the partitions of which this speaks, belong to the next membership.
        if (!this.#hasEnded) delivery.noteReport(report)
      },
      onTrouble: (trouble) => {
        this.#noteTrouble(trouble)
      },
      onEndOfPartition: (at) => {
        this.source.noteEnd(at)
      },
    })
    this.assignment.noteJoining()
    delivery.begin(consumer)
    this.source.start()
    this.#watchLag(FIRST_LAG_DELAY_MS)
  }

  /** It asks for as many records as there are. */
  get isReading(): boolean {
    return this.credit.availableRecords > 0 && !this.#appetite.isSated
  }

  /**
   * Clock time since when the group has to give out partitions; null: it has. Under KIP-848 the client says nothing where
   * there are none for this member, so what it has given back may be all that there is to tell.
   */
  get awaitsGroupSinceMs(): number | null {
    const { awaitsGroupSinceMs, wasAssigned } = this.assignment
    return this.#options.app.kafka.groupProtocol === 'consumer' && wasAssigned ? null : awaitsGroupSinceMs
  }

  /** Drains within the deadline, commits, leaves the group. Every step also after a failure of the one before. Never rejects. */
  async leave(): Promise<void> {
    this.#isLeaving = true
    this.source.stopTaking()
    // With the end of their epochs: what overran the deadline must write nothing beside the next owner, and leaving may take a while.
    await this.#attempt('hand-over', () => this.assignment.handOverAll())
    this.assignment.fenceAll()
    await this.#end()
  }

  /** Ends every epoch now and leaves. What was in flight is handled again. Never rejects. */
  async abandon(): Promise<void> {
    this.#isLeaving = true
    this.assignment.fenceAll()
    await this.#end()
  }

  async #end(): Promise<void> {
    const { clock, consumer, delivery } = this.#options
    this.#cancelLagTimer?.()
    this.source.stop()
    await delivery.atRest()
    // Stores after this are refused by the client anyway; the last ones were made by the drain.
    delivery.end()
    await this.#attempt('disconnect', async () => {
      await new Promise<void>((resolve, reject) => {
        const cancel = clock.after(DISCONNECT_TIMEOUT_MS, () => {
          reject(new Error(`the client did not disconnect within ${DISCONNECT_TIMEOUT_MS} ms`))
        })
        consumer.disconnect().then(resolve, reject).finally(cancel)
      })
    })
    await this.assignment.close()
    this.#hasEnded = true
  }

  async #attempt(step: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#options.log.error({ step, error: String(error) }, `leaving the group: ${step} failed; going on`)
    }
  }

  /** It is over: another one may begin. */
  fail(error: unknown): void {
    // The first failure says why; what follows from it says nothing more.
    if (this.#hasFailed || this.#isLeaving) return
    this.#hasFailed = true
    this.#options.onFailure(error)
  }

  #noteTrouble(trouble: BrokerTrouble): void {
    const { log, stats } = this.#options
    stats.trouble.add(trouble.code)
    if (trouble.severity === 'fatal') {
      // The next membership begins where the policy says, or ends by it: where a partition begins it is known too whether
      // its topic is another one by now, of which the brokers tell this first.
      if (trouble.code === 'OFFSET_OUT_OF_RANGE') return this.fail(new Error(trouble.message))
      // A static member whose session was over joins anew under its old id. What its client has still under way of its former
      // self is refused then, as if another process had the id, and the client is of no use any more. Another one is.
      if (trouble.code === 'FENCED' && this.#hasLostPlace) {
        return this.fail(
          new Error(`its session was over, and it is taken for another one of its id. ${trouble.message}`),
        )
      }
      this.fail(new TroupeError(trouble.code, trouble.message))
    } else {
      log.warn({ code: trouble.code }, trouble.message)
    }
  }

  #watchLag(delayMs: number): void {
    this.#cancelLagTimer = this.#options.clock.after(delayMs, () => {
      void Promise.all([this.#measureLag(), this.#verifyInputs()]).finally(() => {
        if (!this.#isLeaving) this.#watchLag(LAG_INTERVAL_MS)
      })
    })
  }

  async #measureLag(): Promise<void> {
    for (const input of [...this.assignment.actors].flatMap(({ inputs }) => inputs)) {
      if (this.#isLeaving) return
      try {
        this.#noteLog(input, await this.#options.consumer.watermarks(input))
      } catch {
        // Asked again at the next interval; brokers that are away are reported by the client itself.
      }
    }
  }

  /** Clients look for new partitions every few minutes, and until then keys of old ones are counted anew in others. */
  async #verifyInputs(): Promise<void> {
    const { consumer, keeping } = this.#options
    const changelogs = [...(keeping?.changelogs.values() ?? [])]
    if (changelogs.length === 0) return
    try {
      const counts = await consumer.partitionCounts(changelogs.map(({ input }) => input))
      for (const changelog of changelogs) {
        const now = counts.get(changelog.input) ?? 0
        if (now > changelog.partitions) this.fail(outgrown(changelog, now))
      }
    } catch {
      // Asked again at the next interval, as the ends of the logs are.
    }
  }

  #noteLog(input: InputProgress, { low, high }: Watermarks): void {
    // The partition may have gone while the broker was asked.
    if (input.isFenced) return
    input.stats.safePosition ??= low
    input.stats.noteLogEnd(high, this.#options.clock.now())
  }
}
