/**
 * All that crosses between main and a worker thread, in both directions, as plain data.
 *
 * Main → thread: one `BatchMessage` per task. Thread → main: one `ReplyMessage` per task, and
 * `ThreadNotice`s at any time. The reply comes when the thread has begun with every record; what
 * waits for something by then has its outcome in a later `OutcomesNotice`. Besides, the two share a
 * progress board: the thread notes there which records it is at, so that when it dies the killer is
 * known at once.
 */
import type { HandlerManifest } from '../../handlers/handler-manifest.ts'
import type { Order } from '../../../options/options.ts'
import type { WireError } from '../../../errors.ts'
import type { EncodedEffect } from '../../../streams/flows/effect-encoder.ts'
import type { OutputRecord, RecordHeader, SourceRecord } from '../../../streams/record.ts'
import type { FailedRecords } from '../../handlers/handler.ts'
import { PackReader, PackWriter, type Pack } from './pack.ts'
import type { SharedBoard } from './progress-board.ts'
import type { SharedData } from '../../handlers/shared-data.ts'
import {
  changesOf,
  doneWithNothing,
  skipVerdict,
  timeOf,
  withChanges,
  withTime,
  type Verdict,
} from '../../handlers/verdict.ts'
import { beginState, putChanges, takeChanges, takeState, type PackedState, type StateToPack } from './packed-state.ts'

/** What a thread needs to begin: in `workerData`. */
export interface ThreadSetup {
  readonly handlers: readonly HandlerModule[]
  readonly board: SharedBoard
  readonly shared: SharedData
  /** Name of the channel by which main tells of schemas; null: no codec of the app needs any. */
  readonly schemaChannel: string | null
  /** Tell what memory it holds every so many milliseconds; null: nobody asks. */
  readonly memoryReportMs: number | null
  /** The heap that it should have; null: Node's own. */
  readonly maxHeapMb: number | null
}

export interface HandlerModule {
  readonly actor: string
  readonly groupId: string
  /** `file:` URL of the module that exports the handler as default. */
  readonly url: string
  /** Records that an asynchronous handler may have in progress at once. */
  readonly concurrency: number
  readonly order: Order
  readonly handlerTimeoutMs: number
  readonly idHeader: boolean
  readonly failedRecords: FailedRecords
}

export interface BatchMessage extends Pack {
  /** Differs from batch to batch. */
  readonly number: number
  /** Which row of the board is this batch's. */
  readonly row: number
  /** It holds a suspect: no other batch may be at work on the thread meanwhile. */
  readonly isAlone: boolean
  /** By actor: most records that may wait at this thread, where main has not counted those of this batch. */
  readonly places?: ReadonlyMap<string, number>
  /** Actor and topic names, to which the pack refers by index. */
  readonly names: readonly string[]
}

export interface PackedReply extends Pack {
  readonly type: 'reply'
  readonly names: readonly string[]
  /** Milliseconds that the thread was busy since it last told: less than it took when handlers waited for something. */
  readonly busyMs: number
}

/** Outcomes of asynchronous records that were not there when the reply to their batch was. */
export interface OutcomesNotice extends Pack {
  readonly type: 'outcomes'
  readonly names: readonly string[]
  /** As in a reply. */
  readonly busyMs: number
}

export interface ReplyMessage extends PackedReply {
  /** Milliseconds that the thread took to unpack the batch and to pack this. */
  readonly packingMs: number
  /** Milliseconds from taking the batch up to this. */
  readonly totalMs: number
}

/** A batch that could not even be run or packed: a bug, no handler's fault. A handler's failure is a verdict. */
export interface FailedReply {
  readonly type: 'failed'
  readonly error: WireError
}

export type ThreadNotice =
  | LoadingNotice
  | ReadyNotice
  | FailedNotice
  | LogNotice
  | OutcomesNotice
  | LeftOverNotice
  | ThrottleNotice
  | MemoryNotice

/** A call of so many records was given up and goes on, which is told before its outcome; or, below 0, one of those has ended. */
export interface LeftOverNotice {
  readonly type: 'left-over'
  readonly threadId: number
  readonly actor: string
  readonly handler: string
  readonly change: number
}

