/**
 * Runs a user's handler on one record and turns whatever happens into a verdict: decode, handle,
 * encode. The same code on a worker thread and on main, so a handler cannot tell them apart.
 *
 * A call that returned a promise is
 * - RUNNING   until `handlerTimeoutMs`. Its outcome counts. → OVER, OVERDUE.
 * - OVERDUE   its signal is aborted, and the verdict is the time-out, whatever it brings. It is waited for as long again, so
 *             that a retry does not run beside it. → OVER, LEFT OVER.
 * - LEFT OVER given up: the verdict is told while it goes on. It is counted until it ends. → OVER.
 */
import {
  RetryableError,
  TroupeError,
  describeError,
  isRetryableError,
  isTerminalError,
  isTroupeError,
  toWireError,
} from '../../errors.ts'
import type { Clock } from '../../clock.ts'
import type { Log } from '../../log.ts'
import { EffectEncoder, type EncodedEffect } from '../../streams/flows/flow.ts'
import type { SourceRecord } from '../../streams/record.ts'
import { ErrorPolicy } from './error-policy.ts'
import { isOutcome, type FailedRecords, type Handler, type HandlerContext, type Outcome } from './handler.ts'
import { sharedBy, type SharedData } from './shared-data.ts'
import { doneWithNothing, finalFailure, skipVerdict, type Verdict } from './verdict.ts'

export interface HandlerRunnerOptions {
  readonly handler: Handler
  readonly name: string
  readonly handlerTimeoutMs: number
  /** Adds the header `troupe-id` to each output record: `topic/partition/offset/outputIndex`. */
  readonly idHeader: boolean
  /** What becomes of a record that no attempt will change; `dead-letter` unless given. */
  readonly failedRecords?: FailedRecords
  readonly log: Log
  readonly clock: Clock
  /** What the app shares; nothing unless given. */
  readonly shared?: SharedData
}

/** Is told of records whose signal was aborted. */
export interface OverdueNotes {
  noteOverdue(index: number): void
}

/** How often to warn while one call after the other is given up. */
const WARNING_INTERVAL_MS = 60_000

export class HandlerRunner {
  /** Set by whoever counts what is in progress: one more call was given up and still runs (1), or one of those has ended (-1). */
  onLeftOver: (change: 1 | -1) => void = () => undefined
  #leftOverCalls = 0
  /** Each ends the wait for a call that is overdue. */
  readonly #overdue = new Set<() => void>()
  #warnedAtMs = Number.NEGATIVE_INFINITY
  #isClosed = false
  readonly #options: HandlerRunnerOptions
  readonly #encoder: EffectEncoder
  readonly #setup: unknown
  readonly #errorPolicy: ErrorPolicy

  private constructor(options: HandlerRunnerOptions, setup: unknown) {
    this.#options = options
    this.#encoder = new EffectEncoder(options.handler.outputs ?? [])
    this.#setup = setup
    this.#errorPolicy = new ErrorPolicy(options.handler.onError, options.name)
  }

  /** Runs the handler's setup. Rejects with SETUP_FAILED. */
  static async open(options: HandlerRunnerOptions): Promise<HandlerRunner> {
    try {
      const setup = await options.handler.setup?.({ log: options.log, shared: sharedBy(options.shared ?? {}) })
      return new HandlerRunner(options, setup)
    } catch (error) {
      const message = `setup of handler ${options.name} failed: ${describeError(error)}`
      throw new TroupeError('SETUP_FAILED', message, { cause: error })
    }
  }

  get name(): string {
    return this.#options.name
  }

  /** Calls that were given up and have not ended. */
  get leftOverCalls(): number {
    return this.#leftOverCalls
  }

