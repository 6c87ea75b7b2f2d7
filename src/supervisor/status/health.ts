/**
 * Health is about this process, not about its brokers: a restart would not bring those back. Not
 * healthy is what a restart, or an operator, has to end: a dead poll loop, an actor that stopped on
 * a record, work that goes nowhere, an answer that is overdue.
 *
 * Stalled is not idle: idle has nothing to do. Nor is it what waits for something that is known: a
 * sink that is away (/readyz says so), the next attempt of a record, an operator's word on a parked
 * one, the user who has paused the partition, its rate, a service that has asked to slow down.
 */
import type { PartitionActor } from '../../actors/partition-actor.ts'
import type { EngineView } from './status.ts'

export interface Health {
  readonly healthy: boolean
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
const MAX_LOG_END_AGE_MS = 30_000

export function describeHealth(view: EngineView): Health {
  const reasons: string[] = []
  if (view.state === 'ended') reasons.push('the supervisor has ended')
  if (view.state === 'running' && !view.isRestarting) {
    const ageMs = view.lastPollAtMs === null ? 0 : view.seenSince(view.lastPollAtMs)
    if (ageMs > MAX_POLL_AGE_MS) reasons.push(`the poll loop has not come round for ${seconds(ageMs)}`)
    else reasons.push(...view.actors.flatMap((actor) => describeStuckWork(actor, view)), ...describeDryIntake(view))
  }
  for (const { halt, id } of view.actors) {
    if (halt !== null) reasons.push(`${id} has stopped on record ${halt.id}: ${halt.reason}`)
  }
  reasons.push(...describeLeftOvers(view))
  reasons.push(...view.stats.waits.describeOverdue())
  return { healthy: reasons.length === 0, reasons }
}

/** Nobody can end what ignores its signal, but a restart does. */
function describeLeftOvers({ app, stats }: EngineView): string[] {
  return app.actors.flatMap(({ name }) => {
    const { concurrencyLimit: concurrency, leftOverCalls, leftOverHandler } = stats.actor(name)
    if (concurrency === null || leftOverCalls < concurrency) return []
    const which = `${leftOverCalls} calls of handler ${leftOverHandler ?? name} that were given up and do not end`
    return [`actor ${name} can do nothing: ${which} take all its places (concurrency ${concurrency})`]
  })
}

/** Records in flight, and no attempt ends: neither a retry, nor a sink that is away, nor a parked record, nor a rate or a throttle explains it. */
function describeStuckWork(actor: PartitionActor, { heldBackAtMs, seenSince, troubles }: EngineView): string[] {
  const silentMs = seenSince(Math.max(actor.progressAtMs, heldBackAtMs(actor.actor) ?? 0))
  const canGoOn = actor.hasWorkAtHandler || (actor.hasWorkAtSinks && troubles.length === 0)
  if (actor.halt !== null || !canGoOn || silentMs <= MAX_SILENCE_MS + 2 * actor.actor.handlerTimeoutMs) return []
  return [`${actor.id} has ${actor.heldRecords} records in flight and finished none for ${seconds(silentMs)}`]
}

/**
 * The log has more, there is room for it, and nothing comes. Judged over all partitions: while
 * others bring records a single one may have to wait for its turn. And not while records are ready:
 * threads that have enough are brought no more, and whether they get on is judged by what they have.
 */
function describeDryIntake(view: EngineView): string[] {
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
      return [`${topic}/${partition} has a lag of ${lag} and nothing was read for ${seconds(silentMs)}`]
    })
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`
}
