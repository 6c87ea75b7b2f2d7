/** `defineDedup()`: of the records that have the same id, the first. */
import { isObject, refuseWrong, shown, unknownKeys } from '../../options/declared.ts'
import type { Destination } from '../../streams/flows/flow.ts'
import {
  problemsOfFarFuture,
  problemsOfFunctions,
  problemsOfName,
  problemsOfOptionalTime,
  problemsOfOutputs,
  problemsOfTime,
  problemsOfTopic,
} from '../declaration.ts'
import { DedupOperator } from './dedup-operator.ts'
import type { DedupMode } from './sights.ts'
import type { DedupDefinition } from './definition.ts'

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
