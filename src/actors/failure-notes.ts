/** Counts and tells what went wrong with the records of one partition actor: numbers for /metrics, lines for the log. */
import { TroupeError, describeError, describeWire, type WireError } from '../errors.ts'
import type { Log } from '../log.ts'
import { codeLabel } from '../metrics/code-tally.ts'
import type { ActorStats } from '../metrics/stats.ts'
import type { ResolvedActor } from '../options/options.ts'
import { idOf, type Invocation } from './invocation.ts'
import type { Halt, Park, Retry, SkipFailed } from './triage.ts'

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
    this.#stats.failures.add(error.code)
  }

  noteRetry({ record, attempt }: Invocation, { delayMs, error }: Retry): void {
    this.#log.debug(
      { id: idOf(record), attempt, delayMs: Math.round(delayMs), error: describeWire(error) },
      'an attempt failed; the record is tried again',
    )
  }

  noteParked({ record, attempt }: Invocation, { error }: Park): void {
    this.#log.warn(
      { id: idOf(record), attempts: attempt, error: describeWire(error) },
      'a record failed for good and is parked; its key waits for `troupe decide`',
    )
  }

  noteSkipped({ record }: Invocation, { error }: SkipFailed): void {
    this.#log.debug({ id: idOf(record), error: describeWire(error) }, 'a failed record is skipped')
  }

  /** The error that says what the actor stopped on. */
  noteHalt({ record }: Invocation, { code, reason }: Halt): TroupeError {
    const id = idOf(record)
    const halt = new TroupeError(code, `the actor stopped on record ${id}: ${reason}`)
    this.#log.error({ id, code: halt.code, action: halt.action }, describeError(halt))
    return halt
  }

  /** Its letter is durable. The 1st, 10th, 100th, … of each kind is logged: a mistake in a handler must not go by in silence, nor flood the log. */
  noteDeadLettered({ record }: Invocation, error: WireError): void {
    const { name } = this.#actor
    // By its label: codes that users choose are without number.
    const label = codeLabel(error.code)
    const count = this.#stats.deadLetters.add(error.code)
    if (!Number.isInteger(Math.log10(count))) return
    this.#log.warn(
      { actor: name, id: idOf(record), code: error.code ?? label, count, error: describeWire(error) },
      `${count} dead-lettered by actor ${name} with ${label} so far`,
    )
  }
}
