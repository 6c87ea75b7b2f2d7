/** Runs a batch handler on the records of one call, as the engine does: decode, handle, encode. */
import type {
  AnyBatchHandler,
  BatchContext,
  BatchErrorContext,
  BatchHandler,
  BatchOutcome,
  BatchRecord,
} from '../actors/handlers/batch-handler.ts'
import { BatchRunner } from '../actors/handlers/batch-runner.ts'
import { deadLetter, type Outcome } from '../actors/handlers/handler.ts'
import { schemasOf } from '../actors/handlers/handler-schemas.ts'
import { loadShared } from '../actors/handlers/shared-data.ts'
import { systemClock } from '../clock.ts'
import { TroupeError } from '../errors.ts'
import { silentLog } from '../log.ts'
import { CallState } from '../state/attempt-state.ts'
import { changesOf } from '../actors/handlers/verdict.ts'
import type { Destination, Key } from '../streams/flows/flow.ts'
import type { SourceRecord } from '../streams/record.ts'
import { HarnessState, type HarnessValues } from './harness-state.ts'
import { LocalSchemas } from './local-schemas.ts'
import { RecordMaker, bytesOf, reasonOf, type HarnessOptions, type SendOptions } from './record-maker.ts'

export interface BatchHarness<Value, GivenKey = Key> {
  /**
   * What the handler says of each of these values, in one call and in their order; `options` are those of the value at the
   * same place. Rejects with what the handler throws, with HANDLER_TIMEOUT and SETUP_FAILED, with OUTCOME_INVALID where it
   * says something of too few or too many, and with ENCODE_FAILED where an output cannot be written.
   */
  sendAll(values: readonly Value[], options?: readonly SendOptions<GivenKey>[]): Promise<readonly Outcome[]>
  /** The same for raw bytes. What does not decode is a dead letter, as in the engine, and never reaches the handler. null is a tombstone. */
  sendAllBytes(
    values: readonly (Uint8Array | null)[],
    options?: readonly SendOptions<GivenKey>[],
  ): Promise<readonly Outcome[]>
  /** What the handler keeps under this name. As after a commit: what a failed record has set is not there. */
  state(name: string): HarnessValues<GivenKey>
  /** Stream time goes on to this, in all partitions that had a record: what has been kept for longer than its `ttlMs` is gone. */
  advanceTo(streamTime: number): void
  /** Runs the handler's teardown. */
  close(): Promise<void>
}

/** What became of one call. */
class Call {
  readonly given = new Set<SourceRecord>()
  returned: BatchOutcome | undefined
  /** What was wrong with it, or with what it said of a record: a mistake of the handler, and not of what it was sent. */
  failure: { readonly error: unknown } | null = null
}

export class BatchHandlerHarness<Value, Setup> implements BatchHarness<Value, unknown> {
  readonly #handler: BatchHandler<Value, Setup, readonly Destination[], unknown>
  readonly #options: HarnessOptions
  readonly #records: RecordMaker<Value>
  readonly #schemas: LocalSchemas
  readonly #state: HarnessState
  readonly #calls = new WeakMap<SourceRecord, Call>()
  readonly #bySignal = new WeakMap<AbortSignal, Call>()
  #runner: Promise<BatchRunner> | null = null

  constructor(handler: BatchHandler<Value, Setup, readonly Destination[], unknown>, options: HarnessOptions) {
    this.#handler = handler
    this.#options = options
    this.#schemas = new LocalSchemas(schemasOf(handler))
    this.#records = new RecordMaker(handler.input, this.#schemas)
    this.#state = new HarnessState(handler.state ?? {})
  }

  async sendAll(values: readonly Value[], options: readonly SendOptions<unknown>[] = []): Promise<readonly Outcome[]> {
    const { input } = this.#handler
    return await this.sendAllBytes(
      values.map((value) => bytesOf(input, value, this.#schemas)),
      options,
    )
  }

  async sendAllBytes(
    values: readonly (Uint8Array | null)[],
    options: readonly SendOptions<unknown>[] = [],
  ): Promise<readonly Outcome[]> {
    const records = values.map((value, at) => this.#records.next(value, options[at] ?? {}))
    const call = new Call()
    for (const record of records) this.#calls.set(record, call)
    this.#runner ??= this.#open()
    const runner = await this.#runner
    const states = new CallState()
    const verdicts = await runner.run(
      records.map((record, at) => ({
        record,
        attempt: options[at]?.attempt ?? 1,
        state: this.#state.attemptIn(states, record),
      })),
      undefined,
      states,
    )
    for (const [at, verdict] of verdicts.entries()) this.#state.take(records[at]!, changesOf(verdict))
    if (call.failure !== null) throw call.failure.error
    let next = 0
    return verdicts.map((verdict, at) => {
      if (!call.given.has(records[at]!)) return deadLetter('error' in verdict ? reasonOf(verdict.error!) : verdict.type)
      return this.#outcomeOf(call, next++)
    })
  }

  state(name: string): HarnessValues<unknown> {
    return {
      get: (key, { partition = 0 } = {}) => this.#state.valueOf(name, this.#records.keyOf(key), partition),
    }
  }

  advanceTo(streamTime: number): void {
    this.#state.advanceTo(streamTime)
  }

  async close(): Promise<void> {
    // A set-up that failed has told so where it was asked for, and left nothing to tear down.
    const runner = await this.#runner?.catch(() => null)
    this.#runner = null
    await runner?.close()
  }

  #outcomeOf({ returned }: Call, at: number): Outcome {
    // What is wrong with either has been told by now.
    const outcome = returned instanceof Array ? returned[at] : returned
    if (outcome === undefined) throw new TroupeError('INTERNAL', `a call ended without an outcome for record ${at}`)
    return outcome
  }

  async #open(): Promise<BatchRunner> {
    const { handlerTimeoutMs = 5_000, log = silentLog } = this.#options
    const shared = await loadShared(this.#options.shared ?? {})
    // A handler of this value and set-up, which the runner takes for one of any.
    const handler = { ...this.#handler, handle: this.#watch, onError: this.#noteError } as unknown as AnyBatchHandler
    return await BatchRunner.open({
      handler,
      name: this.#handler.name ?? 'handler',
      handlerTimeoutMs,
      idHeader: false,
      log,
      clock: systemClock,
      schemas: this.#schemas,
      shared,
    })
  }

  /** Records that do not decode are judged before the handler is called, and have no call then. */
  readonly #noteError = (error: unknown, { signal }: BatchErrorContext<Setup>): undefined => {
    const call = this.#bySignal.get(signal)
    if (call !== undefined) call.failure ??= { error }
  }

  /** Calls the handler and notes what it said. Stays synchronous for a handler that is. */
  readonly #watch = (
    records: readonly BatchRecord<Value>[],
    context: BatchContext<Setup>,
  ): BatchOutcome | Promise<BatchOutcome> => {
    const call = this.#calls.get(records[0]!.record)!
    for (const { record } of records) call.given.add(record)
    this.#bySignal.set(context.signal, call)
    const outcome = this.#handler.handle(records, context)
    if (!(outcome instanceof Promise)) {
      call.returned = outcome
      return outcome
    }
    return outcome.then((settled) => {
      call.returned = settled
      return settled
    })
  }
}
