/** What users write: how a record is known, and what becomes of those that come again. */
import type { Destination, EffectsOf, Topic } from '../../streams/flows/flow.ts'
import type { SourceRecord } from '../../streams/record.ts'
import type { AsideReason } from '../operator.ts'
import type { DedupMode } from './sights.ts'

/** Ids are the same where their bytes are: text and numbers count as they are written. */
export type DedupId = string | number | bigint | Uint8Array

/** A record, decoded. */
export interface DedupRecord<Value, KeyValue> {
  readonly value: Value
  readonly key: KeyValue | null
  readonly timeMs: number
  /** As it came. */
  readonly record: SourceRecord
}

/** A record that does not pass. */
export interface DedupAside<Reason extends AsideReason, Value, KeyValue> extends DedupRecord<Value, KeyValue> {
  readonly reason: Reason
}

interface DedupCommon<Value, KeyValue, Outputs extends readonly Destination[]> {
  readonly name?: string
  readonly input: Topic<Value, string, KeyValue>
  /**
   * What a record is known by, within its partition: where records of one id have different keys, they have to be brought
   * together first. null or undefined: it has no id.
   */
  readonly id: (value: Value) => DedupId | null | undefined
  /** What has the id of another record less than so long before is a duplicate. By the records' times, so a replay sees the same. */
  readonly withinMs: number
  /**
   * - `first` (unless given): counted from the first record, however often it comes again.
   * - `sliding`: counted from the last one, duplicates included: an id that keeps coming never passes again.
   */
  readonly mode?: DedupMode
  /**
   * A record that comes more than so long behind stream time has expired: nobody knows any more whether it is a duplicate.
   * `withinMs` unless given. An id is kept for `withinMs` and this long.
   */
  readonly graceMs?: number
  /** A record that would move stream time further than that at once goes aside: its clock is wrong. Any may, unless given. */
  readonly maxAdvanceMs?: number
  /** Duplicates. They are counted, and no more, unless given. */
  readonly duplicate?: (aside: DedupAside<'duplicate', Value, KeyValue>) => readonly EffectsOf<Outputs>[]
  /** Records that have expired. They are counted, and no more, unless given. */
  readonly expired?: (
    aside: DedupAside<'expired', Value, KeyValue> & {
      /** So much more grace would have let it in. */
      readonly lateByMs: number
    },
  ) => readonly EffectsOf<Outputs>[]
  /** Records without an id. They are counted, and no more, unless given. */
  readonly nullKey?: (aside: DedupAside<'null-key', Value, KeyValue>) => readonly EffectsOf<Outputs>[]
  /** Records that `maxAdvanceMs` stops. They go to the dead-letter topic unless given. */
  readonly farFuture?: (
    aside: DedupAside<'far-future', Value, KeyValue> & {
      /** So far ahead of stream time it is. */
      readonly aheadByMs: number
    },
  ) => readonly EffectsOf<Outputs>[]
}

/** What passes goes on as it is. */
export interface PassingDedup<
  Value,
  KeyValue,
  Outputs extends readonly Destination[] = readonly Destination[],
> extends DedupCommon<Value, KeyValue, Outputs> {
  /** With its key, its headers and its time. */
  readonly output: Topic<Value, string, KeyValue>
  /** What the other functions write to besides. */
  readonly outputs?: Outputs
  readonly result?: never
}

/** What passes becomes something else. */
export interface ResultDedup<
  Value,
  KeyValue,
  Outputs extends readonly Destination[] = readonly Destination[],
> extends DedupCommon<Value, KeyValue, Outputs> {
  readonly output?: never
  /** Every topic and table that its functions write to. */
  readonly outputs: Outputs
  /** What a record comes to that is no duplicate. */
  readonly result: (passed: DedupRecord<Value, KeyValue>) => readonly EffectsOf<Outputs>[]
}

export type DedupDefinition<Value, KeyValue, Outputs extends readonly Destination[] = readonly Destination[]> =
  PassingDedup<Value, KeyValue, Outputs> | ResultDedup<Value, KeyValue, Outputs>