/** What a handler calls has asked, at the record of this id, to slow down. */
export interface ThrottleNotice {
  readonly type: 'throttle'
  readonly threadId: number
  readonly actor: string
  readonly forMs: number
  readonly id: string
}

/** What the thread holds: V8's heap, and Buffers outside of it. */
export interface MemoryNotice {
  readonly type: 'memory'
  readonly threadId: number
  readonly bytes: number
}

/** The thread begins to load and set up this module: should it end now, main knows at what. */
export interface LoadingNotice {
  readonly type: 'loading'
  readonly threadId: number
  readonly url: string
}

/** Every handler is loaded and set up. */
export interface ReadyNotice {
  readonly type: 'ready'
  readonly threadId: number
  readonly manifests: readonly HandlerManifest[]
  readonly needsTeardown: boolean
}

/** A handler could not be loaded or set up. */
export interface FailedNotice {
  readonly type: 'failed'
  readonly threadId: number
  readonly error: WireError
  /** Of those that were set up before it. */
  readonly needsTeardown: boolean
}

/** A handler's line for the log. */
export interface LogNotice {
  readonly type: 'log'
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
  /** The fields that are errors. */
  readonly errors: Readonly<Record<string, WireError>>
}

/** One record as the thread sees it. */
export interface PackedRecord {
  readonly record: SourceRecord
  readonly attempt: number
  /** The greatest timestamp of it and all earlier ones, where state is kept. */
  readonly streamTime?: number | null
}

/** Consecutive records of one lane, for one actor. */
export interface PackedRun {
  readonly actor: string
  readonly records: readonly PackedRecord[]
  /** Of the keys of its records; null or missing: nothing is kept. */
  readonly state?: PackedState | null
}

/** A run as main has it. */
export interface RunToPack {
  readonly actor: string
  readonly records: readonly RecordToPack[]
  /** null or missing: nothing is kept. */
  readonly state?: StateToPack | null
}

export interface RecordToPack extends PackedRecord {
  readonly stateKey?: string | null
}

/** Verdicts of one run, and what its records cost. Fewer verdicts than records: the rest never ran. */
export interface PackedVerdicts {
  readonly verdicts: readonly Verdict[]
  /** Milliseconds from the first record's begin to the last one's end. */
  readonly elapsedMs: number
  /** What was seen of a handler that returned a promise; null: it returned none. */
  readonly promise: SeenPromise | null
}

export interface SeenPromise {
  /** Milliseconds until it was returned: so long the handler held its thread, whatever it did afterwards. */
  readonly heldMs: number
  /** It was still open when the event loop had turned. null: nobody has looked. */
  readonly hasWaited: boolean | null
}

/** The same of a run in a batch that has had its reply. */
export interface LateVerdicts extends PackedVerdicts {
  /** Number of the batch. */
  readonly batch: number
  /** Which run of the batch. */
  readonly run: number
}

/** Of a record without headers; of a verdict with one output. */
const NUMBERS_PER_RECORD = 8
const NUMBERS_PER_VERDICT = 10
const NO_NUMBER = Number.NEGATIVE_INFINITY

/** What a batch is, besides its records. */
export type BatchHead = Pick<BatchMessage, 'number' | 'row' | 'isAlone' | 'places'>

export function packBatch(head: BatchHead, runs: readonly RunToPack[]): BatchMessage {
  const names = new Names()
  let numbers = 1 + runs.length * 3
  let bytes = 0
  for (const run of runs) {
    for (const { record } of run.records) {
      numbers += NUMBERS_PER_RECORD + record.headers.length * 2
      bytes += bytesOf(record)
    }
  }
  const pack = new PackWriter(numbers, bytes)
  pack.putNumber(runs.length)
  for (const run of runs) {
    pack.putNumber(names.indexOf(run.actor))
    pack.putNumber(run.records.length)
    const state = beginState(pack, names, run.state)
    for (const packed of run.records) {
      const { record, attempt } = packed
      pack.putNumber(names.indexOf(record.topic))
      pack.putNumber(record.partition)
      pack.putNumber(record.offset)
      pack.putNumber(record.timestamp)
      pack.putNumber(attempt)
      pack.putBytes(record.key)
      pack.putBytes(record.value)
      putHeaders(pack, record.headers)
      state?.put(packed)
    }
  }
  return { ...head, names: names.list, ...pack.finish() }
}

