/**
 * Health is about this process, not about its brokers: a restart would not bring those back. Not
 * healthy is what a restart, or an operator, has to end: a dead poll loop, an actor that stopped on
 * a record, work that goes nowhere, an answer that is overdue. What waits for something that is known is
 * trouble of another kind (`trouble.ts`): a sink that is away, the next attempt of a record.
 *
 * Stalled is not idle: idle has nothing to do. Nor is it what an operator or the user holds: a parked record,
 * a paused partition; nor what its rate holds back, or a service that has asked to slow down.
 */
import type { PartitionActor } from '../../actors/partition-actor.ts'
import type { EngineView } from './status.ts'
import type { Trouble } from './trouble.ts'
import { many, seconds, verb } from './wording.ts'

export interface Health {
  /** False: only a restart, or an operator, can help. */
  readonly healthy: boolean
  /** `degraded`: something does not get done, and a restart would not help. */
  readonly status: 'ok' | 'degraded' | 'unhealthy'
  /** What makes it unhealthy comes first. */
  readonly reasons: readonly string[]
}

export interface Readiness {
  readonly ready: boolean
  readonly reasons: readonly string[]
}

/** The loop polls at least ten times a second; this long without one means that it is dead or the event loop is held. */
const MAX_POLL_AGE_MS = 60_000
/** This long without an attempt that ends or a record that comes, on top of what one attempt may take: twice its limit. */
const MAX_SILENCE_MS = 60_000
/** The log's end is asked for every few seconds; an older one says nothing of the brokers now. */
export const MAX_LOG_END_AGE_MS = 30_000

/** Of troubles of all kinds, those that make it unhealthy first. */
export function describeHealth(troubles: readonly Trouble[]): Health {
  const status = healthStatus(troubles)
  return { healthy: status !== 'unhealthy', status, reasons: troubles.map(({ says }) => says) }
}

export function healthStatus(troubles: readonly Trouble[]): Health['status'] {
  if (troubles.some(({ severity }) => severity === 'unhealthy')) return 'unhealthy'
  return troubles.length > 0 ? 'degraded' : 'ok'
}

/** All that only a restart, or an operator, can end. */
export function findIllnesses(view: EngineView): Trouble[] {
  const illnesses: Trouble[] = []
  if (view.state === 'ended') illnesses.push(illness('ended', '', 0, 'the supervisor has ended'))
  if (view.state === 'running' && !view.isRestarting) {
    const ageMs = view.lastPollAtMs === null ? 0 : view.seenSince(view.lastPollAtMs)
    if (ageMs > MAX_POLL_AGE_MS) {
      illnesses.push(illness('poll-loop', '', ageMs, 'the poll loop has not come round', seconds(ageMs)))
    } else {
      illnesses.push(...view.actors.flatMap((actor) => findStuckWork(actor, view)), ...findDryIntake(view))
    }
  }
  for (const { halt, id } of view.actors) {
    if (halt === null) continue
    const what = `${id} has stopped on record ${halt.id}: ${halt.reason}`
    illnesses.push(illness('halted', id, view.nowMs - halt.sinceMs, what))
  }
  illnesses.push(...findLeftOvers(view))
  for (const { about, forMs, kind, says, what } of view.stats.waits.describeOverdue()) {
    illnesses.push({ ...illness('overdue', `${kind} ${about}`.trim(), forMs, what), says })
  }
  return illnesses
}

/** `what`, and where it is no matter of course for how long. */
function illness(kind: Trouble['kind'], about: string, forMs: number, what: string, duration?: string): Trouble {
  const says = duration === undefined ? what : `${what} for ${duration}`
  return { kind, about, severity: 'unhealthy', forMs, says, was: what }
}

/** Nobody can end what ignores its signal, but a restart does. */
function findLeftOvers({ app, stats }: EngineView): Trouble[] {
  return app.actors.flatMap(({ name }) => {
    const { concurrencyLimit: concurrency, leftOverCalls, leftOverHandler } = stats.actor(name)
    if (concurrency === null || leftOverCalls < concurrency) return []
    const calls = `${many(leftOverCalls, 'call')} of handler ${leftOverHandler ?? name}`
    const which = `${calls} that ${verb(leftOverCalls, 'was', 'were')} given up and ${verb(leftOverCalls, 'does', 'do')} not end`
    const what = `actor ${name} can do nothing: ${which} ${verb(leftOverCalls, 'takes', 'take')} all its places (concurrency ${concurrency})`
    return [illness('left-over-calls', name, 0, what)]
  })
}

/** Records in flight, and no attempt ends: neither a retry, nor a sink that is away, nor a parked record, nor a rate or a throttle explains it. */
function findStuckWork(actor: PartitionActor, { heldBackAtMs, seenSince, troubles }: EngineView): Trouble[] {
  const silentMs = seenSince(Math.max(actor.progressAtMs, heldBackAtMs(actor.actor) ?? 0))
  const canGoOn = actor.hasWorkAtHandler || (actor.hasWorkAtSinks && troubles.length === 0)
  if (actor.halt !== null || !canGoOn || silentMs <= MAX_SILENCE_MS + 2 * actor.actor.handlerTimeoutMs) return []
  const what = `${actor.id} has ${many(actor.heldRecords, 'record')} in flight and finished none`
  return [illness('stuck', actor.id, silentMs, what, seconds(silentMs))]
}

/**
 * The log has more, there is room for it, and nothing comes. Judged over all partitions: while
 * others bring records a single one may have to wait for its turn (`silence.ts`). And not while records are ready:
 * threads that have enough are brought no more, and whether they get on is judged by what they have.
 */
function findDryIntake(view: EngineView): Trouble[] {
  const { actors, app, bytesInFlight, nowMs, recordsInFlight, seenSince, troubles } = view
  const hasRoom = recordsInFlight < app.intake.maxRecords && bytesInFlight < app.intake.maxBytes
  const silentMs = Math.min(...actors.map((actor) => seenSince(actor.progressAtMs)))
  if (!hasRoom || troubles.length > 0 || silentMs <= MAX_SILENCE_MS) return []
  if (actors.some(({ readyRecordCount }) => readyRecordCount > 0)) return []
  return actors
    .flatMap(({ inputs }) => inputs)
    .flatMap(({ held, partition, stats, topic }) => {
      const { isPaused, lag, lagSinceMs, logEndAtMs } = stats
      if (isPaused || held.count > 0 || lag === null || lag === 0) return []
      const isSeenNow = logEndAtMs !== null && nowMs - logEndAtMs <= MAX_LOG_END_AGE_MS
      const isSeenForLong = lagSinceMs !== null && seenSince(lagSinceMs) > MAX_SILENCE_MS
      if (!isSeenNow || !isSeenForLong) return []
      const name = `${topic}/${partition}`
      const what = `${name} has a lag of ${lag} and nothing was read`
      return [illness('silence', name, silentMs, what, seconds(silentMs))]
    })
}
