/** Counts and tells what went wrong with the records of one partition actor: numbers for /metrics, lines for the log. */
import { TroupeError, describeError, describeWire, failureCode, ownCode, type WireError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { ActorStats } from '../metrics/stats.ts'
import type { ResolvedActor } from '../options/options.ts'
import type { Invocation } from './invocation.ts'
import { idOf } from '../streams/record-id.ts'
import type { Fault, Halt, Park, Retry, SkipFailed } from './triage.ts'

export interface FailureNotesOptions {
  readonly actor: ResolvedActor
  readonly actorStats: ActorStats
  readonly log: Log
}

export class FailureNotes {
  readonly #actor: ResolvedActor
  readonly #stats: ActorStats
  readonly #log: Log

  constructor({ actor, actorStats, log }: FailureNotesOptions) {
    this.#actor = actor
    this.#stats = actorStats
    this.#log = log
  }

  /** An attempt has failed. */
  noteAttempt(error: WireError): void {
    this.#stats.failures.add(failureCode(error))
  }

  noteRetry({ record, attempt }: Invocation, { delayMs, error }: Retry): void {
    this.#log.debug(
      { id: idOf(record), attempt, delayMs: Math.round(delayMs), error: describeWire(error) },
      'an attempt failed; the record is tried again',
    )
  }

  noteParked(invocation: Invocation, park: Park): void {
    this.#log.warn(
      faultFields(invocation, park),
      'a record failed for good and is parked; its key waits for `troupe decide`',
    )
  }

  noteSkipped(invocation: Invocation, fault: SkipFailed): void {
    const count = this.#stats.skippedFailures.add(fault.code)
    this.#tellNowAndThen(invocation, fault, count, 'skipped by actor')
  }

  /** The error that says what the actor stopped on. */
  noteHalt({ record }: Invocation, { code, reason }: Halt): TroupeError {
    const id = idOf(record)
    const halt = new TroupeError(code, `the actor stopped on record ${id}: ${reason}`)
    this.#log.error({ id, code: halt.code, action: halt.action }, describeError(halt))
    return halt
  }

  /** Its letter is durable. */
  noteDeadLettered(invocation: Invocation, fault: Fault): void {
    const count = this.#stats.deadLetters.add(fault.code)
    this.#tellNowAndThen(invocation, fault, count, 'dead-lettered by actor')
  }

  /** The 1st, 10th, 100th, … of each code: a mistake in a handler must not go by in silence, nor flood the log. */
  #tellNowAndThen(invocation: Invocation, fault: Fault, count: number, what: string): void {
    if (!Number.isInteger(Math.log10(count))) return
    const { name } = this.#actor
    this.#log.warn(
      { actor: name, ...faultFields(invocation, fault), count },
      `${count} ${what} ${name} with ${fault.code} so far`,
    )
  }
}

function faultFields({ attempt, record }: Invocation, { code, error }: Fault): object {
  return { id: idOf(record), code, errorCode: ownCode(error), attempts: attempt, error: describeWire(error) }
}
