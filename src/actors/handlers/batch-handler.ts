/**
 * What users write where one call for many records is cheaper than a call for each: a bulk request, a look-up of many keys.
 * A batch handler is `records → an outcome for each of them`. Order, retries, outputs and positions are as for a handler of
 * single records; what a call costs is shared.
 */
import { TroupeError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { DeclaredStates, NoStates, StateOf } from '../../state/declared-state.ts'
import type { Destination, Effect, EffectsOf, Topic } from '../../streams/flows/flow.ts'
import type { SourceRecord } from '../../streams/record.ts'
import { commonKeys, readDefinition } from './handler-shape.ts'
import type { ErrorDecision, Outcome, SetupContext } from './handler.ts'

/** A record of a call, as it came. */
export interface CallRecord {
  /** The record as it came, undecoded. */
  readonly record: SourceRecord
  /** Its bytes. */
  readonly key: Uint8Array | null
  /** `topic/partition/offset`: the same on every attempt and after every restart. */
  readonly id: string
  /** 1 on the first try. */
  readonly attempt: number
}

export interface BatchRecord<Value, KeyValue = unknown, States = NoStates> extends Omit<CallRecord, 'key'> {
  /** As the topic's codec for keys reads it; its bytes, where the topic has none. */
  readonly key: KeyValue | null
  readonly value: Value
  /**
   * What the handler keeps for the record's key. It sees what earlier records of its key in the call have set by then, so go
   * through them in their order; should one of those fail, the later ones of its key go again, since they have seen what does
   * not count.
   */
  readonly state: StateOf<States>
}

export interface BatchContext<Setup> {
  /** What `setup` returned in this thread. */
  readonly setup: Setup
  /** Aborted after `handlerTimeoutMs`: the attempt has failed then, whatever it still brings. A stop or a lost partition aborts nothing. */
  readonly signal: AbortSignal
  readonly log: Log
  /** What it calls says "slow down": nothing more of the actor is handed out for so long (an hour at most); what runs goes on. */
  readonly throttle: (forMs: number) => void
}

export interface BatchErrorContext<Setup> extends BatchContext<Setup> {
  /** The record whose own failure it is; null: the call failed as a whole. */
  readonly failed: CallRecord | null
}

/**
 * An outcome for each record, in the order of the records; or one that is true of all of them: `done()`, `skip()`, `retry()`
 * or `deadLetter()`, without outputs, since those belong to a record. Where all of several are to be retried they go again
 * together; one among others goes again alone.
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- see Outcome
export type BatchOutcome<To extends Effect = any> = readonly Outcome<To>[] | Outcome<To>

/** What one call gets at most, and how long it waits for that. */
export interface CallLimits {
  readonly maxRecords: number
  readonly maxBytes: number
  readonly maxWaitMs: number
}

export interface BatchHandlerDefinition<
  Value,
  Setup,
  Outputs extends readonly Destination[] = readonly Destination[],
  KeyValue = Uint8Array,
  States extends DeclaredStates = NoStates,
> extends Partial<CallLimits> {
  /** Shown in metrics, logs and /status; the module's file name unless given. */
  readonly name?: string
  readonly input: Topic<Value, string, KeyValue>
  /** Every topic and table the handler writes to. Checked at start: a missing one is named before the first record. */
  readonly outputs?: Outputs
  /** Once per thread (or once, on main): open what `handle` needs. */
  readonly setup?: (context: SetupContext) => Setup | Promise<Setup>
  readonly teardown?: (setup: Setup) => void | Promise<void>
  /** Most records of a call; 100 unless given. A call also has no more than `concurrency` leaves room for. */
  readonly maxRecords?: number
  /** Most bytes of a call, counted as `intake.maxBytes` counts them; 1 MiB unless given. A larger record goes alone. */
  readonly maxBytes?: number
  /**
   * How long a record waits for others, from when it was read; 0 unless given: a call goes as soon as there is room for it,
   * with what has piled up meanwhile.
   */
  readonly maxWaitMs?: number
  /** What it keeps for each key of its input, as of `defineHandler`: each record has that of its key, as `record.state`. */
  readonly state?: States
  /** Gets one record at least. Those that do not decode are not among them. */
  readonly handle: (
    records: readonly BatchRecord<Value, KeyValue, States>[],
    context: BatchContext<Setup>,
  ) => BatchOutcome<EffectsOf<Outputs>> | Promise<BatchOutcome<EffectsOf<Outputs>>>
  /**
   * What becomes of an error: of one record (DECODE_FAILED, ENCODE_FAILED, OUTCOME_INVALID), or of the call (thrown by
   * `handle`, OUTCOME_INVALID, HANDLER_TIMEOUT). `retry` of a call tries all its records again together, with
   * one attempt more, alone, when the last that they shared has failed; whatever else is said of a call of several records,
   * each goes again alone first. Runs where the handler runs; synchronous.
   */
  readonly onError?: (error: unknown, context: BatchErrorContext<Setup>) => ErrorDecision | undefined
}

export interface BatchHandler<
  Value = unknown,
  Setup = unknown,
  Outputs extends readonly Destination[] = readonly Destination[],
  KeyValue = Uint8Array,
  States extends DeclaredStates = NoStates,
>
  extends BatchHandlerDefinition<Value, Setup, Outputs, KeyValue, States>, CallLimits {
  readonly kind: 'batch-handler'
  readonly maxRecords: number
  readonly maxBytes: number
  readonly maxWaitMs: number
}

/** Of whatever values and keys. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- of whatever states, too
export type AnyBatchHandler = BatchHandler<unknown, unknown, readonly Destination[], unknown, any>

const defaults: CallLimits = { maxRecords: 100, maxBytes: 1024 * 1024, maxWaitMs: 0 }
const limitNames = Object.keys(defaults) as (keyof CallLimits)[]
const least: CallLimits = { maxRecords: 1, maxBytes: 1, maxWaitMs: 0 }
/** Timers of Node.js take no more. */
const MOST = 2 ** 31 - 1

/**
 * Declares a handler of many records at once; types flow from `input` and `setup` into `handle`. An instance of a
 * class serves, too. Throws OPTIONS_INVALID for what is none, and for limits that are none.
 *
 * @example
 * export default defineBatchHandler({
 *   input: orders,
 *   maxRecords: 500,
 *   async handle(records, { signal }) {
 *     const answers = await postAll(records.map(({ value }) => value), signal)
 *     return answers.map(({ status }) => (status === 'busy' ? retry() : done()))
 *   },
 * })
 */
export function defineBatchHandler<
  Value,
  Setup = undefined,
  const Outputs extends readonly Destination[] = readonly [],
  KeyValue = Uint8Array,
  States extends DeclaredStates = NoStates,
>(
  definition: BatchHandlerDefinition<Value, Setup, Outputs, KeyValue, States>,
): BatchHandler<Value, Setup, Outputs, KeyValue, States> {
  const read = readDefinition('defineBatchHandler', definition, [...commonKeys, ...limitNames])
  const limits: { -readonly [Limit in keyof CallLimits]: number } = { ...defaults }
  const problems: string[] = []
  for (const limit of limitNames) {
    const value = read[limit]
    if (value === undefined) continue
    if (Number.isInteger(value) && value >= least[limit] && value <= MOST) limits[limit] = value
    else problems.push(`${limit} has to be a whole number from ${least[limit]} to ${MOST}, and is ${String(value)}`)
  }
  if (problems.length > 0) {
    const { name = `of topic ${read.input.name}` } = read
    throw new TroupeError('OPTIONS_INVALID', `batch handler ${name}: ${problems.join('; ')}`)
  }
  return { ...read, ...limits, kind: 'batch-handler' }
}

export function isBatchHandler(value: unknown): value is AnyBatchHandler {
  return (
    typeof value === 'object' &&
    value !== null &&
    Reflect.get(value, 'kind') === 'batch-handler' &&
    typeof Reflect.get(value, 'handle') === 'function'
  )
}
