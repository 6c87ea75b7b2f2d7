/** Where the actors of partitions begin that were granted: from what the group's last commit says, else by policy. */
import { TroupeError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { EngineStats } from '../metrics/stats.ts'
import type { ResolvedActor } from '../options/options.ts'
import type { BrokerConsumer, CommittedPosition } from '../streams/broker-port.ts'
import { CompletionMap, decodeCompletionMap, type CompletionSnapshot } from '../streams/positions/completion-map.ts'
import type { OffsetTracker } from '../streams/positions/offset-tracker.ts'
import { partitionName, type TopicPartition } from '../streams/record.ts'

export interface BeginningsOptions {
  readonly consumer: BrokerConsumer
  /** The actor of each input topic. */
  readonly actors: ReadonlyMap<string, ResolvedActor>
  readonly log: Log
  readonly stats: EngineStats
  readonly foreignMetadata: 'ignore' | 'fail'
}

/** Of one partition for one epoch: its actor, and where that begins. */
export interface Beginning {
  readonly actor: ResolvedActor
  readonly at: TopicPartition
  /** null: nothing is committed, or it cannot be taken at its word; `from` decides. */
  readonly position: number | null
  readonly map: CompletionMap | null
  readonly from: 'earliest' | 'latest'
}

export class Beginnings {
  readonly #options: BeginningsOptions
  /** What an overtaken revoke had stored, until the assignment that overtook it is taken. */
  readonly #overtaken = new Map<string, CompletionSnapshot>()

  constructor(options: BeginningsOptions) {
    this.#options = options
  }

  /**
   * Nobody else has owned these partitions since, and the assignment that overtook the revoke asks
   * the broker where to begin while the positions stored here may still be on their way: it would
   * begin below them, repeat what is finished and take the commit back.
   */
  noteOvertaken(partitions: readonly (TopicPartition & { readonly tracker: OffsetTracker })[]): void {
    for (const partition of partitions) {
      const snapshot = partition.tracker.snapshot()
      if (snapshot !== null) this.#overtaken.set(partitionName(partition), snapshot)
    }
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
    const committed = await consumer.committed(partitions)
    return await Promise.all(
      committed.map(async (each) => {
        const { topic, partition } = each
        const actor = actors.get(topic)
        if (actor === undefined) throw new TroupeError('INTERNAL', `topic ${topic} was assigned and has no actor`)
        return { actor, at: { topic, partition }, ...(await this.#startOf(each, actor)) }
      }),
    )
  }

  /** Position and map to begin with, by policy where the commit cannot be taken at its word. */
  async #startOf(committed: CommittedPosition, actor: ResolvedActor): Promise<Omit<Beginning, 'actor' | 'at'>> {
    const { consumer, log, stats } = this.#options
    const name = partitionName(committed)
    const own = this.#overtaken.get(name)
    if (own !== undefined && own.position >= (committed.position ?? 0)) {
      return { position: own.position, map: new CompletionMap(own), from: 'earliest' }
    }
    if (committed.position === null) return { position: null, map: null, from: actor.startFrom }
    const { low, high } = await consumer.watermarks(committed)
    if (committed.position < low || committed.position > high) {
      stats.partition(actor.name, committed.topic, committed.partition).outOfRange += 1
      const gap =
        committed.position < low ? `offsets ${committed.position} to ${low - 1} are gone` : 'the log is shorter'
      const message = `the committed position ${committed.position} of ${name} is outside its log (${low} to ${high}): ${gap}`
      if (actor.outOfRange === 'fail') throw new TroupeError('OFFSET_OUT_OF_RANGE', message)
      log.error({ partition: name, low, high, position: committed.position, policy: actor.outOfRange }, message)
      return { position: null, map: null, from: actor.outOfRange }
    }
    return {
      position: committed.position,
      map: this.#mapOf(committed, committed.position, high, actor),
      from: 'earliest',
    }
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
