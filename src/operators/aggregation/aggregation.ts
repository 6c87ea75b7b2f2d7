/** `defineAggregation()`: windows over records, and what they come to. */
import { refuseWrong } from '../../options/declared.ts'
import type { Destination } from '../../streams/flows/flow.ts'
import type { Front, Operator } from '../operator.ts'
import { ValueSet } from '../values/value-set.ts'
import type { DeclaredWindow } from '../windows/declared-window.ts'
import { windowingOf } from '../windows/windowing-of.ts'
import { AggregationWork, type AggregationCalls } from './aggregation-operator.ts'
import type { AggregationDefinition, AnyValues } from './definition.ts'
import { nameIn, problemsOfAggregation, valuesOf } from './problems.ts'

/** What `defineAggregation` makes. */
export interface Aggregation extends Operator {
  readonly what: 'aggregation'
}

/**
 * Declares an aggregation: what the records of a key come to, in windows of time or for ever. Taken in the order of the
 * partition, kept in the checkpoint of its position, so each result comes once. Throws OPTIONS_INVALID that names every problem.
 *
 * @example
 * export default defineAggregation({
 *   input: orders,
 *   by: (order) => order.region,
 *   window: tumbling({ sizeMs: 60_000, graceMs: 10_000 }),
 *   values: ({ count, sum }) => ({ total: sum((order) => order.total), orders: count() }),
 *   outputs: [sales],
 *   result: ({ key, values, window }) => [sales.record({ ...values, minute: window.startMs }, { key })],
 * })
 */
export function defineAggregation<
  Given,
  GivenKey,
  Values extends AnyValues<In>,
  const Outputs extends readonly Destination[] = readonly [],
  Setup = undefined,
  In = Exclude<Given, null>,
  Key = GivenKey,
  Declared extends DeclaredWindow | undefined = undefined,
>(definition: AggregationDefinition<Given, GivenKey, Setup, In, Key, Values, Declared, Outputs>): Aggregation {
  const values = valuesOf(definition)
  refuseWrong(`defineAggregation()${nameIn(definition)}`, problemsOfAggregation(definition, values))
  const { idleAfterMs = null, input, maxAdvanceMs = null, name, outputs = [], ttlMs = null, window } = definition
  const set = new ValueSet(values as AnyValues<never>)
  const windowing = windowingOf(window, set)
  const tellsUpdates = window === undefined || definition.emit === 'updates'
  const work = new AggregationWork(windowing, set, definition as unknown as AggregationCalls, tellsUpdates)
  const front = frontOf(definition)
  return {
    kind: 'operator',
    what: 'aggregation',
    ...(name === undefined ? {} : { name }),
    ...(front === undefined ? {} : { front }),
    inputs: [input],
    outputs,
    states: [{ name: 'windows', codec: windowing.codec, ttlMs }],
    maxAdvanceMs,
    idleAfterMs,
    take: (record, kept) => work.take(record, kept),
    due: (key, kept) => work.due(key, kept),
    giveUp: (timer, kept) => {
      work.giveUp(timer, kept)
    },
  }
}

/** What comes before it, where something does. */
function frontOf(definition: object): Front | undefined {
  const { by, byCodec, markEveryMs, prepare, preparedCodec, setup, teardown } = definition as Front
  if (by === undefined && prepare === undefined) return undefined
  const given = {
    // A null counts nowhere, and has nothing to tell a key by.
    by: by && ((value: unknown, key: unknown) => (value == null ? null : by(value, key))),
    ...{ byCodec, markEveryMs, prepare, preparedCodec, setup, teardown },
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}
