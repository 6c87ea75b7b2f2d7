/** Where the actors of granted partitions begin: from what the group's last commit says, else by policy. */
import { TroupeError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { EngineStats } from '../metrics/stats.ts'
import type { ResolvedActor } from '../options/options.ts'
import type { CompanionTopic } from '../state/restore/companion-starts.ts'
import type { CommittedCheckpoint } from '../state/restore/judgement.ts'
import type { BrokerConsumer, CommittedPosition, TopicDescription } from '../streams/broker-port.ts'
import { CompletionMap, decodeCompletionMap, type CompletionSnapshot } from '../streams/positions/completion-map.ts'
import { checkpointOf } from '../streams/positions/checkpoint-mark.ts'
import { decodeOrigin, isOtherTopic, originOf, shortId, type TopicOrigin } from '../streams/positions/topic-origin.ts'
import { partitionName, type TopicPartition } from '../streams/record.ts'
import { partitionsDiffer } from './topology.ts'

export interface BeginningsOptions {
  readonly consumer: BrokerConsumer
  /** The actor of each input topic. */
  readonly actors: ReadonlyMap<string, ResolvedActor>
  /** Actors whose state has all that is below their committed positions, and must not get it twice. */
  readonly keepsState: (actor: string) => boolean
  /** Topics that this actor reads beside its input, and those of them that are tables. */
  readonly companionsOf?: (actor: string) => readonly Companion[]
  readonly log: Log
  readonly stats: EngineStats
  readonly foreignMetadata: 'ignore' | 'fail'
  /**
   * The origin of each topic, as far as this process knows. It outlives a membership: a commit that tells it may not
   * be made yet, and the brokers forget the commits of a topic that is deleted.
   */
  readonly origins?: Map<string, TopicOrigin>
}

/** A further topic of an actor. */
export interface Companion {
  readonly topic: string
  readonly isTable: boolean
}

/** Of one partition for one epoch: its actor, where that begins, and of which checkpoint the commit is, taken at its word or not. */
export interface Beginning extends CommittedCheckpoint {
  readonly actor: ResolvedActor
  readonly at: TopicPartition
  /** null: nothing is committed, or it cannot be taken at its word; `from` decides. */
  readonly position: number | null
  readonly map: CompletionMap | null
  readonly from: 'earliest' | 'latest'
  /** Goes with each position that is committed. */
  readonly origin: TopicOrigin | null
  /** Not all of this is committed yet: it is committed at once, so that the next owner knows. */
  readonly isNew: boolean
  /** Where these begin is known when its state is. */
  readonly companions: readonly CompanionTopic[]
}

/** What is known of a topic at an assignment. */
interface Topic {
  readonly described: TopicDescription
  readonly origin: TopicOrigin
}

export interface OvertakenPartition extends TopicPartition {
  /** What stands of it, or is about to. */
  readonly snapshot: CompletionSnapshot
  readonly origin: TopicOrigin | null
}

export class Beginnings {
  readonly #options: BeginningsOptions
  /** What an overtaken revoke had stored, until the assignment that overtook it is taken. */
  readonly #overtaken = new Map<string, OvertakenPartition>()

  readonly #origins: Map<string, TopicOrigin>

  constructor(options: BeginningsOptions) {
    this.#options = options
    this.#origins = options.origins ?? new Map<string, TopicOrigin>()
  }

  /**
   * Nobody else has owned these partitions since, and the assignment that overtook the revoke asks
   * the broker where to begin while the positions stored here may still be on their way: it would
   * begin below them, repeat what is finished and take the commit back.
   */
  noteOvertaken(partitions: readonly OvertakenPartition[]): void {
    for (const partition of partitions) this.#overtaken.set(partitionName(partition), partition)
  }

  /** Of these partitions, or of all. */
  forgetOvertaken(partitions?: readonly TopicPartition[]): void {
    if (partitions === undefined) this.#overtaken.clear()
    else for (const partition of partitions) this.#overtaken.delete(partitionName(partition))
  }

  /** Where the actors of these partitions begin, from what the group's last commit says of them. */
  async of(partitions: readonly TopicPartition[]): Promise<Beginning[]> {
    if (partitions.length === 0) return []
    const { actors, consumer } = this.#options
    const described = await consumer.describeTopics([...new Set(partitions.map(({ topic }) => topic))])
    const committed = await consumer.committed(partitions)
    const topics = await this.#topicsOf(described, committed)
    return await Promise.all(
      committed.map(async (each) => {
        const { topic, partition } = each
        const actor = actors.get(topic)
        if (actor === undefined) throw new TroupeError('INTERNAL', `topic ${topic} was assigned and has no actor`)
        const companions = await this.#companionsOf(actor, described.get(topic), topic)
        const start = await this.#startOf(each, actor, topics.get(topic))
        const at = { topic, partition }
        if (companions.length > 0 && start.position === null)
          Object.assign(start, await this.#firstPosition(at, start.from))
        return { actor, at, ...start, ...checkpointIn(each), companions }
      }),
    )
  }

  /** As a number: what comes of companions before the first record needs a position to be committed with. */
  async #firstPosition(at: TopicPartition, from: Beginning['from']): Promise<Pick<Beginning, 'position' | 'isNew'>> {
    const { high, low } = await this.#options.consumer.watermarks(at)
    return { position: from === 'earliest' ? low : high, isNew: true }
  }

  /** Rejects with PARTITIONS_DIFFER. */
  async #companionsOf(
    actor: ResolvedActor,
    input: TopicDescription | undefined,
    topic: string,
  ): Promise<readonly CompanionTopic[]> {
    const companions = this.#options.companionsOf?.(actor.name) ?? []
    if (companions.length === 0) return []
    const described = await this.#options.consumer.describeTopics(companions.map((each) => each.topic))
    return companions.map(({ isTable, topic: companion }) => {
      const found = described.get(companion)
      if (input !== undefined && found !== undefined && found.partitions !== input.partitions) {
        throw partitionsDiffer(actor.name, [topic, input.partitions], [companion, found.partitions])
      }
      const { outOfRange, startFrom } = actor
      return { topic: companion, topicId: shortId(found?.id ?? null), isTable, startFrom, outOfRange }
    })
  }

  /** Of which checkpoint the group's last commit is by now. */
  async checkpointOf(at: TopicPartition): Promise<CommittedCheckpoint> {
    const committed = await this.#options.consumer.committed([at])
    return checkpointIn(committed[0])
  }

  /** Any commit of the group tells the origin of its topic. */
  async #topicsOf(
    described: ReadonlyMap<string, TopicDescription>,
    committed: readonly CommittedPosition[],
  ): Promise<ReadonlyMap<string, Topic>> {
    const toldHere = originsIn(committed)
    const unknown = [...described].filter(([topic]) => !toldHere.has(topic) && !this.#origins.has(topic))
    const others = unknown.flatMap(([topic, { partitions }]) =>
      Array.from({ length: partitions }, (_, partition) => ({ topic, partition })),
    )
    const toldElsewhere = others.length === 0 ? toldHere : originsIn(await this.#options.consumer.committed(others))
    const topics = new Map<string, Topic>()
    for (const [topic, description] of described) {
      const remembered = this.#origins.get(topic)
      const told = toldHere.get(topic) ?? toldElsewhere.get(topic) ?? []
      const origin = originOf(remembered === undefined ? told : [remembered, ...told], description)
      this.#origins.set(topic, origin)
      topics.set(topic, { described: description, origin })
    }
    return topics
  }

  /** Position and map to begin with, by policy where the commit cannot be taken at its word. */
  async #startOf(
    committed: CommittedPosition,
    actor: ResolvedActor,
    topic: Topic | undefined,
  ): Promise<Omit<Beginning, 'actor' | 'at' | 'companions' | keyof CommittedCheckpoint>> {
    const { consumer, log, stats } = this.#options
    const name = partitionName(committed)
    const origin = topic?.origin ?? null
    const old = { origin, isNew: false }
    const own = this.#overtaken.get(name)
    const isOurs = own !== undefined && (topic === undefined || !isOtherTopic(own.origin, topic.described))
    if (isOurs && own.snapshot.position >= (committed.position ?? 0)) {
      const { snapshot } = own
      return { ...old, position: snapshot.position, map: new CompletionMap(snapshot), from: 'earliest' }
    }
    if (committed.position === null) return { ...old, ...(await this.#firstOf(committed, actor, topic)) }
    const { low, high } = await consumer.watermarks(committed)
    const told = decodeOrigin(committed.metadata, committed.position)
    if (topic !== undefined && isOtherTopic(told, topic.described)) {
      stats.partition(actor.name, committed.topic, committed.partition).topicReplaced += 1
      log.warn(
        { partition: name, position: committed.position, begins: low },
        `${name} was committed for a topic that has been deleted and made again: the new one is read from its beginning`,
      )
      return { origin, isNew: true, position: low, map: null, from: 'earliest' }
    }
    if (committed.position < low || committed.position > high) {
      stats.partition(actor.name, committed.topic, committed.partition).outOfRange += 1
      const gap =
        committed.position < low ? `offsets ${committed.position} to ${low - 1} are gone` : 'the log is shorter'
      const message = `the committed position ${committed.position} of ${name} is outside its log (${low} to ${high}): ${gap}`
      if (actor.outOfRange === 'fail') throw new TroupeError('OFFSET_OUT_OF_RANGE', message)
      if (actor.outOfRange === 'earliest' && committed.position > high && this.#options.keepsState(actor.name)) {
        throw new TroupeError(
          'STATE_AHEAD',
          `${message}. The state of actor ${actor.name} has all below the position, so from the earliest it would get that twice`,
        )
      }
      log.error({ partition: name, low, high, position: committed.position, policy: actor.outOfRange }, message)
      // Of the very same topic, of which the oldest is gone, what was finished further on still is.
      const isSame = topic !== undefined && told !== null && told.id !== 0 && topic.described.id !== null
      if (actor.outOfRange === 'earliest' && isSame && committed.position < low) {
        const map = this.#mapOf(committed, committed.position, high, actor)?.from(low) ?? null
        if (map !== null) return { ...old, position: low, map, from: 'earliest' }
      }
      return { ...old, position: null, map: null, from: actor.outOfRange }
    }
    const map = this.#mapOf(committed, committed.position, high, actor)
    // Of an earlier version, or set by a tool.
    const lacksOrigin = told === null && (map !== null || committed.metadata === '')
    const isNew = lacksOrigin && topic !== undefined && topic.origin.id !== 0
    return { origin, isNew, position: committed.position, map, from: 'earliest' }
  }

  /**
   * Nothing is committed. `latest` belongs to partitions that were there when the group began. As a number,
   * because it holds from now on: what comes before the first commit must not be skipped after a restart.
   */
  async #firstOf(
    at: TopicPartition,
    actor: ResolvedActor,
    topic: Topic | undefined,
  ): Promise<Pick<Beginning, 'position' | 'map' | 'from'> & { readonly isNew?: boolean }> {
    if (actor.startFrom === 'earliest' || topic === undefined) {
      return { position: null, map: null, from: actor.startFrom }
    }
    const { low, high } = await this.#options.consumer.watermarks(at)
    if (at.partition < topic.origin.partitions) return { position: high, map: null, from: 'latest', isNew: true }
    this.#options.log.info(
      { partition: partitionName(at), begins: low },
      `${partitionName(at)} was added after the group had begun: it is read from its beginning`,
    )
    return { position: low, map: null, from: 'earliest', isNew: true }
  }

  #mapOf(committed: CommittedPosition, position: number, end: number, actor: ResolvedActor): CompletionMap | null {
    const { foreignMetadata, log, stats } = this.#options
    const decoded = decodeCompletionMap(committed.metadata, { position, end })
    if (decoded.kind === 'map') return decoded.map
    if (decoded.kind === 'none') return null
    stats.partition(actor.name, committed.topic, committed.partition).foreignMetadata += 1
    const reason = decoded.kind === 'newer' ? `it is of version ${decoded.version}` : decoded.reason
    const message = `the commit's metadata of ${partitionName(committed)} is no completion map (${decoded.kind}): ${reason}`
    if (foreignMetadata === 'fail') throw new TroupeError('COMPLETION_MAP_UNREADABLE', message)
    log.warn(
      { partition: partitionName(committed), position },
      `${message}; records beyond the position are handled again`,
    )
    return null
  }
}

function checkpointIn(committed: CommittedPosition | undefined): CommittedCheckpoint {
  const position = committed?.position ?? null
  if (committed === undefined || position === null) return { isCommitted: false, checkpoint: null }
  return { isCommitted: true, checkpoint: checkpointOf(committed.metadata, position) }
}

/** What these commits tell of the origin of each topic. */
function originsIn(committed: readonly CommittedPosition[]): ReadonlyMap<string, readonly TopicOrigin[]> {
  const told = new Map<string, TopicOrigin[]>()
  for (const { topic, metadata, position } of committed) {
    const origin = position === null ? null : decodeOrigin(metadata, position)
    if (origin !== null) told.set(topic, [...(told.get(topic) ?? []), origin])
  }
  return told
}