/** What a record takes in the slab, at least. */
function bytesOf(record: SourceRecord): number {
  let bytes = (record.key?.byteLength ?? 0) + (record.value?.byteLength ?? 0)
  for (const [name, value] of record.headers) bytes += name.length + (value?.byteLength ?? 0)
  return bytes
}

export function unpackBatch(message: BatchMessage): PackedRun[] {
  const pack = new PackReader(message)
  const runs: PackedRun[] = []
  for (let runCount = pack.takeNumber(); runCount > 0; runCount -= 1) {
    const actor = nameAt(message.names, pack.takeNumber())
    const records: PackedRecord[] = []
    let count = pack.takeNumber()
    const state = takeState(pack)
    for (; count > 0; count -= 1) {
      const topic = nameAt(message.names, pack.takeNumber())
      const partition = pack.takeNumber()
      const offset = pack.takeNumber()
      const timestamp = pack.takeNumber()
      const attempt = pack.takeNumber()
      const key = pack.takeBytes()
      const value = pack.takeBytes()
      const headers = takeHeaders(pack)
      const record = { topic, partition, offset, timestamp, key, value, headers }
      if (state === null) {
        records.push({ attempt, record })
        continue
      }
      const { streamTime, timer } = state.take(key, message.names)
      if (timer === null) records.push({ attempt, record, streamTime })
      else records.push({ attempt, record: { ...record, timer: { ...timer, dueMs: timestamp } }, streamTime })
    }
    runs.push(state === null ? { actor, records } : { actor, records, state })
  }
  return runs
}

/** Stands for the number of verdicts of a run that is not at its end. */
const PENDING = -1

/**
 * null: the outcome of that run comes later. `sizeHint`: how many bytes the outputs may have; as
 * many as the records had is a good guess.
 */
export function packReply(results: readonly (PackedVerdicts | null)[], busyMs: number, sizeHint: number): PackedReply {
  const names = new Names()
  let records = 0
  for (const result of results) records += result === null ? 0 : result.verdicts.length
  const pack = new PackWriter(1 + results.length * 3 + records * NUMBERS_PER_VERDICT, sizeHint)
  pack.putNumber(results.length)
  for (const result of results) {
    if (result === null) pack.putNumber(PENDING)
    else putResult(pack, result, names)
  }
  return { type: 'reply', names: names.list, busyMs, ...pack.finish() }
}

export function unpackReply(message: PackedReply): (PackedVerdicts | null)[] {
  const pack = new PackReader(message)
  const results: (PackedVerdicts | null)[] = []
  for (let runCount = pack.takeNumber(); runCount > 0; runCount -= 1) {
    const count = pack.takeNumber()
    results.push(count === PENDING ? null : takeResult(pack, count, message.names))
  }
  return results
}

export function packOutcomes(late: readonly LateVerdicts[], busyMs: number): OutcomesNotice {
  const names = new Names()
  const pack = new PackWriter(1 + late.length * (6 + NUMBERS_PER_VERDICT), 0)
  pack.putNumber(late.length)
  for (const result of late) {
    pack.putNumber(result.batch)
    pack.putNumber(result.run)
    putResult(pack, result, names)
  }
  return { type: 'outcomes', names: names.list, busyMs, ...pack.finish() }
}

export function unpackOutcomes(notice: OutcomesNotice): LateVerdicts[] {
  const pack = new PackReader(notice)
  const late: LateVerdicts[] = []
  for (let left = pack.takeNumber(); left > 0; left -= 1) {
    const batch = pack.takeNumber()
    const run = pack.takeNumber()
    late.push({ batch, run, ...takeResult(pack, pack.takeNumber(), notice.names) })
  }
  return late
}

