/** `defineJoin()`: two streams, brought together by key and time. */
import { isObject, refuseWrong, shown, unknownKeys } from '../../options/declared.ts'
import type { Destination, EffectsOf, Topic } from '../../streams/flows/flow.ts'
import type { SourceRecord } from '../../streams/record.ts'
import {
  MOST_MS,
  problemsOfFarFuture,
  problemsOfFunctions,
  problemsOfName,
  problemsOfOptionalTime,
  problemsOfOutputs,
  problemsOfTime,
  problemsOfTopic,
} from '../declaration.ts'
import type { AsideReason } from '../operator.ts'
import { JoinOperator } from './join-operator.ts'

export type JoinKind = 'inner' | 'left' | 'outer'

/** How far apart partners may be: left − `beforeMs` ≤ right ≤ left + `afterMs`. */
export interface JoinWithin {
  /** A right record may be so much earlier; below 0: it has to be so much later. */
  readonly beforeMs: number
  /** A right record may be so much later; below 0: it has to be so much earlier. */
  readonly afterMs: number
}

/** Two partners, or one that has none: then the other is undefined. */
export type Joined<Kind extends JoinKind, Left, Right, KeyValue> = Kind extends 'inner'
  ? JoinedPair<Left, Right, KeyValue>
  : Kind extends 'left'
    ? JoinedPair<Left, Right | undefined, KeyValue | null>
    : JoinedPair<Left, Right | undefined, KeyValue | null> | JoinedPair<undefined, Right, KeyValue | null>

export interface JoinedPair<Left, Right, KeyValue> {
  /** null: a record without a key, which has no partner. */
  readonly key: KeyValue
  readonly left: Left
  readonly right: Right
  /** The greater of both times: the timestamp of what is returned, unless that says another one. */
  readonly timeMs: number
}

/** A record that did not join. */
export type JoinAside<Reason extends AsideReason, Left, Right, KeyValue> =
  AsideOf<Reason, 'left', Left, KeyValue> | AsideOf<Reason, 'right', Right, KeyValue>

interface AsideOf<Reason, Side, Value, KeyValue> {
  readonly reason: Reason
  readonly side: Side
  readonly key: KeyValue | null
  readonly value: Value
  /** As it came. */
  readonly record: SourceRecord
  readonly timeMs: number
}

export interface JoinDefinition<
  Left,
  Right,
  KeyValue,
  Kind extends JoinKind,
  Outputs extends readonly Destination[] = readonly Destination[],
> {
  readonly name?: string
  readonly left: Topic<Left, string, KeyValue>
  /** With keys of the same type, and as many partitions. Records are of one key where their bytes are the same. */
  readonly right: Topic<Right, string, NoInfer<KeyValue>>
  /**
   * - `inner`: pairs.
   * - `left`: also each left record that has no partner, once none can come any more.
   * - `outer`: the same of both sides.
   */
  readonly kind: Kind
  readonly within: JoinWithin
  /** A record of either side that comes more than so long behind the greatest time of both is late: it joins nothing. */
  readonly graceMs: number
  /** A record that would move stream time further than that at once joins nothing: its clock is wrong. Any may, unless given. */
  readonly maxAdvanceMs?: number
  /** Every topic and table that its functions write to. */
  readonly outputs?: Outputs
  /** What a pair comes to, or a record that comes out alone. */
  readonly result: (joined: Joined<Kind, Left, Right, KeyValue>) => readonly EffectsOf<Outputs>[]
  /** Records that come too late. They are counted, and no more, unless given. */
  readonly late?: (
    aside: JoinAside<'late', Left, Right, KeyValue> & {
      /** So much more grace would have let it in. */
      readonly lateByMs: number
    },
  ) => readonly EffectsOf<Outputs>[]
  /**
   * Records without a key, of a side that does not come out alone. They are counted, and no more, unless given. Of a side that
   * does, such a record comes out alone at once: no partner can come.
   */
  readonly nullKey?: (aside: JoinAside<'null-key', Left, Right, KeyValue>) => readonly EffectsOf<Outputs>[]
  /** Records that `maxAdvanceMs` stops. They go to the dead-letter topic unless given. */
  readonly farFuture?: (
    aside: JoinAside<'far-future', Left, Right, KeyValue> & {
      /** So far ahead of stream time it is. */
      readonly aheadByMs: number
    },
  ) => readonly EffectsOf<Outputs>[]
}