  /** Runs the handler's teardown. From now on nobody waits for a call that is overdue. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const endWait of this.#overdue) endWait()
    this.#overdue.clear()
    try {
      await this.#options.handler.teardown?.(this.#setup)
    } catch (error) {
      throw new Error(`teardown of handler ${this.#options.name} failed`, { cause: error })
    }
  }

  /**
   * A promise only when the handler itself is asynchronous. Never throws and never rejects. `notes`, where there are
   * some, know the record by `index`.
   */
  run(record: SourceRecord, attempt: number, notes?: OverdueNotes, index = 0): Verdict | Promise<Verdict> {
    const context = new RecordContext(record, attempt, this.#setup, this.#options.log)
    try {
      const value = this.#decode(record)
      const outcome = this.#options.handler.handle(value, context)
      if (outcome instanceof Promise) return this.#settle(outcome, context, notes, index)
      // Promises of other makes (a query builder, say) are no outcomes either.
      if (isThenable(outcome)) return this.#settle(Promise.resolve(outcome), context, notes, index)
      return this.#encode(outcome, record)
    } catch (error) {
      return this.#judge(error, context)
    }
  }

  /** One promise a record: `Promise.race` and its like would make six. */
  #settle(
    outcome: Promise<Outcome>,
    context: RecordContext,
    notes: OverdueNotes | undefined,
    index: number,
  ): Promise<Verdict> {
    const { clock, handlerTimeoutMs } = this.#options
    return new Promise((resolve) => {
      let stage: 'running' | 'overdue' | 'left-over' | 'over' = 'running'
      let timeOut: Verdict
      let endWait: () => void
      let cancelTimer = clock.after(handlerTimeoutMs, () => {
        timeOut = this.#timeOutOf(context)
        if (this.#isClosed) {
          stage = 'over'
          resolve(timeOut)
        } else {
          stage = 'overdue'
          notes?.noteOverdue(index)
          endWait = () => {
            cancelTimer()
            stage = 'over'
            resolve(timeOut)
          }
          this.#overdue.add(endWait)
          cancelTimer = clock.after(handlerTimeoutMs, () => {
            this.#overdue.delete(endWait)
            stage = 'left-over'
            this.#giveUp(context)
            resolve(timeOut)
          })
        }
        context.abort()
      })
      /** The handler has ended. False: too late, its result is ignored. */
      const isInTime = (): boolean => {
        const before = stage
        stage = 'over'
        if (before === 'over') return false
        if (before === 'left-over') {
          this.#noteLeftOver(-1)
          return false
        }
        cancelTimer()
        if (before === 'running') return true
        this.#overdue.delete(endWait)
        resolve(timeOut)
        return false
      }
      const fail = (error: unknown): void => {
        if (isInTime()) resolve(this.#judge(error, context))
      }
      try {
        outcome.then((settled) => {
          if (isInTime()) resolve(this.#conclude(settled, context))
        }, fail)
      } catch (error) {
        // A Promise of somebody's own class may throw here.
        fail(error)
      }
    })
  }

  #timeOutOf(context: RecordContext): Verdict {
    const { handlerTimeoutMs, name } = this.#options
    const { attempt, id } = context
    const message = `handler ${name} did not return within ${handlerTimeoutMs} ms on record ${id} (attempt ${attempt})`
    return this.#judge(new TroupeError('HANDLER_TIMEOUT', message), context)
  }

  /** Nobody waits for this call any more, and nobody can end it. */
  #giveUp({ attempt, id }: RecordContext): void {
    const { clock, handlerTimeoutMs, log, name } = this.#options
    this.#noteLeftOver(1)
    const nowMs = clock.now()
    if (nowMs - this.#warnedAtMs < WARNING_INTERVAL_MS) return
    this.#warnedAtMs = nowMs
    log.warn(
      { id, attempt, leftOverCalls: this.#leftOverCalls },
      `handler ${name} has ignored its abort signal for ${handlerTimeoutMs} ms: the attempt is given up, its call takes a place until it ends`,
    )
  }

  #noteLeftOver(change: 1 | -1): void {
    this.#leftOverCalls += change
    this.onLeftOver(change)
  }

  #conclude(outcome: Outcome, context: RecordContext): Verdict {
    try {
      return this.#encode(outcome, context.record)
    } catch (error) {
      return this.#judge(error, context)
    }
  }