function putResult(pack: PackWriter, { verdicts, elapsedMs, promise }: PackedVerdicts, names: Names): void {
  pack.putNumber(verdicts.length)
  pack.putNumber(elapsedMs)
  putPromise(pack, promise)
  for (const verdict of verdicts) putVerdict(pack, verdict, names)
}

function takeResult(pack: PackReader, count: number, names: readonly string[]): PackedVerdicts {
  const elapsedMs = pack.takeNumber()
  const promise = takePromise(pack)
  const verdicts: Verdict[] = []
  for (let left = count; left > 0; left -= 1) verdicts.push(takeVerdict(pack, names))
  return { verdicts, elapsedMs, promise }
}

/** By its place: what is known of `hasWaited`. */
const looks = [null, false, true]

function putPromise(pack: PackWriter, promise: SeenPromise | null): void {
  pack.putNumber(promise === null ? -1 : looks.indexOf(promise.hasWaited))
  if (promise !== null) pack.putNumber(promise.heldMs)
}

function takePromise(pack: PackReader): SeenPromise | null {
  const look = pack.takeNumber()
  return look < 0 ? null : { hasWaited: looks[look] ?? null, heldMs: pack.takeNumber() }
}

const verdictTypes = [
  'done',
  'skip',
  'retry',
  'failed',
  'dead-letter',
  'park',
  'stop',
  'escalate',
  'skip-failed',
  'unrun',
  'retry-unlimited',
  'alone',
  'needs-schema',
] as const satisfies Verdict['type'][]

/** Added to the number of the type: what the record has set follows. */
const CHANGED = 100
/** The same: the time of the record follows, before that. */
const TIMED = 1_000

function putVerdict(pack: PackWriter, verdict: Verdict, names: Names): void {
  const changes = changesOf(verdict)
  const timeMs = timeOf(verdict)
  const type = verdictTypes.indexOf(verdict.type) + (timeMs === undefined ? 0 : TIMED)
  if (changes === undefined) {
    pack.putNumber(type)
    if (timeMs !== undefined) pack.putNumber(timeMs)
  } else {
    pack.putNumber(CHANGED + type)
    if (timeMs !== undefined) pack.putNumber(timeMs)
    putChanges(pack, changes)
  }
  switch (verdict.type) {
    case 'done':
      pack.putNumber(verdict.effects.length)
      for (const effect of verdict.effects) putEffect(pack, effect, names)
      break
    case 'retry':
    case 'retry-unlimited':
      pack.putNumber(verdict.afterMs ?? NO_NUMBER)
      pack.putNumber(verdict.isShared === true ? 1 : 0)
      pack.putText(verdict.error === undefined ? null : JSON.stringify(verdict.error))
      break
    case 'failed':
    case 'dead-letter':
    case 'park':
    case 'stop':
    case 'escalate':
    case 'skip-failed':
      pack.putText(JSON.stringify(verdict.error))
      break
    case 'needs-schema':
      pack.putNumber(verdict.id)
      break
    case 'skip':
    case 'unrun':
    case 'alone':
      break
  }
}

function takeVerdict(pack: PackReader, names: readonly string[]): Verdict {
  const number = pack.takeNumber()
  if (number < TIMED) return takeUntimed(number, pack, names)
  const timeMs = pack.takeNumber()
  return withTime(takeUntimed(number - TIMED, pack, names), timeMs)
}

function takeUntimed(number: number, pack: PackReader, names: readonly string[]): Verdict {
  if (number < CHANGED) return takeVerdictOf(number, pack, names)
  const changes = takeChanges(pack)
  return withChanges(takeVerdictOf(number - CHANGED, pack, names), changes)
}

