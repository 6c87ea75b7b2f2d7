/** `defineJoin()`: two streams, brought together by key and time. */
import { isObject, refuseWrong, shown, unknownKeys } from '../../options/declared.ts'
import type { Destination } from '../../streams/flows/flow.ts'
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
import { JoinOperator } from './join-operator.ts'
import type { JoinDefinition, JoinKind } from './definition.ts'

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