  #decode(record: SourceRecord): unknown {
    const { input } = this.#options.handler
    if (record.value === null) {
      if (input.tombstones) return null
      throw new TroupeError(
        'DECODE_FAILED',
        `topic ${record.topic} has a tombstone (null value) at partition ${record.partition}, offset ${record.offset}, ` +
          'and is declared without `tombstones: true`',
      )
    }
    let value: unknown
    try {
      value = input.codec.decode(record.value)
    } catch (error) {
      throw new TroupeError('DECODE_FAILED', `the value is not what codec ${input.codec.name} expects`, {
        cause: error,
      })
    }
    if (value === null && input.tombstones) {
      throw new TroupeError(
        'DECODE_FAILED',
        `the value is a document that codec ${input.codec.name} reads as null, and on a topic with tombstones null is the ` +
          'tombstone: let the codec (`check` of json) return something else for it',
      )
    }
    return value
  }

  #encode(outcome: unknown, record: SourceRecord): Verdict {
    if (!isOutcome(outcome)) {
      const returned = outcome === undefined ? 'nothing' : typeof outcome
      throw new TroupeError(
        'OUTCOME_INVALID',
        `handler ${this.#options.name} returned ${returned} instead of an outcome`,
      )
    }
    switch (outcome.type) {
      case 'done':
        return this.#encodeEffects(outcome.effects, record)
      case 'skip':
        return skipVerdict
      case 'retry':
        return { type: 'retry', afterMs: delayOf(outcome.afterMs), error: undefined }
      case 'dead-letter':
        return {
          type: 'dead-letter',
          error: { name: 'DeadLetter', code: 'DEAD_LETTER', message: outcome.reason, kind: 'terminal' },
        }
    }
  }

  #encodeEffects(effects: Extract<Outcome, { type: 'done' }>['effects'], record: SourceRecord): Verdict {
    if (effects.length === 0) return doneWithNothing
    const encoded = this.#encodeAll(effects)
    if (!this.#options.idHeader) return { type: 'done', effects: encoded }
    const id = `${record.topic}/${record.partition}/${record.offset}`
    return {
      type: 'done',
      effects: encoded.map((effect, index) => {
        if (effect.type !== 'record') return effect
        const header = ['troupe-id', Buffer.from(`${id}/${index}`, 'latin1')] as const
        return { type: 'record', record: { ...effect.record, headers: [...(effect.record.headers ?? []), header] } }
      }),
    }
  }

  #encodeAll(effects: Extract<Outcome, { type: 'done' }>['effects']): EncodedEffect[] {
    try {
      return effects.map((effect) => this.#encoder.encode(effect))
    } catch (error) {
      // What is no effect at all fails anywhere in the encoder, and no attempt changes it either.
      throw isTroupeError(error) ? error : new TroupeError('ENCODE_FAILED', 'an output is no effect', { cause: error })
    }
  }

  /** Never throws: an error whose getters do is one that no rule can be asked about, and may go well another time. */
  #judge(error: unknown, context: RecordContext): Verdict {
    try {
      return this.#decide(error, context)
    } catch {
      const message = `handler ${this.#options.name} threw an error that throws when it is looked at`
      return { type: 'failed', error: { name: 'Error', message, kind: 'other' } }
    }
  }

  /** An error as a verdict: by the handler's `onError`, else by its own word where it is of one of our classes. */
  #decide(error: unknown, context: RecordContext): Verdict {
    const wire = toWireError(error)
    const retryAfterMs = isRetryableError(error) ? delayOf(error.retryAfterMs) : undefined
    const decision = this.#errorPolicy.decide(error, context)
    if (decision === 'retry') return { type: 'retry', afterMs: retryAfterMs, error: wire }
    if (decision !== undefined) return finalFailure(decision, wire)
    // A TroupeError says itself whether the same thing may go well later: other bytes of a record never come.
    if (isTerminalError(error) || (isTroupeError(error) && !error.retryable)) {
      return finalFailure(this.#options.failedRecords ?? 'dead-letter', wire)
    }
    if (isRetryableError(error)) return { type: 'retry', afterMs: retryAfterMs, error: wire }
    return { type: 'failed', error: wire }
  }
}

function isThenable(value: object | undefined): value is PromiseLike<Outcome> {
  return typeof (value as { readonly then?: unknown } | undefined)?.then === 'function'
}

/** A delay that is no number of milliseconds (NaN, negative) would hold its lane for ever: the back-off serves instead. */
function delayOf(afterMs: number | undefined): number | undefined {
  return afterMs !== undefined && Number.isFinite(afterMs) && afterMs >= 0 ? afterMs : undefined
}

/** One attempt's context. The signal is made when somebody asks: few handlers do, and it costs a microsecond. */
class RecordContext implements HandlerContext<unknown> {
  readonly record: SourceRecord
  readonly attempt: number
  readonly setup: unknown
  readonly log: Log
  #controller: AbortController | null = null

  constructor(record: SourceRecord, attempt: number, setup: unknown, log: Log) {
    this.record = record
    this.attempt = attempt
    this.setup = setup
    this.log = log
  }

  get id(): string {
    return `${this.record.topic}/${this.record.partition}/${this.record.offset}`
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  abort(): void {
    this.#controller ??= new AbortController()
    this.#controller.abort(new RetryableError('nobody waits for this attempt any more'))
  }
}