function takeVerdictOf(number: number, pack: PackReader, names: readonly string[]): Verdict {
  const type = verdictTypes[number]
  switch (type) {
    case 'done': {
      const count = pack.takeNumber()
      if (count === 0) return doneWithNothing
      const effects: EncodedEffect[] = []
      for (let index = 0; index < count; index += 1) effects.push(takeEffect(pack, names))
      return { type, effects }
    }
    case 'skip':
      return skipVerdict
    case 'retry':
    case 'retry-unlimited': {
      const afterMs = pack.takeNumber()
      const isShared = pack.takeNumber() === 1
      const error = pack.takeText()
      return {
        type,
        afterMs: afterMs === NO_NUMBER ? undefined : afterMs,
        error: error === null ? undefined : (JSON.parse(error) as WireError),
        ...(isShared ? { isShared } : {}),
      }
    }
    case 'failed':
    case 'dead-letter':
    case 'park':
    case 'stop':
    case 'escalate':
    case 'skip-failed':
      return { type, error: JSON.parse(pack.takeRequiredText()) as WireError }
    case 'needs-schema':
      return { type, id: pack.takeNumber() }
    case 'unrun':
    case 'alone':
      return { type }
    default:
      throw new Error('a reply holds a verdict of no known type')
  }
}

const RECORD_EFFECT = 0
const ROW_EFFECT = 1

function putEffect(pack: PackWriter, effect: EncodedEffect, names: Names): void {
  switch (effect.type) {
    case 'record': {
      const { record } = effect
      pack.putNumber(RECORD_EFFECT)
      pack.putNumber(names.indexOf(record.topic))
      pack.putNumber(record.partition ?? NO_NUMBER)
      pack.putNumber(record.timestamp ?? NO_NUMBER)
      pack.putBytes(record.key)
      pack.putBytes(record.value)
      putHeaders(pack, record.headers ?? [])
      break
    }
    case 'row':
      pack.putNumber(ROW_EFFECT)
      pack.putNumber(names.indexOf(effect.sink))
      pack.putNumber(names.indexOf(effect.row.table))
      pack.putNumber(effect.row.values.length)
      for (const value of effect.row.values) pack.putText(value)
      break
  }
}

function takeEffect(pack: PackReader, names: readonly string[]): EncodedEffect {
  if (pack.takeNumber() === ROW_EFFECT) {
    const sink = nameAt(names, pack.takeNumber())
    const table = nameAt(names, pack.takeNumber())
    const values: (string | null)[] = []
    for (let count = pack.takeNumber(); count > 0; count -= 1) values.push(pack.takeText())
    return { type: 'row', sink, row: { table, values } }
  }
  const topic = nameAt(names, pack.takeNumber())
  const partition = pack.takeNumber()
  const timestamp = pack.takeNumber()
  const key = pack.takeBytes()
  const value = pack.takeBytes()
  const headers = takeHeaders(pack)
  const record: { -readonly [Name in keyof OutputRecord]: OutputRecord[Name] } = { topic, key, value }
  if (headers.length > 0) record.headers = headers
  if (partition !== NO_NUMBER) record.partition = partition
  if (timestamp !== NO_NUMBER) record.timestamp = timestamp
  return { type: 'record', record }
}

const noHeaders: readonly RecordHeader[] = Object.freeze([])

function putHeaders(pack: PackWriter, headers: readonly RecordHeader[]): void {
  pack.putNumber(headers.length)
  for (const [name, value] of headers) {
    pack.putText(name)
    pack.putBytes(value)
  }
}

function takeHeaders(pack: PackReader): readonly RecordHeader[] {
  const count = pack.takeNumber()
  if (count === 0) return noHeaders
  const headers: RecordHeader[] = []
  for (let index = 0; index < count; index += 1) headers.push([pack.takeRequiredText(), pack.takeBytes()])
  return headers
}

/** Each name crosses once. */
class Names {
  readonly list: string[] = []
  readonly #indexes = new Map<string, number>()
  /** Most records of a batch have the name of the one before. */
  #last = ''
  #lastIndex = -1

  indexOf(name: string): number {
    if (name !== this.#last || this.#lastIndex < 0) {
      this.#last = name
      this.#lastIndex = this.#find(name)
    }
    return this.#lastIndex
  }

  #find(name: string): number {
    let index = this.#indexes.get(name)
    if (index === undefined) {
      index = this.list.length
      this.list.push(name)
      this.#indexes.set(name, index)
    }
    return index
  }
}

function nameAt(names: readonly string[], index: number): string {
  const name = names[index]
  if (name === undefined) throw new Error(`a pack refers to name ${index} of ${names.length}`)
  return name
}
