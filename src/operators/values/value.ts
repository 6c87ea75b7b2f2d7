/** What an aggregation makes of the records of a window: `count`, `sum` and the others, each of what it selects. */
import { forgottenCall, isObject, refuseWrong, shown, unknownKeys } from '../../options/declared.ts'
import type { Fold } from './fold.ts'
import { averageFold, countFold, maxFold, minFold, sumFold } from './number-folds.ts'
import { collectFold, firstFold, lastFold, reduceFold, type Reducer } from './value-folds.ts'

/** One value of an aggregation over records of `In`. */
export interface Value<in In, out Result> {
  readonly kind: 'value'
  readonly fold: Fold
  /** What of a record counts: null and undefined do not. */
  readonly select: (value: In) => unknown
  readonly canMerge: boolean
  /** Only for the compiler. */
  readonly result?: Result
}

/** undefined is as null in records: there is nothing. */
type Absent = null | undefined
/** null, where nothing may have been selected in a whole window. */
type Selected<Given> = Exclude<Given, Absent> | (Extract<Given, Absent> extends never ? never : null)
/** What a literal is one of. */
type Wide<Given> = Given extends number ? number : Given extends bigint ? bigint : Given extends string ? string : Given

/** How many records there are; of those where something is selected, if `select` is given. */
export function count<In = unknown>(select?: (value: In) => unknown): Value<In, number> {
  return declared('count', countFold, select ?? (() => true))
}

/**
 * Of numbers or bigint, without any rounding until the end: it does not depend on the order of the records. null, where nothing
 * was selected in the window.
 */
export function sum<In, Given extends number | bigint | Absent>(
  select: (value: In) => Given,
): Value<In, Wide<Selected<Given>>> {
  return declared('sum', sumFold, select)
}

/** The lowest number, bigint or text. null, where nothing was selected in the window. */
export function min<In, Given extends number | bigint | string | Absent>(
  select: (value: In) => Given,
): Value<In, Wide<Selected<Given>>> {
  return declared('min', minFold, select)
}

/** The highest number, bigint or text. null, where nothing was selected in the window. */
export function max<In, Given extends number | bigint | string | Absent>(
  select: (value: In) => Given,
): Value<In, Wide<Selected<Given>>> {
  return declared('max', maxFold, select)
}

/** The sum by the count, rounded once. null, where nothing was selected in the window. */
export function average<In, Given extends number | bigint | Absent>(
  select: (value: In) => Given,
): Value<In, number | (Extract<Given, Absent> extends never ? never : null)> {
  return declared('average', averageFold, select)
}

/** All that was selected, in the order of time; at one time in the order of offsets. */
export function collect<In, Given>(select: (value: In) => Given): Value<In, Exclude<Given, Absent>[]> {
  return declared('collect', collectFold, select)
}

/** Of the record with the lowest time, where something is selected. null, where nothing was selected in the window. */
export function first<In, Given>(select: (value: In) => Given): Value<In, Selected<Given>> {
  return declared('first', firstFold, select)
}

/** Of the record with the greatest time, where something is selected. null, where nothing was selected in the window. */
export function last<In, Given>(select: (value: In) => Given): Value<In, Selected<Given>> {
  return declared('last', lastFold, select)
}

/**
 * A value of one's own. What it returns is kept by structured clone: plain data, dates, maps, sets, bytes; no functions, and
 * objects of a class without it.
 */
export function reduce<In, Kept>(reducer: Reducer<In, Kept>): Value<In, Kept> {
  refuseWrong('reduce()', problemsOfReducer(reducer))
  const { add, initial, merge } = reducer as Reducer<unknown, unknown>
  const fold = reduceFold({ add, initial, ...(merge === undefined ? {} : { merge }) })
  return { kind: 'value', fold, select: (value) => value, canMerge: merge !== undefined }
}

/** The same, of records of one type: what `values` of an aggregation is given where it is a function. */
export interface ValuesOf<In> {
  readonly count: (select?: (value: In) => unknown) => Value<In, number>
  readonly sum: <Given extends number | bigint | Absent>(
    select: (value: In) => Given,
  ) => Value<In, Wide<Selected<Given>>>
  readonly min: <Given extends number | bigint | string | Absent>(
    select: (value: In) => Given,
  ) => Value<In, Wide<Selected<Given>>>
  readonly max: <Given extends number | bigint | string | Absent>(
    select: (value: In) => Given,
  ) => Value<In, Wide<Selected<Given>>>
  readonly average: <Given extends number | bigint | Absent>(
    select: (value: In) => Given,
  ) => Value<In, number | (Extract<Given, Absent> extends never ? never : null)>
  readonly collect: <Given>(select: (value: In) => Given) => Value<In, Exclude<Given, Absent>[]>
  readonly first: <Given>(select: (value: In) => Given) => Value<In, Selected<Given>>
  readonly last: <Given>(select: (value: In) => Given) => Value<In, Selected<Given>>
  readonly reduce: <Kept>(reducer: Reducer<In, Kept>) => Value<In, Kept>
}

export const allValues: ValuesOf<never> = { count, sum, min, max, average, collect, first, last, reduce }

function declared<In, Result>(what: string, fold: Fold, select: unknown): Value<In, Result> {
  if (typeof select !== 'function') {
    refuseWrong(`${what}()`, [`${shown(select)} is no function that selects what counts: write (value) => …`])
  }
  return { kind: 'value', fold, select: select as (value: In) => unknown, canMerge: true }
}

function problemsOfReducer(reducer: unknown): string[] {
  if (!isObject(reducer)) return [`${shown(reducer)} is no object of initial and add`]
  const problems: string[] = []
  for (const name of ['initial', 'add', 'merge']) {
    const given = reducer[name]
    if (typeof given === 'function' || (name === 'merge' && given === undefined)) continue
    problems.push(`${name}: ${shown(given)} is no function`)
  }
  return [...problems, ...unknownKeys(reducer, ['initial', 'add', 'merge'], 'there are initial, add and merge')]
}

/** What is wrong with one of `values`. */
export function problemOfValue(value: unknown): string | undefined {
  if (isObject(value) && value['kind'] === 'value' && isObject(value['fold'])) return undefined
  return forgottenCall(value, (name) => `${name}(…)`) ?? `${shown(value)} is no value; make one with count(), sum(…), …`
}