/**
 * Declares a join of two streams: each left record with each right record of its key that is not too far from it in time.
 * Records of one side that have no partner come out alone, where `kind` says so, once none can come any more. Both sides are
 * kept that long, and no longer. Throws OPTIONS_INVALID that names every problem.
 */
export function defineJoin<
  Left,
  Right,
  KeyValue,
  const Kind extends JoinKind,
  const Outputs extends readonly Destination[] = readonly [],
>(definition: JoinDefinition<Left, Right, KeyValue, Kind, Outputs>): JoinOperator {
  refuseWrong(callOf(definition), problemsOf(definition))
  return new JoinOperator(definition as unknown as JoinDefinition<unknown, unknown, unknown, JoinKind>)
}

const kinds: readonly unknown[] = ['inner', 'left', 'outer'] satisfies JoinKind[]
const asides = ['late', 'nullKey', 'farFuture'] as const
const known = ['name', 'left', 'right', 'kind', 'within', 'graceMs', 'maxAdvanceMs', 'outputs', 'result', ...asides]

function callOf(definition: unknown): string {
  const name = isObject(definition) ? definition['name'] : undefined
  return typeof name === 'string' ? `defineJoin() of ${name}` : 'defineJoin()'
}

function problemsOf(definition: unknown): string[] {
  if (!isObject(definition)) return [`the definition is ${shown(definition)}, which is no object`]
  const { graceMs, kind, left, maxAdvanceMs, name, outputs, right, within } = definition
  return [
    ...problemsOfName(name),
    ...problemsOfTopic('left', left),
    ...problemsOfTopic('right', right),
    ...problemsOfSides(left, right),
    ...(kinds.includes(kind) ? [] : [`kind: ${shown(kind)} is not one of ${kinds.join(', ')}`]),
    ...problemsOfWithin(within),
    ...problemsOfTime('graceMs', graceMs, 0),
    ...problemsOfOptionalTime('maxAdvanceMs', maxAdvanceMs, 1),
    ...problemsOfOutputs(outputs),
    ...problemsOfFunctions(definition, ['result'], asides),
    ...problemsOfFarFuture(definition),
    ...unknownKeys(definition, known, `there are ${known.join(', ')}`),
  ]
}

function problemsOfSides(left: unknown, right: unknown): string[] {
  if (!isObject(left) || !isObject(right)) return []
  const problems: string[] = []
  if (left['name'] === right['name']) {
    problems.push(
      `right: ${shown(right['name'])} is the left one, too, and a topic is read once: write what it holds to two topics`,
    )
  }
  for (const [field, side] of Object.entries({ left, right })) {
    if (side['tombstones'] !== true) continue
    problems.push(
      `${field}: topic ${String(side['name'])} has tombstones, so it is a table: look its rows up with tableOf()`,
    )
  }
  const [ofLeft, ofRight] = [codecName(left['key']), codecName(right['key'])]
  if (ofLeft !== ofRight) {
    problems.push(
      `right: its keys are ${ofRight} and those of the left one ${ofLeft}: no two would have the same bytes`,
    )
  }
  return problems
}

function codecName(codec: unknown): string {
  return isObject(codec) ? String(codec['name']) : 'bytes'
}

function problemsOfWithin(within: unknown): string[] {
  if (!isObject(within)) return [`within: ${shown(within)} is no { beforeMs, afterMs }`]
  const { afterMs, beforeMs } = within
  const problems = [
    ...problemsOfTime('within.beforeMs', beforeMs, -MOST_MS),
    ...problemsOfTime('within.afterMs', afterMs, -MOST_MS),
    ...unknownKeys(within, ['beforeMs', 'afterMs'], 'there are beforeMs and afterMs'),
  ]
  if (problems.length === 0 && (beforeMs as number) + (afterMs as number) < 0) {
    problems.push('within: beforeMs and afterMs together are below 0, so no two records are partners')
  }
  return problems
}
