/**
 * Runs a handler as the engine does (decode, handle, encode), without broker, threads or retries.
 *
 * A value goes through the input's codec to bytes and back, so the handler sees what it would see in
 * production. Outputs are encoded too: one that cannot be, or that goes to a destination the
 * handler does not declare, fails in the test rather than in the dead-letter topic.
 */
import type { BatchHandler } from '../actors/handlers/batch-handler.ts'
import type { AnyRecordHandler, Handler, HandlerContext, Outcome } from '../actors/handlers/handler.ts'
import { deadLetter, isOutcome } from '../actors/handlers/handler.ts'
import { HandlerRunner } from '../actors/handlers/handler-runner.ts'
import { schemasOf } from '../actors/handlers/handler-schemas.ts'
import { loadShared } from '../actors/handlers/shared-data.ts'
import { systemClock } from '../clock.ts'
import { fromWireError } from '../errors.ts'
import { silentLog } from '../log.ts'
import { changesOf } from '../actors/handlers/verdict.ts'
import type { DeclaredStates } from '../state/declared-state.ts'
import type { Destination, Key, KeyGiven } from '../streams/flows/flow.ts'
import type { SourceRecord } from '../streams/record.ts'
import type { Operator } from '../operators/operator.ts'
import { OperatorUnderTest, type OperatorHarness } from './operator-harness.ts'
import { HarnessState, type HarnessValues } from './harness-state.ts'
import { BatchHandlerHarness, type BatchHarness } from './batch-harness.ts'
import { LocalSchemas } from './local-schemas.ts'
import { RecordMaker, bytesOf, reasonOf, type HarnessOptions, type SendOptions } from './record-maker.ts'

export type { HarnessOptions, SendOptions } from './record-maker.ts'

/** What harnesses of all kinds have. */
export interface StateHarness<GivenKey = Key> {
  /**
   * What the handler keeps under this name. As after a commit: what a failed attempt has set is not there.
   */
  state(name: string): HarnessValues<GivenKey>
  /** Stream time goes on to this, in all partitions that had a record: what has been kept for longer than its `ttlMs` is gone. */
  advanceTo(streamTime: number): void
}

export interface Harness<Value, GivenKey = Key> extends StateHarness<GivenKey> {
  /**
   * What the handler says of this value. Rejects with what it throws, with SETUP_FAILED, and with
   * ENCODE_FAILED or OUTCOME_INVALID where the engine would dead-letter the record for a mistake of
   * the handler.
   */
  send(value: Value, options?: SendOptions<GivenKey>): Promise<Outcome>
  /** The same for raw bytes. What does not decode is a dead letter, as in the engine. null is a tombstone. */
  sendBytes(bytes: Uint8Array | null, options?: SendOptions<GivenKey>): Promise<Outcome>
  /** For how many milliseconds the handler has asked to slow down, by `context.throttle`: each time, in order. */
  readonly throttles: readonly number[]
  /** Runs the handler's teardown. */
  close(): Promise<void>
}

/**
 * A handler under test. Its set-up runs once, before the first record.
 *
 * @example
 * const harness = createHarness(enrich)
 * expect(await harness.send({ ...click, ip: 'nowhere' })).toEqual(deadLetter('not an address: nowhere'))
 *
 * @example
 * const harness = createHarness(postAll) // a batch handler
 * expect(await harness.sendAll([order, unknown])).toEqual([done(), deadLetter('no such customer')])
 *
 * @example
 * const harness = createHarness(salesPerMinute) // an aggregation
 * await harness.send(order, { key: 'north', timestamp: minute })
 * expect((await harness.advanceTo(minute + 70_000)).outputs).toEqual([sales.record({ total: 12 }, { key: 'north', timestamp: minute })])
 */
