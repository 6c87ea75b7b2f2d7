/**
 * An operator is what `defineAggregation`, `defineJoin` and `defineDedup` make: it takes the records of a partition in offset
 * order, one after the other, on main, and keeps what it needs between them. It knows no broker and no clock: what it makes
 * of the same records at the same stream times is the same, live and in a replay.
 *
 * It runs as handlers do (`operator-runner.ts`): what it keeps, its timer and its outputs are of one checkpoint with its
 * position, and an attempt that fails leaves no trace.
 */
import type { Log } from '../log.ts'
import type { Codec } from '../streams/flows/contract.ts'
import type { Destination, Effect, Topic } from '../streams/flows/flow.ts'
import type { SourceRecord } from '../streams/record.ts'

/** Why a record went aside instead of counting. */
export const asideReasons = ['late', 'null-key', 'null-value', 'expired', 'far-future', 'duplicate'] as const
export type AsideReason = (typeof asideReasons)[number]

/** One record, decoded. */
export interface TakenRecord {
  readonly record: SourceRecord
  readonly value: unknown
  /** As the topic's codec for keys reads it; its bytes, where it has none; null: it has no key. */
  readonly key: unknown
  /** The bytes of its key as latin-1; null: it has none. */
  readonly keyText: string | null
  /** As its topic says that its values tell it, else its timestamp, milliseconds since the Unix epoch. −1: it has none. */
  readonly timeMs: number
  /** The greatest time of it and all earlier records. By it windows close. −1: none had a time. */
  readonly streamTimeMs: number
  /** The same of its own source: by it the record is late. Another one only where a repartition topic brings several sources together. */
  readonly sourceTimeMs: number
  /** It would have moved stream time further than it may at once, so it has not moved it. */
  readonly isFarFuture: boolean
}

/** The timer of a key has come up. */
export interface DueTimer {
  readonly keyText: string
  /** When it was due. */
  readonly dueMs: number
  /** As far as stream time has come for the key: `dueMs`, or later where the timer was set late. */
  readonly streamTimeMs: number
}

export interface DueKey extends DueTimer {
  readonly key: unknown
}

/**
 * What an operator keeps, as one attempt sees it. Values are never changed once they are set: who needs another one makes
 * another one. So they are handed around as they are, and written as bytes at a checkpoint only.
 */
export interface Kept {
  /** undefined: there is none, or it was not set again for longer than its state keeps it. `key`: a text of latin-1 characters. */
  get(state: number, key: string): unknown
  /** undefined: it is deleted. */
  set(state: number, key: string, value: unknown): void
  /** The one timer of a record's key: `due` is called for it before the first record whose stream time has come to it; null: none. */
  setTimer(keyText: string, dueMs: number | null): void
  /**
   * A value of an input, from the bytes that its record had: so an operator may keep records as they came. Another one each
   * time. Throws what the decoding of a record throws, also where a schema has to be fetched first.
   */
  decode(input: number, bytes: Uint8Array): unknown
}

/** One of the things that it keeps. */
export interface KeptState {
  /** What it is found by in the changelog. */
  readonly name: string
  /** Its name says all that a stored value depends on, such as the size of a window: another name is another shape, and refused at start. */
  readonly codec: Codec<unknown>
  /** A value is gone when it was not set again for so long in stream time; null: never. */
  readonly ttlMs: number | null
}

/** What has become of a record or a timer. */
export interface Outcome {
  readonly effects: readonly KeyedEffect[]
  /** The record did not count. */
  readonly aside?: AsideReason
  /** Nothing says what is to become of it: it goes to the dead-letter topic, with this reason. */
  readonly deadLetter?: string
}

/** `lastOf`: of the outputs to its topic that have the same, only the last one of a checkpoint goes out. */
export interface KeyedEffect {
  readonly effect: Effect
  readonly lastOf?: string
}

/**
 * What comes before an operator, in an actor of its own (`<actor>-front`): it reads the first input, in parallel, where its
 * actor runs, and its records go on to the operator through a topic of ours, in the order in which they were read.
 */
export interface Front {
  /**
   * The key under which a record goes on; null: it has none. Its own, unless given. It is asked of what `prepare` has made, and of its own key. Text
   * and numbers, and bytes as they are, unless `byCodec` says how it is written.
   */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- of whatever values and keys
  readonly by?: (value: any, key?: any) => unknown
  readonly byCodec?: Codec<unknown>
  /** What the operator is given instead of its value. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- of whatever values
  readonly prepare?: (value: any, context: PrepareContext) => unknown
  /** Of what `prepare` returns; JSON unless given. */
  readonly preparedCodec?: Codec<unknown>
  /** Once a thread, or once on main, as with handlers. */
  readonly setup?: (context: PrepareSetup) => unknown
  readonly teardown?: (setup: never) => void | Promise<void>
  /** So far, at most, is what the operator knows of a partition's stream time behind what that is, milliseconds; a second unless given. */
  readonly markEveryMs?: number
}

export interface PrepareSetup {
  readonly log: Log
  /** The bytes that the app shares by this name. */
  readonly shared: (name: string) => Buffer
}

export interface PrepareContext {
  readonly record: SourceRecord
  /** As the topic's codec for keys reads it; its bytes, where it has none; null: it has none. */
  readonly key: unknown
  /** 1 on the first try. */
  readonly attempt: number
  /** `topic/partition/offset`. */
  readonly id: string
  /** What `setup` returned in this thread. */
  readonly setup: unknown
  readonly signal: AbortSignal
  readonly log: Log
  readonly throttle: (forMs: number) => void
}

export interface Operator {
  readonly kind: 'operator'
  /** `aggregation`, `join`, … */
  readonly what: string
  readonly name?: string
  /** Its records come to it by way of one. The key and the value that it takes are those that the front has made. */
  readonly front?: Front
  /** The first is the one that the group reads. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- of whatever values and keys
  readonly inputs: readonly Topic<any, string, any>[]
  readonly outputs: readonly Destination[]
  readonly states: readonly KeptState[]
  /** A record that would move stream time further than so much at once does not move it; null: each may. */
  readonly maxAdvanceMs: number | null
  /** With nothing new for so long, at the end of its input, all that is open is closed by `idle`; null: never. */
  readonly idleAfterMs: number | null
  /** Where several sources come together: how far a record's own had come; −1: nothing of it had a time. */
  sourceTimeOf?(record: SourceRecord): number
  /** `input`: which of its inputs it is of. */
  take(record: TakenRecord, kept: Kept, input: number): Outcome
  due(key: DueKey, kept: Kept): Outcome
  /**
   * What is due is given up, since `due` has failed for good: it leaves what is kept as if that had gone well, its timer for what comes
   * next too, and calls nothing of the user's. Missing: its timer is set by every record.
   */
  giveUp?(timer: DueTimer, kept: Kept): void
}

export const nothing: Outcome = { effects: [] }
