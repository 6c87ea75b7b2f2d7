/** What /status says: for each actor what a record costs and what keeps it from doing more, for each partition how far it is and what holds it back. */
import type { WaitingKeys } from '../../actors/lanes/key-brake.ts'
import type { InputProgress } from '../../actors/input-progress.ts'
import type { IntakeStop } from '../../actors/actor-load.ts'
import type { PartitionActor } from '../../actors/partition-actor.ts'
import type { ErrorCode } from '../../errors.ts'
import type { ResolvedActor, ResolvedApp } from '../../options/options.ts'
import type { RestoreDescription } from '../../metrics/restore-stats.ts'
import type { EngineStats } from '../../metrics/stats.ts'
import type { ActorStatus } from './load-watch.ts'
import type { SchemaTrouble, TroubleStatus } from './trouble.ts'
import type { Flow } from './flow.ts'
import { findBlockingRecord, type BlockingRecord, type SinkTrouble } from './blocking-record.ts'

export interface EngineView {
  readonly app: ResolvedApp
  readonly flow: Flow
  readonly nowMs: number
  readonly startedAtMs: number
  /** How much of the time since then this process has seen, who may have stood still. */
  readonly seenSince: (atMs: number) => number
  /** Clock time when nothing of the actor was handed out last, by its rate or a throttle: now, while it is so. null: it never was. */
  readonly heldBackAtMs: (actor: ResolvedActor) => number | null
  readonly state: 'starting' | 'running' | 'stopping' | 'ended'
  readonly isRestarting: boolean
  /** Clock time of the last poll that came back; null before the first membership. */
  readonly lastPollAtMs: number | null
  /** As many records are asked for as there are. */
  readonly isReading: boolean
  /** Clock time since when the group has to say which partitions are ours; null: it has. */
  readonly groupWaitSinceMs: number | null
  readonly recordsInFlight: number
  readonly bytesInFlight: number
  readonly actors: readonly PartitionActor[]
  readonly troubles: readonly SinkTrouble[]
  /** Why schemas are waited for; null: none are, or they come. */
  readonly schemaTrouble: SchemaTrouble | null
  readonly stats: EngineStats
}

export interface PartitionStatus {
  readonly actor: string
  readonly topic: string
  readonly partition: number
  readonly epoch: number
  readonly safePosition: number | null
  readonly committedPosition: number | null
  readonly lag: number | null
  readonly inFlight: number
  readonly isPaused: boolean
  /** Why it takes in nothing; empty: it does. `limit`: it holds as much as it may. */
  readonly intakeStoppedBy: readonly (IntakeStop | 'user' | 'limit')[]
  /** The record that the safe position waits for; null: nothing is in flight. */
  readonly waitsFor: BlockingRecord | null
  /** Records of keys whose first record waits, for its retry, for a schema, or parked; null: there are none. */
  readonly waitingKeys: WaitingKeys | null
  /** How far its state has come back from its changelog; null: it has, or its actor keeps none. */
  readonly restoring: RestoreDescription | null
  /** Why the partition goes no further by itself; null: it does. */
  readonly halted: {
    readonly record: string
    /** `NO_DEAD_LETTER_TOPIC`, `ACTOR_STOPPED`, … (docs/errors.md). */
    readonly code: ErrorCode
    readonly reason: string
    readonly forMs: number
  } | null
}

export interface EngineStatus {
  readonly state: EngineView['state'] | 'restarting'
  readonly group: string
  readonly uptimeMs: number
  readonly recordsInFlight: number
  readonly bytesInFlight: number
  readonly totals: {
    readonly received: number
    readonly done: number
    readonly skipped: number
    readonly deadLettered: number
    readonly retries: number
  }
  readonly sinks: readonly {
    readonly name: string
    readonly queued: number
    readonly isAvailable: boolean
    readonly trouble: string | null
  }[]
  readonly threads: EngineStats['threads']
  /** What does not get done, as /healthz says it. */
  readonly troubles: readonly TroubleStatus[]
  readonly actors: readonly ActorStatus[]
  /** What each of them reads, keeps and writes, those first from which others read; `troupe graph` draws it. */
  readonly flow: Flow
  readonly partitions: readonly PartitionStatus[]
}

export function describeStatus(
  view: EngineView,
  actors: readonly ActorStatus[],
  troubles: readonly TroubleStatus[] = [],
): EngineStatus {
  const { stats } = view
  const totals = { received: 0, done: 0, skipped: 0, deadLettered: 0, retries: 0 }
  for (const partition of stats.partitions()) {
    totals.received += partition.received
    totals.done += partition.done
    totals.skipped += partition.skipped
    totals.deadLettered += partition.deadLettered
    totals.retries += partition.retries
  }
  return {
    state: view.isRestarting ? 'restarting' : view.state,
    group: view.app.kafka.groupId,
    uptimeMs: Math.round(view.nowMs - view.startedAtMs),
    recordsInFlight: view.recordsInFlight,
    bytesInFlight: view.bytesInFlight,
    totals,
    sinks: [...stats.sinks()].map(({ name, queued, isAvailable }) => ({
      name,
      queued,
      isAvailable,
      trouble: view.troubles.find((trouble) => trouble.sink === name)?.reason ?? null,
    })),
    threads: { ...stats.threads },
    troubles,
    actors,
    flow: view.flow,
    partitions: view.actors.flatMap((actor) => actor.inputs.map((input) => describePartition(actor, input, view))),
  }
}

function describePartition(actor: PartitionActor, input: InputProgress, view: EngineView): PartitionStatus {
  const { nowMs, troubles } = view
  const { held, partition, stats, topic, tracker } = input
  const { waitingKeys } = actor
  return {
    actor: actor.actor.name,
    topic,
    partition,
    epoch: actor.epoch,
    safePosition: tracker.safePosition,
    committedPosition: stats.committedPosition,
    lag: stats.lag,
    inFlight: held.count,
    isPaused: stats.isPaused,
    intakeStoppedBy: intakeStopsOf(actor, input),
    waitsFor: findBlockingRecord(actor, input, nowMs, troubles),
    waitingKeys: waitingKeys.records === 0 ? null : waitingKeys,
    restoring: view.stats.restores.of(actor.actor.name, partition)?.describe(nowMs) ?? null,
    halted:
      actor.halt === null
        ? null
        : {
            record: actor.halt.id,
            code: actor.halt.code,
            reason: actor.halt.reason,
            forMs: Math.round(nowMs - actor.halt.sinceMs),
          },
  }
}

export function intakeStopsOf(actor: PartitionActor, input: InputProgress): PartitionStatus['intakeStoppedBy'] {
  const own = actor.intakeStopsOf(input)
  const stops = input.isStoppedByUser ? [...own, 'user' as const] : own
  return stops.length === 0 && input.isPaused ? ['limit'] : stops
}