export function createHarness<Value, Setup, KeyValue, States extends DeclaredStates>(
  handler: Handler<Value, Setup, readonly Destination[], KeyValue, States>,
  options?: HarnessOptions,
): Harness<Value, KeyGiven<KeyValue>>
export function createHarness<Value, Setup, KeyValue, States extends DeclaredStates>(
  handler: BatchHandler<Value, Setup, readonly Destination[], KeyValue, States>,
  options?: HarnessOptions,
): BatchHarness<Value, KeyGiven<KeyValue>>
export function createHarness(operator: Operator, options?: HarnessOptions): OperatorHarness
export function createHarness<Value, Setup>(
  handler:
    | Handler<Value, Setup, readonly Destination[], unknown>
    | BatchHandler<Value, Setup, readonly Destination[], unknown>
    | Operator,
  options: HarnessOptions = {},
): Harness<Value, unknown> | BatchHarness<Value, unknown> | OperatorHarness {
  if (handler.kind === 'operator') return new OperatorUnderTest(handler, options)
  return handler.kind === 'batch-handler'
    ? new BatchHandlerHarness(handler, options)
    : new HandlerHarness(handler, options)
}

/** What became of a handler's call, before the engine makes a verdict of it. */
type Call =
  { readonly type: 'returned'; readonly outcome: Outcome } | { readonly type: 'threw'; readonly error: unknown }

class HandlerHarness<Value, Setup> implements Harness<Value, unknown> {
  readonly #handler: Handler<Value, Setup, readonly Destination[], unknown>
  readonly #options: HarnessOptions
  readonly throttles: number[] = []
  readonly #calls = new WeakMap<SourceRecord, Call>()
  #runner: Promise<HandlerRunner> | null = null
  readonly #records: RecordMaker<Value>
  readonly #schemas: LocalSchemas
  readonly #state: HarnessState

  constructor(handler: Handler<Value, Setup, readonly Destination[], unknown>, options: HarnessOptions) {
    this.#handler = handler
    this.#options = options
    this.#schemas = new LocalSchemas(schemasOf(handler))
    this.#records = new RecordMaker(handler.input, this.#schemas)
    this.#state = new HarnessState(handler.state ?? {})
  }

  async send(value: Value, options: SendOptions<unknown> = {}): Promise<Outcome> {
    return await this.sendBytes(bytesOf(this.#handler.input, value, this.#schemas), options)
  }

  async sendBytes(bytes: Uint8Array | null, options: SendOptions<unknown> = {}): Promise<Outcome> {
    const record = this.#records.next(bytes, options)
    this.#runner ??= this.#open()
    const runner = await this.#runner
    const verdict = await runner.run(record, options.attempt ?? 1, undefined, 0, this.#state.attempt(record))
    this.#state.take(record, changesOf(verdict))
    const call = this.#calls.get(record)
    if (call?.type === 'threw') throw call.error
    // The engine's own word counts where the handler was not asked, or gave no answer in time, or one
    // that cannot be taken.
    if (call === undefined && verdict.type === 'dead-letter') return deadLetter(reasonOf(verdict.error))
    const isRefused =
      verdict.type === 'dead-letter' && !(isOutcome(call?.outcome) && call.outcome.type === 'dead-letter')
    if (call === undefined || isRefused) {
      throw 'error' in verdict && verdict.error !== undefined ? fromWireError(verdict.error) : new Error(verdict.type)
    }
    return call.outcome
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

  async #open(): Promise<HandlerRunner> {
    const { handlerTimeoutMs = 5_000, log = silentLog } = this.#options
    const shared = await loadShared(this.#options.shared ?? {})
    const handler = { ...this.#handler, handle: this.#watch } as unknown as AnyRecordHandler
    const runner = await HandlerRunner.open({
      handler,
      name: this.#handler.name ?? 'handler',
      handlerTimeoutMs,
      idHeader: false,
      log,
      clock: systemClock,
      schemas: this.#schemas,
      shared,
    })
    runner.onThrottle = (forMs) => this.throttles.push(forMs)
    return runner
  }

  /** Calls the handler and notes what it said. Stays synchronous for a handler that is. */
  readonly #watch = (value: Value, context: HandlerContext<Setup>): Outcome | Promise<Outcome> => {
    const note = (call: Call): void => {
      this.#calls.set(context.record, call)
    }
    try {
      const outcome = this.#handler.handle(value, context)
      if (!(outcome instanceof Promise)) {
        note({ type: 'returned', outcome })
        return outcome
      }
      return outcome.then(
        (settled) => {
          note({ type: 'returned', outcome: settled })
          return settled
        },
        (error: unknown) => {
          note({ type: 'threw', error })
          throw error
        },
      )
    } catch (error) {
      note({ type: 'threw', error })
      throw error
    }
  }
}
