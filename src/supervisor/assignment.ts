/**
 * The partitions this member owns: answers the coordinator's events, makes a partition actor for
 * each assigned partition and gives it up (`hand-over.ts`) when the partition goes.
 *
 * Events are handled one after the other, off the poll loop, which goes on meanwhile: a draining
 * member has to keep polling.
 */
import type { Dispatcher } from '../actors/executors/dispatcher.ts'
import type { InputOptions, InputProgress } from '../actors/input-progress.ts'
import type { KeyText } from '../actors/key-text.ts'
import { inherit, legacyOf } from '../actors/legacy.ts'
import { PartitionActor } from '../actors/partition-actor.ts'
import type { FrontSettings } from '../actors/front/source-outputs.ts'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import { TroupeError } from '../errors.ts'
import type { Lookout } from '../lookout.ts'
import type { ResolvedActor } from '../options/options.ts'
import type { BrokerConsumer, RebalanceEvent } from '../streams/broker-port.ts'
import type { Credit } from '../streams/credit.ts'
import type { CheckpointBase, CheckpointOwner, Delivery, Refusals } from '../streams/delivery/delivery.ts'
import { CompletionMap } from '../streams/positions/completion-map.ts'
import type { PartitionState } from '../state/partition-state.ts'
import type { Timing } from '../state/stamp.ts'
import { partitionName, type SourceRecord, type TopicPartition } from '../streams/record.ts'
import type { SchemaPort } from '../streams/registry/schema-port.ts'
import type { TopicOrigin } from '../streams/positions/topic-origin.ts'
import type { EngineStats, PartitionStats } from '../metrics/stats.ts'
import { Beginnings, type Beginning, type Companion, type OvertakenPartition } from './beginnings.ts'
import type { CompanionStarts } from './companion-starts.ts'
import { Companions } from './companions.ts'
import { handOver } from './hand-over.ts'
import { Intake } from './intake.ts'
import { Restoring, type KeptPartition, type StateKeeping } from './restoring.ts'
import type { UserPauses } from './user-pauses.ts'

export interface AssignmentOptions {
  readonly consumer: BrokerConsumer
  /** The actor of each input topic. */
  readonly actors: ReadonlyMap<string, ResolvedActor>
  readonly dispatcherOf: (actor: ResolvedActor) => Dispatcher
  /** How its stream time comes on; missing: by what is on its records. */
  readonly timingOf?: (actor: ResolvedActor) => Timing
  /** The high watermark of a log; needed where something is closed when that is idle. */
  readonly logEnd?: (of: TopicPartition) => Promise<number>
  readonly delivery: Delivery
  readonly credit: Credit
  readonly clock: Clock
  readonly lookout: Lookout
  readonly random: () => number
  readonly log: Log
  readonly stats: EngineStats
  readonly drainTimeoutMs: number
  readonly foreignMetadata: 'ignore' | 'fail'
  readonly keyText: KeyText
  /** null: no codec of the app needs schemas. */
  readonly schemas: SchemaPort | null
  /** Of each topic, kept from one membership to the next. */
  readonly origins?: Map<string, TopicOrigin>
  readonly maxPartitionRecords: number
  readonly maxPartitionBytes: number
  readonly userPauses: UserPauses
  /** How the fronts of other actors write; none, unless given. */
  readonly fronts?: ReadonlyMap<string, FrontSettings>
  /** null: no actor keeps state. */
  readonly keeping: StateKeeping | null
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
  readonly #restoring: Restoring | null
  /** By actor: those that read companion inputs. */
  readonly #companions = new Map<string, Companions>()
  #events: Promise<void> = Promise.resolve()
  #isStopping = false
  /** The first assign event was answered. */
  #wasAssigned = false
  /** Clock time since when the group has to give out partitions; null: it has. */
  #awaitsGroupSinceMs: number | null = null
  /** Events that came and are not handled yet. */
  readonly #openEvents = new Set<RebalanceEvent>()
  /** Partitions of which records have come that nobody owns, with no event of them since; and how to forget that. */
  readonly #ownerless = new Map<string, () => void>()

