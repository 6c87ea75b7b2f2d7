/**
 * The partitions this member owns: answers the coordinator's events, makes a partition actor for
 * each assigned partition and ends it when the partition goes.
 *
 * Events are handled one after the other, off the poll loop, which goes on meanwhile: a draining
 * member has to keep polling. The order on revoke is the guarantee:
 *
 *     drain → store positions → unassign (the client commits what is stored) → the epoch ends
 *
 * Fencing first would make every clean hand-over a replay; unassigning first would let the next
 * owner begin below what is still being finished here.
 */
import type { Dispatcher } from '../actors/executors/dispatcher.ts'
import { PartitionActor, type PartitionActorOptions } from '../actors/partition-actor.ts'
import type { Clock } from '../clock.ts'
import { TroupeError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { ResolvedActor } from '../options/options.ts'
import type { BrokerConsumer, RebalanceEvent } from '../streams/broker-port.ts'
import type { Committer } from '../streams/delivery/committer.ts'
import type { Credit } from '../streams/credit.ts'
import type { Delivery } from '../streams/delivery/delivery.ts'
import { partitionName, type SourceRecord, type TopicPartition } from '../streams/record.ts'
import type { TopicOrigin } from '../streams/positions/topic-origin.ts'
import type { EngineStats } from '../metrics/stats.ts'
import { Beginnings, type Beginning } from './beginnings.ts'
import { Intake } from './intake.ts'
import type { UserPauses } from './user-pauses.ts'

export interface AssignmentOptions {
  readonly consumer: BrokerConsumer
  /** The actor of each input topic. */
  readonly actors: ReadonlyMap<string, ResolvedActor>
  readonly dispatcherOf: (actor: ResolvedActor) => Dispatcher
  readonly delivery: Delivery
  readonly committer: Committer
  readonly credit: Credit
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
  readonly stats: EngineStats
  readonly drainTimeoutMs: number
  readonly foreignMetadata: 'ignore' | 'fail'
  /** Of each topic, kept from one membership to the next. */
  readonly origins?: Map<string, TopicOrigin>
  readonly maxPartitionRecords: number
  readonly maxPartitionBytes: number
  readonly userPauses: UserPauses
  /** Something that a policy says must end this member. */
  readonly onFailure: (error: unknown) => void
}

/** So long may records have no owner without an event that says why: a client learns of its lost place within seconds. */
const MAX_OWNERLESS_MS = 60_000

export class Assignment {
  readonly #options: AssignmentOptions
  readonly #owned = new Map<string, PartitionActor>()
  readonly #intake: Intake
  readonly #beginnings: Beginnings
  #events: Promise<void> = Promise.resolve()
  #isStopping = false
  /** The first assign event was answered. */
  #wasAssigned = false
  /** Events that came and are not handled yet. */
  readonly #openEvents = new Set<RebalanceEvent>()
  /** Partitions of which records have come that nobody owns, with no event of them since; and how to forget that. */
  readonly #ownerless = new Map<string, () => void>()

  constructor(options: AssignmentOptions) {
    this.#options = options
    this.#beginnings = new Beginnings(options)
    this.#intake = new Intake({ ...options, partitionCount: () => this.#owned.size })
  }

  get actors(): Iterable<PartitionActor> {
    return this.#owned.values()
  }

  get size(): number {
    return this.#owned.size
  }

  get wasAssigned(): boolean {
    return this.#wasAssigned
  }

  /** The user has paused or resumed something. */
  reviewIntake(): void {
    for (const actor of this.#owned.values()) this.#intake.review(actor)
  }

  isStoppedByUser(actor: PartitionActor): boolean {
    return this.#intake.isStoppedByUser(actor)
  }

  /** Takes note of an event; it is handled when those before it are. */
  noteRebalance(event: RebalanceEvent): void {
    // Lost partitions belong to somebody else already: nothing of them may be written any more, so
    // this does not wait for the events before it.
    if (event.lost) this.fence(event.partitions)
    this.#openEvents.add(event)
    this.#forgetOwnerless(event.partitions.map(partitionName))
    this.#events = this.#events.then(async () => {
      try {
        await (event.type === 'assign' ? this.#assign(event) : this.#revoke(event))
      } catch (error) {
        this.#options.onFailure(error)
      }
      this.#openEvents.delete(event)
    })
  }

  /** Hands records of one partition to its owner. A partition that is not ours (any more) has none: the next owner reads them. */
  admit(records: readonly SourceRecord[]): void {
    const first = records[0]
    if (first === undefined) return
    const actor = this.#owned.get(partitionName(first))
    if (actor === undefined) {
      this.#noteOwnerless(first)
      return
    }
    actor.admit(records)
    this.#options.dispatcherOf(actor.actor).enlist(actor)
  }

  /**
   * Fenced by a refused commit, a partition has no owner until the client has learned that it lost its
   * place, and a rebalance says so. If none comes, nobody would ever read it: the client holds it, and we do not.
   */
  #noteOwnerless(of: TopicPartition): void {
    const name = partitionName(of)
    if (this.#isStopping || this.#ownerless.has(name) || this.#isInOpenEvent(name)) return
    // A timer, because it may have been the last record for long.
    const cancel = this.#options.clock.after(MAX_OWNERLESS_MS, () => {
      this.#options.onFailure(new Error(`records of ${name} have come and nobody owns it`))
    })
    this.#ownerless.set(name, cancel)
  }

  #isInOpenEvent(name: string): boolean {
    return [...this.#openEvents].some(({ partitions }) => partitions.some((each) => partitionName(each) === name))
  }

  /** Those for whom nothing changes hear of a rebalance as well, so only an event of the partition says why. */
  #forgetOwnerless(names: Iterable<string>): void {
    for (const name of names) {
      this.#ownerless.get(name)?.()
      this.#ownerless.delete(name)
    }
  }

  /** The log of a partition ends here for now. */
  noteEnd(at: TopicPartition & { readonly position: number }): void {
    this.#owned.get(partitionName(at))?.noteEnd(at.position)
  }

  /** Ends the epoch of these partitions now, without waiting for anything. */
  fence(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) {
      const actor = this.#owned.get(partitionName(partition))
      if (actor === undefined) continue
      this.#options.stats.rebalances.lost += 1
      this.#release(actor)
    }
  }

  /** Finishes what is in flight within the drain deadline and stores its positions. Takes nothing new from then on. */
  async drainAll(): Promise<void> {
    this.#isStopping = true
    this.#forgetOwnerless(this.#ownerless.keys())
    await this.#drain([...this.#owned.values()])
  }

  /** Ends every epoch. */
  fenceAll(): void {
    this.#isStopping = true
    this.#forgetOwnerless(this.#ownerless.keys())
    for (const actor of this.#owned.values()) this.#release(actor)
  }

  async #assign(event: RebalanceEvent): Promise<void> {
    const { consumer, log, stats } = this.#options
    const known = this.#isStopping ? [] : await this.#beginnings.of(event.partitions)
    // A stop may have come while the broker was asked. It drains what there was, and nothing may be added to that.
    const beginnings = this.#isStopping ? [] : known
    const starts = beginnings.map(({ at, from, position }) => ({ ...at, position: position ?? from }))
    // False: a newer event has overtaken this one and speaks for itself; nothing was begun.
    if (!consumer.assign(event.id, starts)) return
    // In the turn of the answer: an actor that is owned before could be paused, of which the client knows nothing yet.
    for (const beginning of beginnings) this.#begin(beginning)
    this.#storeNew(beginnings)
    this.#beginnings.forgetOvertaken()
    this.#wasAssigned = true
    this.#noteSize()
    if (event.partitions.length > 0) {
      stats.rebalances.assign += 1
      log.info(
        { partitions: starts.map((start) => `${partitionName(start)}@${start.position}`) },
        'partitions assigned',
      )
    }
  }

  async #revoke(event: RebalanceEvent): Promise<void> {
    const { consumer, log, stats } = this.#options
    const actors = event.partitions.flatMap((partition) => this.#owned.get(partitionName(partition)) ?? [])
    if (!event.lost && actors.length > 0) await this.#drain(actors)
    const isAnswered = consumer.unassign(event.id, event.partitions)
    for (const actor of actors) this.#release(actor)
    this.#noteSize()
    if (!isAnswered) {
      if (!event.lost) this.#beginnings.noteOvertaken(actors)
      log.info({}, 'a revoke was overtaken by a newer assignment; its answer is dropped')
      return
    }
    // Somebody else may own them now, so what was stored here is not the newest any more.
    this.#beginnings.forgetOvertaken(event.partitions)
    if (event.partitions.length > 0) {
      stats.rebalances.revoke += 1
      log.info({ partitions: event.partitions.map(partitionName), lost: event.lost }, 'partitions given back')
    }
  }

  async #drain(actors: readonly PartitionActor[]): Promise<void> {
    const { clock, committer, drainTimeoutMs, log, stats } = this.#options
    const startedAt = clock.now()
    const isOver = await new Promise<boolean>((resolve) => {
      const cancel = clock.after(drainTimeoutMs, () => {
        resolve(false)
      })
      void Promise.all(actors.map((actor) => actor.drain())).then(() => {
        cancel()
        resolve(true)
      })
    })
    stats.drainSeconds.observe((clock.now() - startedAt) / 1000)
    if (!isOver) {
      stats.drainTimeouts += 1
      const late = actors.filter((actor) => actor.hasWorkInFlight).map(partitionName)
      const error = new TroupeError(
        'DRAIN_TIMEOUT',
        `work in flight did not finish within ${drainTimeoutMs} ms; it will be handled again: ${late.join(', ')}`,
      )
      log.warn({ code: error.code, action: error.action }, error.message)
    }
    // Unfinished work is simply not part of the snapshot: it is fenced, never committed as done.
    committer.storeNow(actors)
  }

  /** Makes the actor of a partition, which owns it from now on. */
  #begin({ actor, at, position, map, originText }: Beginning): void {
    const { stats } = this.#options
    // A partition that was ours all along and is granted again: the new epoch replaces the old one.
    this.#releaseAt(at)
    stats.epoch += 1
    this.#owned.set(partitionName(at), this.#actorFor(actor, at, { position, map }, originText))
  }

  /** Nothing needs to be handled for it: where the group has begun has to stand, also if this member ends now. */
  #storeNew(beginnings: readonly Beginning[]): void {
    const actors = beginnings.filter(({ isNew }) => isNew).flatMap(({ at }) => this.#owned.get(partitionName(at)) ?? [])
    if (actors.length > 0) this.#options.committer.storeNow(actors)
  }

  #actorFor(
    actor: ResolvedActor,
    { topic, partition }: TopicPartition,
    start: PartitionActorOptions['start'],
    originText: string,
  ): PartitionActor {
    const { clock, credit, delivery, dispatcherOf, log, random, stats } = this.#options
    const dispatcher = dispatcherOf(actor)
    const made: PartitionActor = new PartitionActor({
      actor,
      topic,
      partition,
      epoch: stats.epoch,
      start,
      originText,
      delivery,
      credit,
      clock,
      random,
      log,
      stats: stats.partition(actor.name, topic, partition),
      actorStats: stats.actor(actor.name),
      keyBudget: this.#intake.keyBudget,
      onReady: () => {
        dispatcher.enlist(made)
        dispatcher.pump()
      },
      onLoadChanged: () => {
        this.#intake.balance(made)
      },
      onEscalate: this.#options.onFailure,
    })
    return made
  }

  /** There are more partitions, or fewer, to share what all of them may hold. */
  #noteSize(): void {
    for (const actor of this.#owned.values()) actor.reviewWaitingKeys()
    this.reviewIntake()
  }

  #releaseAt(partition: TopicPartition): void {
    const actor = this.#owned.get(partitionName(partition))
    if (actor !== undefined) this.#release(actor)
  }

  #release(actor: PartitionActor): void {
    const name = partitionName(actor)
    actor.fence()
    this.#intake.forget(actor)
    this.#options.committer.forget(actor)
    if (this.#owned.get(name) !== actor) return
    this.#owned.delete(name)
  }
}
