/**
 * Decides what becomes of a record whose attempt has failed: another attempt, or what the policies
 * say of a record that failed for good; and tells of it. The partition actor keeps the lanes and does the rest.
 */
import type { Clock } from '../clock.ts'
import type { ErrorCode, TroupeError, WireError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { ResolvedActor } from '../options/options.ts'
import { codeLabel } from '../metrics/code-tally.ts'
import type { ActorStats, PartitionStats } from '../metrics/stats.ts'
import type { FailedRecords } from './handlers/handler.ts'
import { idOf, type Invocation } from './invocation.ts'
import type { Lane } from './lanes.ts'
import type { Outbox } from './outbox.ts'
import type { ParkingLot } from './parking-lot.ts'
import { retryDelayMs } from './retry.ts'

export interface TriageOptions {
  readonly actor: ResolvedActor
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
  readonly stats: PartitionStats
  readonly actorStats: ActorStats
  readonly parking: ParkingLot
  readonly outbox: Outbox
  /** False while the actor ends: then nothing is parked any more. */
  readonly isRunning: () => boolean
  readonly onSkip: (invocation: Invocation) => void
  /** The actor stops on the record. Returns the error that says so. */
  readonly onHalt: (invocation: Invocation, reason: string, code: ErrorCode) => TroupeError
  readonly onEscalate: (error: TroupeError) => void
}

/** How long the lane of a parked record waits: nothing but a decision ends it. */
export const UNTIL_DECIDED: number = Number.POSITIVE_INFINITY

export class Triage {
  readonly #options: TriageOptions

  constructor(options: TriageOptions) {
    this.#options = options
  }

  /** Another attempt while there are some left. Returns how long the lane waits; null: it goes on, or ends. */
  retry(invocation: Invocation, lane: Lane, error: WireError, ownDelayMs: number | undefined): number | null {
    const { actor, actorStats, clock, log, random, stats } = this.#options
    if (invocation.attempt >= actor.retry.attempts) return this.giveUp(invocation, lane, actor.failedRecords, error)
    actorStats.failures.add(error.code)
    this.#noteFailure(invocation, error)
    const delayMs = retryDelayMs(actor.retry, invocation.attempt, ownDelayMs, random)
    log.debug(
      { id: idOf(invocation.record), attempt: invocation.attempt, delayMs, error: describeWire(error) },
      'an attempt failed; the record is tried again',
    )
    invocation.attempt += 1
    invocation.stage = 'waiting'
    invocation.nextAttemptAtMs = clock.now() + delayMs
    stats.retries += 1
    return delayMs
  }

  /** The attempt was the last one. Returns how long the lane waits; null: it goes on, or ends. */
  giveUp(invocation: Invocation, lane: Lane, policy: FailedRecords, error: WireError): number | null {
    this.#options.actorStats.failures.add(error.code)
    return this.#applyPolicy(invocation, lane, policy, error)
  }

  /** A sink has refused an output of it for good. Its key has gone on: no lane waits. */
  noteRefusedOutput(invocation: Invocation, error: WireError): void {
    this.#applyPolicy(invocation, null, this.#options.actor.failedRecords, error)
  }

  /** A dead letter that the broker refuses is the end of the line: the record stays unfinished. */
  noteRefusedLetter(invocation: Invocation, error: WireError): void {
    const { actor, onHalt } = this.#options
    const reason = `the dead-letter topic ${actor.deadLetter} refuses it: ${describeWire(error)}`
    if (actor.failedRecords === 'park') this.#park(invocation, null, { ...error, message: reason })
    else onHalt(invocation, reason, 'NO_DEAD_LETTER_TOPIC')
  }

  /** Its letter is durable. The 1st, 10th, 100th, … of each kind is logged: a mistake in a handler must not go by in silence, nor flood the log. */
  noteDeadLettered(invocation: Invocation, error: WireError): void {
    const { actor, actorStats, log, stats } = this.#options
    const label = codeLabel(error.code)
    stats.deadLettered += 1
    const count = actorStats.deadLetters.add(error.code)
    if (!Number.isInteger(Math.log10(count))) return
    log.warn(
      { actor: actor.name, id: idOf(invocation.record), code: error.code ?? label, count, error: error.message },
      `${count} dead-lettered by actor ${actor.name} with ${label} so far`,
    )
  }

  deadLetter(invocation: Invocation, error: WireError): void {
    const { actor, onHalt, outbox } = this.#options
    if (actor.deadLetter !== null) {
      outbox.deadLetter(invocation, actor.deadLetter, error)
      return
    }
    const reason = `it failed for good and actor ${actor.name} has no dead-letter topic: ${describeWire(error)}`
    onHalt(invocation, reason, 'NO_DEAD_LETTER_TOPIC')
  }

  #applyPolicy(invocation: Invocation, lane: Lane | null, policy: FailedRecords, error: WireError): number | null {
    const { log, onEscalate, onHalt, onSkip } = this.#options
    this.#noteFailure(invocation, error)
    switch (policy) {
      case 'dead-letter':
        this.deadLetter(invocation, error)
        return null
      case 'skip':
        log.debug({ id: idOf(invocation.record), error: describeWire(error) }, 'a failed record is skipped')
        onSkip(invocation)
        return null
      case 'park':
        this.#park(invocation, lane, error)
        return UNTIL_DECIDED
      case 'stop':
        onHalt(invocation, `its policy is to stop on it: ${describeWire(error)}`, 'ACTOR_STOPPED')
        return null
      case 'escalate':
        onEscalate(onHalt(invocation, `its policy is to end the supervisor: ${describeWire(error)}`, 'ESCALATED'))
        return null
    }
  }

  /** While the actor ends the record just stays unfinished, for the next owner. */
  #park(invocation: Invocation, lane: Lane | null, error: WireError): void {
    const { clock, isRunning, log, parking } = this.#options
    if (!isRunning()) return
    parking.park({ invocation, lane, error, sinceMs: clock.now() })
    log.warn(
      { id: idOf(invocation.record), attempts: invocation.attempt, error: describeWire(error) },
      'a record failed for good and is parked; its key waits for `troupe decide`',
    )
  }

  #noteFailure(invocation: Invocation, error: WireError): void {
    const now = this.#options.clock.now()
    invocation.failure = { firstAtMs: invocation.failure?.firstAtMs ?? now, atMs: now, error }
  }
}

function describeWire(error: WireError): string {
  return error.cause === undefined ? error.message : `${error.message}: ${describeWire(error.cause)}`
}