  constructor(options: AssignmentOptions) {
    this.#options = options
    this.#beginnings = new Beginnings({
      ...options,
      keepsState: (actor) => options.keeping?.changelogs.has(actor) === true,
      companionsOf: (actor) => companionsIn(options.keeping, actor),
    })
    this.#restoring = options.keeping === null ? null : this.#restoringWith(options.keeping)
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

  /** Clock time since when nothing is owned here and the group has not said what will be; null: it has. */
  get awaitsGroupSinceMs(): number | null {
    return this.#awaitsGroupSinceMs
  }

  /** The member has asked to join. */
  noteJoining(): void {
    this.#awaitsGroupSinceMs = this.#options.clock.now()
  }

  /** The user has paused or resumed something. */
  reviewIntake(): void {
    for (const actor of this.#owned.values()) this.#intake.review(actor)
  }

  /** Takes note of an event; it is handled when those before it are. */
  noteRebalance(event: RebalanceEvent): void {
    // Lost partitions belong to somebody else already: nothing of them may be written any more, so
    // this does not wait for the events before it.
    if (event.lost) this.fence(event.partitions)
    this.#openEvents.add(event)
    if (event.type === 'assign') this.#awaitsGroupSinceMs = null
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
    actor.offer(records)
    this.#options.dispatcherOf(actor.actor).enlist(actor)
  }

  #restoringWith(keeping: StateKeeping): Restoring {
    return new Restoring({
      ...this.#options,
      ...keeping,
      decidedEnd: async (at) => (await this.#options.consumer.watermarks(at)).high,
      committed: (at) => this.#beginnings.checkpointOf(at),
      onOvertaken: (at) => {
        this.fence([at])
        this.#noteOwnerless(at)
      },
    })
  }

  /**
   * Fenced by a refused commit, or because another has gone on with it, a partition has no owner until the client has learned
   * that it lost its place, and a rebalance says so. If none comes, nobody would ever read it: the client holds it, and we do not.
   */
  #noteOwnerless(of: TopicPartition): void {
    const name = partitionName(of)
    if (this.#isStopping || this.#ownerless.has(name) || this.#isInOpenEvent(name)) return
    // A timer, because it may have been the last record for long.
    const cancel = this.#options.lookout.after(MAX_OWNERLESS_MS, () => {
      this.#options.onFailure(new Error(`${name} has no owner here, and the group does not say whose it is`))
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
    this.#owned.get(partitionName(at))?.noteEnd(at)
  }

  /**
   * A destination refuses for good what this owner has made of some records: its epoch ends, and a new one begins in memory, at
   * the last checkpoint. What the old one holds is admitted again, nothing is read again. Of a partition that is being given
   * back only nothing more is committed: its next owner begins there.
   */
  rewind(owner: CheckpointOwner, refused: Refusals, bases: readonly CheckpointBase[]): void {
    const actor = [...this.#owned.values()].find((each) => each === owner)
    const input = actor?.inputs[0]
    if (actor === undefined || input === undefined || bases.length === 0) return
    const { consumer, credit, delivery, log, stats } = this.#options
    const told = { partition: partitionName(input), records: [...refused.keys()] }
    if (actor.isDraining) {
      log.warn(told, 'a partition is given back without what it has handled last, because outputs of that are refused')
      return
    }
    const legacies = actor.inputs.map((each) => legacyOf(actor, each))
    const held = legacies.reduce((sum, { records }) => sum + records.length, 0)
    const bytes = legacies.reduce((sum, each) => sum + each.bytes, 0)
    const paused = actor.inputs.filter(({ isPaused }) => isPaused)
    const state = actor.state?.rewound() ?? null
    log.warn(
      { ...told, held },
      'outputs are refused for good: the partition goes back to its last checkpoint, and gives up the records that they are of',
    )
    // What is held changes hands: meanwhile nobody may think that there is room for more.
    credit.admit(held, bytes)
    actor.fence()
    delivery.forget(input)
    stats.epoch += 1
    const all = new Map([...legacies.flatMap(({ refusals }) => [...refusals]), ...refused])
    if (state !== null) this.#restoring?.takeOver(input, state)
    const inputs = actor.inputs.map((each) => {
      const { companion, origin, stats: ofInput, topic } = each
      const snapshot = bases.find((base) => base.input === each)?.snapshot ?? null
      const start = snapshot === null ? each.start : { position: snapshot.position, map: new CompletionMap(snapshot) }
      return { topic, companion, origin, stats: ofInput, start }
    })
    const made = this.#actorFor(actor.actor, input, inputs, state, all)
    this.#owned.set(partitionName(input), made)
    // The clients still have the old one's pauses.
    for (const { companion, partition, topic } of paused) (companion ?? consumer).resume([{ topic, partition }])
    inherit(made, legacies)
    this.#companions.get(actor.actor.name)?.handOn(actor, made)
    made.takeOver({ from: actor })
    credit.retire(held, bytes)
    this.#intake.review(made)
    // It takes in nothing until a checkpoint stands: also where nothing of it is handled before that.
    for (const each of made.inputs) delivery.noteProgress(each)
    const dispatcher = this.#options.dispatcherOf(made.actor)
    dispatcher.enlist(made)
    dispatcher.pump()
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

  /** Gives up everything, and takes nothing new from then on. The group learns that the partitions are free when the member leaves. */
  async handOverAll(): Promise<void> {
    this.#isStopping = true
    this.#forgetOwnerless(this.#ownerless.keys())
    await this.#handOver([...this.#owned.values()], () => undefined)
  }

  /** Resolves when nothing of it is held any more, the stores of its partitions included. Never rejects. */
  async close(): Promise<void> {
    this.fenceAll()
    await Promise.all([...this.#companions.values()].map((each) => each.close()))
    await this.#restoring?.close()
  }

  /** What is kept here of the state of an actor. */
  stateOf(actor: string): readonly KeptPartition[] {
    return [...(this.#restoring?.partitionsOf(actor) ?? [])]
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
    this.#storeNew(beginnings)
  }

  async #revoke(event: RebalanceEvent): Promise<void> {
    const { consumer, log, stats } = this.#options
    const actors = event.partitions.flatMap((partition) => this.#owned.get(partitionName(partition)) ?? [])
    const recorded: OvertakenPartition[] = []
    const isAnswered = await this.#handOver(actors, () => {
      for (const { isFenced, inputs } of actors)
        if (!isFenced) recorded.push(...inputs.slice(0, 1).flatMap(this.#recordedOf))
      return consumer.unassign(event.id, event.partitions)
    })
    this.#noteSize()
    if (!isAnswered) {
      if (!event.lost) this.#beginnings.noteOvertaken(recorded)
      log.info({}, 'a revoke was overtaken by a newer assignment; its answer is dropped')
      return
    }
    const isAssignedNext = [...this.#openEvents].some(({ type }) => type === 'assign')
    if (this.#owned.size === 0 && !this.#isStopping && !isAssignedNext) this.noteJoining()
    // Somebody else may own them now, so what was stored here is not the newest any more.
    this.#beginnings.forgetOvertaken(event.partitions)
    if (event.partitions.length > 0) {
      stats.rebalances.revoke += 1
      log.info({ partitions: event.partitions.map(partitionName), lost: event.lost }, 'partitions given back')
    }
  }

  readonly #recordedOf = (input: InputProgress): OvertakenPartition[] => {
    const { origin, partition, topic } = input
    const snapshot = this.#options.delivery.recorded(input)
    return snapshot === null ? [] : [{ topic, partition, origin, snapshot }]
  }

  #handOver<Answer>(actors: readonly PartitionActor[], giveBack: () => Answer): Promise<Answer> {
    const endEpoch = (actor: PartitionActor): void => {
      this.#release(actor)
    }
    const settleState = async ({ inputs }: PartitionActor): Promise<void> => {
      await this.#restoring?.atEnd(inputs.slice(0, 1))
    }
    return handOver(actors, { settleState, giveBack, endEpoch }, this.#options)
  }

  /** Makes the actor of a partition, which owns it from now on. */
  #begin(beginning: Beginning): void {
    const { actor, at, origin } = beginning
    const { stats } = this.#options
    // A partition that was ours all along and is granted again: the new epoch replaces the old one.
    this.#releaseAt(at)
    stats.epoch += 1
    const kept = { ...beginning, actor: actor.name, inputId: origin?.id ?? 0 }
    const state = this.#restoring?.stateOf(kept) ?? null
    const made = this.#actorFor(actor, at, this.#inputsOf(beginning), state)
    this.#owned.set(partitionName(at), made)
    if (state === null) return
    this.#restoring?.begin(kept, state, (starts) => {
      this.#beginCompanions(made, starts)
      this.#intake.balance(made)
      this.#storeNew([beginning])
    })
  }

  #inputsOf({ actor, at, companions, map, origin, position }: Beginning): InputOptions[] {
    const { stats } = this.#options
    const statsOf = (topic: string): PartitionStats => stats.partition(actor.name, topic, at.partition)
    const first = { topic: at.topic, start: { position, map }, origin, stats: statsOf(at.topic) }
    const companion = companions.length === 0 ? null : this.#companionsFor(actor)
    return [
      first,
      ...companions.map(({ topic, topicId }) => ({
        ...{ topic, companion, stats: statsOf(topic), start: { position: null } },
        origin: { id: topicId, partitions: 0 },
      })),
    ]
  }

  /** Who reads the companion inputs of this actor. */
  #companionsFor(actor: ResolvedActor): Companions {
    let companions = this.#companions.get(actor.name)
    if (companions === undefined) {
      const { dispatcherOf, keeping } = this.#options
      const dispatcher = dispatcherOf(actor)
      if (keeping === null) throw new TroupeError('INTERNAL', `actor ${actor.name} has companions and keeps no state`)
      companions = new Companions({
        ...this.#options,
        openReader: () => keeping.openReader('companions'),
        onTaken: (of) => {
          dispatcher.enlist(of)
          dispatcher.pump()
        },
      })
      this.#companions.set(actor.name, companions)
    }
    return companions
  }

  /** The state of this partition is known, and with it where they begin. */
  #beginCompanions(made: PartitionActor, starts: CompanionStarts): void {
    for (const input of made.inputs) {
      const start = starts.get(input.topic)
      if (!input.isCompanion || start === undefined) continue
      input.beginAt(start)
      if (start.isReplaced) input.stats.topicReplaced += 1
      if (start.isOutOfRange) input.stats.outOfRange += 1
    }
    void this.#companions.get(made.actor.name)?.follow(made)
  }

  /** Commits where the group has begun before anything is handled, so that it stands even if this member ends now. */
  #storeNew(beginnings: readonly Beginning[]): void {
    const inputs = beginnings
      .filter(({ isNew }) => isNew)
      .flatMap(({ at }) => this.#owned.get(partitionName(at)) ?? [])
      // With its state, once that is known.
      .flatMap(({ inputs, state }) => (state?.isReady === false ? [] : inputs))
    // Nobody waits for it: brokers that are slow must not hold up the answer to the next event.
    if (inputs.length > 0) this.#options.delivery.makeDurableSoon(inputs)
  }

  /** The first input is the group's. */
  #actorFor(
    actor: ResolvedActor,
    { partition }: TopicPartition,
    inputs: readonly InputOptions[],
    state: PartitionState | null,
    refused?: Refusals,
  ): PartitionActor {
    const { clock, credit, delivery, dispatcherOf, keyText, log, logEnd, random, schemas, stats, timingOf } =
      this.#options
    const dispatcher = dispatcherOf(actor)
    const made: PartitionActor = new PartitionActor({
      actor,
      partition,
      epoch: stats.epoch,
      inputs,
      state,
      front: this.#options.fronts?.get(actor.name) ?? null,
      ...timingOf?.(actor),
      ...(logEnd === undefined ? {} : { logEnd }),
      ...(refused === undefined ? {} : { refused }),
      delivery,
      credit,
      clock,
      random,
      log,
      actorStats: stats.actor(actor.name),
      keyBudget: this.#intake.keyBudget,
      mixesKeys: dispatcher.mixesKeys,
      keyText,
      schemas,
      onReady: () => {
        dispatcher.enlist(made)
        dispatcher.pump()
      },
      onLoadChanged: () => {
        this.#intake.balance(made)
      },
      onThrottled: (forMs, id) => {
        dispatcher.throttle(actor.name, forMs, id)
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
    actor.fence()
    this.#companions.get(actor.actor.name)?.unfollow(actor)
    for (const input of actor.inputs) {
      this.#options.delivery.forget(input)
      if (actor.state !== null) this.#restoring?.end(input, actor.state)
      const name = partitionName(input)
      if (this.#owned.get(name) === actor) this.#owned.delete(name)
    }
  }
}

function companionsIn(keeping: StateKeeping | null, actor: string): readonly Companion[] {
  const shapes = keeping?.shapes.get(actor) ?? []
  const topics = keeping?.companions.get(actor) ?? []
  return topics.map((topic) => ({ topic, isTable: shapes.some(({ table }) => table === topic) }))
}
