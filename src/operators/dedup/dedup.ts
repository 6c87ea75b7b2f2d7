/** `defineDedup()`: of the records that have the same id, the first. */
import { isObject, refuseWrong, shown, unknownKeys } from '../../options/declared.ts'
import type { Destination, EffectsOf, Topic } from '../../streams/flows/flow.ts'
import type { SourceRecord } from '../../streams/record.ts'
import {
  problemsOfFarFuture,
  problemsOfFunctions,
  problemsOfName,
  problemsOfOptionalTime,
  problemsOfOutputs,
  problemsOfTime,
  problemsOfTopic,
} from '../declaration.ts'
import type { AsideReason } from '../operator.ts'
import { DedupOperator } from './dedup-operator.ts'
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

/**
 * Declares a dedup: of the records of a partition that have the same id, those pass that come first. What it has seen is kept in
 * the checkpoint of what it has sent, so a record that is tried again, or read again after a crash, is never taken for its own
 * duplicate. Throws OPTIONS_INVALID that names every problem.
 */
export function defineDedup<Value, KeyValue, const Outputs extends readonly Destination[] = readonly []>(
  definition: DedupDefinition<Value, KeyValue, Outputs>,
): DedupOperator {
  refuseWrong(callOf(definition), problemsOf(definition))
  return new DedupOperator(definition as unknown as DedupDefinition<unknown, unknown>)
}

const modes: readonly unknown[] = ['first', 'sliding'] satisfies DedupMode[]
const functions = ['result', 'duplicate', 'expired', 'nullKey', 'farFuture'] as const
const times = ['withinMs', 'graceMs', 'maxAdvanceMs'] as const
const known = ['name', 'input', 'id', ...times, 'mode', 'output', 'outputs', ...functions]

function callOf(definition: unknown): string {
  const name = isObject(definition) ? definition['name'] : undefined
  return typeof name === 'string' ? `defineDedup() of ${name}` : 'defineDedup()'
}

function problemsOf(definition: unknown): string[] {
  if (!isObject(definition)) return [`the definition is ${shown(definition)}, which is no object`]
  const { graceMs, input, maxAdvanceMs, mode, name, output, outputs, result, withinMs } = definition
  const isMode = mode === undefined || modes.includes(mode)
  return [
    ...problemsOfName(name),
    ...problemsOfTopic('input', input),
    ...problemsOfTime('withinMs', withinMs, 1),
    ...problemsOfOptionalTime('graceMs', graceMs, 0),
    ...problemsOfOptionalTime('maxAdvanceMs', maxAdvanceMs, 1),
    ...(isMode ? [] : [`mode: ${shown(mode)} is not one of ${modes.join(', ')}`]),
    ...(output === undefined ? [] : problemsOfTopic('output', output)),
    ...problemsOfOutputs(outputs),
    ...(output === undefined && result === undefined ? ['output: there is none, and no result either'] : []),
    ...(output !== undefined && result !== undefined ? ['output: what passes goes to it, so there is no result'] : []),
    ...problemsOfFunctions(definition, ['id'], functions),
    ...problemsOfFarFuture(definition),
    ...unknownKeys(definition, known, `there are ${known.join(', ')}`),
  ]
}
