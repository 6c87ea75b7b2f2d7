/**
 * What one actor is at, at one moment: plain numbers, so that what they mean (`constraint.ts`) can be told and tested
 * without an engine. Taken now and then over all that it owns, never for a record.
 */
import type { HandlerManifest } from '../../actors/handlers/handler-manifest.ts'
import type { AdaptiveStatus } from '../../actors/executors/adaptive-limit.ts'
import type { HeldBack } from '../../actors/executors/allowance.ts'
import type { Dispatcher } from '../../actors/executors/dispatcher.ts'
import type { InputProgress } from '../../actors/input-progress.ts'
import type { ActorLoad, IntakeStop, LargestLane } from '../../actors/actor-load.ts'
import type { PartitionActor } from '../../actors/partition-actor.ts'
import type { ResolvedActor } from '../../options/options.ts'
import type { RestoreDescription } from '../../metrics/restore-stats.ts'
import type { EngineStats } from '../../metrics/stats.ts'
import type { SinkTrouble } from './blocking-record.ts'

export interface PartitionLoad extends ActorLoad {
  readonly topic: string
  readonly partition: number
  /** Records of the log that were not read yet; null: not known. */
  readonly unread: number | null
  /** Why it takes in nothing. `limit`: it holds as much as it may. */
  readonly stops: readonly (IntakeStop | 'user' | 'limit')[]
  /** Looked for only where most of what it holds stands behind others of its lane. */
  readonly largestLane: LargestLane | null
  /** How far its state has come back; null: it has, or there is none. */
  readonly restore: RestoreDescription | null
}

export interface SinkLoad {
  readonly name: string
  /** Outputs that wait or are being written. */
  readonly queued: number
  /** Why it is unavailable; null: it is not. */
  readonly trouble: string | null
}

export interface ActorSample {
  readonly atMs: number
  readonly partitions: readonly PartitionLoad[]
  /** Its executor takes nothing more. */
  readonly isFull: boolean
  /** As many of its records are in progress as its `concurrency` allows. */
  readonly isAtConcurrency: boolean
  /** Nothing of it is handed out now, by its rate or a throttle. null: there is no such reason. */
  readonly heldBack: HeldBack | null
  /** What its limit follows, where its concurrency is adaptive. */
  readonly adaptive: AdaptiveStatus | null
  /** Records that may be in progress at once, and calls that were given up and hold such a place until they end. */
  readonly concurrency: number
  readonly leftOverCalls: number
  /** Read and not finished, over all actors. */
  readonly recordsInFlight: number
  readonly bytesInFlight: number
  /** Those that it writes to. */
  readonly sinks: readonly SinkLoad[]
  /** Share of the time since the sample before that the main thread was busy. */
  readonly loopBusy: number
}

/** What the samples of one moment are taken from. */
export interface LoadView {
  readonly nowMs: number
  readonly actors: readonly PartitionActor[]
  readonly intakeStopsOf: (actor: PartitionActor, input: InputProgress) => PartitionLoad['stops']
  readonly recordsInFlight: number
  readonly bytesInFlight: number
  readonly troubles: readonly SinkTrouble[]
  readonly loopBusy: number
  readonly stats: EngineStats
}

/** What decides how fast an actor may go. */
export interface ActorPace {
  readonly dispatcher: Dispatcher
  readonly adaptive: AdaptiveStatus | null
}

export function sampleActor(
  actor: ResolvedActor,
  sinks: readonly string[],
  { adaptive, dispatcher }: ActorPace,
  view: LoadView,
): ActorSample {
  const { bytesInFlight, loopBusy, nowMs, recordsInFlight, stats, troubles } = view
  const partitions = view.actors
    .filter((owner) => owner.actor.name === actor.name)
    .map((owner) => samplePartition(owner, view))
  const limit = stats.actor(actor.name).concurrencyLimit ?? Number.POSITIVE_INFINITY
  const atHandlers = partitions.reduce((sum, { atHandler }) => sum + atHandler, 0)
  const { leftOverCalls } = stats.actor(actor.name)
  const isAtCheckpoint = partitions.some(({ atCheckpoint }) => atCheckpoint > 0)
  return {
    atMs: nowMs,
    partitions,
    isFull: dispatcher.isFull,
    // On main all that are at a handler are in progress; a thread gets more at once of those that do not wait.
    isAtConcurrency: dispatcher.isAtLimitOf(actor) || (actor.runOn === 'main' && atHandlers + leftOverCalls >= limit),
    heldBack: dispatcher.heldBack(actor),
    adaptive,
    concurrency: limit,
    leftOverCalls,
    recordsInFlight,
    bytesInFlight,
    // A checkpoint is in the brokers' hands also where it has no outputs.
    sinks: [...new Set(isAtCheckpoint ? [...sinks, 'kafka'] : sinks)].map((name) => ({
      name,
      queued: stats.sink(name).queued,
      trouble: troubles.find(({ sink }) => sink === name)?.reason ?? null,
    })),
    loopBusy,
  }
}

/** What it holds is counted for the actor as a whole: with the first of its inputs. */
function samplePartition(owner: PartitionActor, { intakeStopsOf, nowMs, stats: all }: LoadView): PartitionLoad {
  const { load } = owner
  const input = owner.inputs[0]!
  const { partition, stats, topic } = input
  return {
    ...load,
    topic,
    partition,
    unread: stats.unread,
    stops: intakeStopsOf(owner, input),
    largestLane: behindOthers(load) * 2 >= load.held && load.held > 0 ? owner.largestLane : null,
    restore: all.restores.of(owner.actor.name, partition)?.describe(nowMs) ?? null,
  }
}

/** Records that wait for others of their lane, which have not failed. */
export function behindOthers({ atCheckpoint, atHandler, atSinks, held, ready, waiting }: ActorLoad): number {
  return Math.max(0, held - ready - atHandler - atSinks - atCheckpoint - waiting)
}

/** The sinks that an actor writes to, by the names that metrics and /status give them. */
export function sinksOf(actor: ResolvedActor, manifest: HandlerManifest | undefined): readonly string[] {
  const sinks = new Set<string>()
  if (manifest !== undefined && manifest.outputTopics.length > 0) sinks.add('kafka')
  for (const { sink } of manifest?.destinations ?? []) sinks.add(sink)
  if (actor.deadLetter !== null) sinks.add('dead-letters')
  return [...sinks]
}
