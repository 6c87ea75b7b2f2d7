/** What an actor may have for its handler: a function of the user's, or an operator, which is given records in another way. */
import { TroupeError } from '../../errors.ts'
import type { Operator } from '../../operators/operator.ts'
import { partitionedTables, shapesOfTables, type DeclaredTables } from '../../operators/tables/declared-tables.ts'
import type { DeclaredStates } from '../../state/declared-state.ts'
import { shapesOf } from '../../state/declared-state.ts'
import { operatorTimer, shapesOfKept } from '../../state/kept-shapes.ts'
import type { StateShape } from '../../state/state-shape.ts'
import type { Topic } from '../../streams/flows/flow.ts'
import { isBatchHandler, type AnyBatchHandler, type CallLimits } from './batch-handler.ts'
import { isHandler, type AnyRecordHandler } from './handler.ts'

/** What users write functions for. */
export type UserHandler = AnyRecordHandler | AnyBatchHandler

export type AnyHandler = UserHandler | Operator

export function isAnyHandler(value: unknown): value is AnyHandler {
  return isHandler(value) || isBatchHandler(value) || isOperator(value)
}

/** By what it is, not by where it came from: there may be a second copy of the package. */
function isOperator(value: unknown): value is Operator {
  return (
    typeof value === 'object' &&
    value !== null &&
    Reflect.get(value, 'kind') === 'operator' &&
    typeof Reflect.get(value, 'take') === 'function'
  )
}

/** All topics that it reads: the first is the one that its group does. */
export function inputsOf(handler: AnyHandler): readonly [AnyTopic, ...AnyTopic[]] {
  if (handler.kind !== 'operator') return [handler.input]
  return handler.inputs as unknown as readonly [AnyTopic, ...AnyTopic[]]
}

/** Throws OPTIONS_INVALID for what cannot run on threads. */
export function refuseOperator(handler: AnyHandler, actor: string): UserHandler {
  if (handler.kind !== 'operator') return handler
  throw new TroupeError(
    'OPTIONS_INVALID',
    `actor ${actor} runs on threads, and ${handler.what} takes its records in offset order, on main: set runOn: 'main', or leave it out`,
  )
}

export type AnyTopic = Topic<unknown, string, unknown>

/** What it keeps for each key; empty: nothing. */
export function statesOf(handler: AnyHandler): readonly StateShape[] {
  if (handler.kind === 'operator') return shapesOfKept(handler.states)
  return [...shapesOf(handler.state as DeclaredStates | undefined), ...shapesOfTables(tablesOf(handler))]
}

/** Further topics, of which it reads the partition that it has of its first input. */
export function companionsOf(handler: AnyHandler): readonly string[] {
  if (handler.kind === 'operator') return handler.inputs.slice(1).map(({ name }) => name)
  return tableTopicsOf(handler).map(({ name }) => name)
}

/** Topics whose records are rows for it. */
export function tableTopicsOf(handler: UserHandler): readonly AnyTopic[] {
  return partitionedTables(tablesOf(handler)).map(([, { topic }]) => topic)
}

function tablesOf(handler: UserHandler): DeclaredTables {
  return handler.kind === 'handler' ? ((handler.tables as DeclaredTables | undefined) ?? {}) : {}
}

/** Names of its timers. */
export function timersOf(handler: AnyHandler): readonly string[] {
  switch (handler.kind) {
    case 'operator':
      return [operatorTimer]
    case 'handler':
      return handler.timers ?? []
    case 'batch-handler':
      return []
  }
}

/** null: its records go one by one. */
export function callLimitsOf(handler: AnyHandler): CallLimits | null {
  if (handler.kind !== 'batch-handler') return null
  const { maxBytes, maxRecords, maxWaitMs } = handler
  return { maxBytes, maxRecords, maxWaitMs }
}
