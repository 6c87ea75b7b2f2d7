/**
 * Which Avro type is which type of TypeScript: the facts that the codec, `Infer` and `troupe schemas generate` agree on.
 * Nothing here needs avsc.
 *
 * What the tables do not say:
 * - a record is a plain object `{ field: T }`, an array `T[]`, a map `Record<string, T>`, an enum the union of its symbols
 *   as text, a fixed without a logical type `Uint8Array`;
 * - a union of null and one other branch, in either order, is `T | null`; every other union is `{ branch: T }`, one key,
 *   named as `branchName` says, or null where null is a branch;
 * - a logical type that is not in the table, or stands on another type than the table says, means nothing: the value is
 *   that of the type below it.
 */

/** Words for types of TypeScript. `long` is `bigint`, or `number` where the codec is told `longs: 'number'`. */
export type TypeWord = 'null' | 'boolean' | 'number' | 'string' | 'long' | 'Uint8Array' | 'Date' | 'AvroDuration'

/** Of `duration`: three counts, none of which is made of another. */
export interface AvroDuration {
  readonly months: number
  readonly days: number
  readonly milliseconds: number
}

/** What each word stands for. */
export interface TypeOfWord<Long> {
  null: null
  boolean: boolean
  number: number
  string: string
  long: Long
  Uint8Array: Uint8Array
  Date: Date
  AvroDuration: AvroDuration
}

export const primitiveTypes = {
  null: 'null',
  boolean: 'boolean',
  int: 'number',
  long: 'long',
  float: 'number',
  double: 'number',
  bytes: 'Uint8Array',
  string: 'string',
} as const satisfies Record<string, TypeWord>

export type PrimitiveName = keyof typeof primitiveTypes

/** Where a logical type stands, and what its values are. */
export const logicalTypes = {
  /** `2026-11-30`. A day has no time zone: a Date would be another day to whoever prints it west of Greenwich. */
  date: { on: ['int'], is: 'string' },
  /** Since midnight. */
  'time-millis': { on: ['int'], is: 'number' },
  'time-micros': { on: ['long'], is: 'long' },
  'timestamp-millis': { on: ['long'], is: 'Date' },
  /** Microseconds since 1970. A Date would lose the last three digits. */
  'timestamp-micros': { on: ['long'], is: 'long' },
  'timestamp-nanos': { on: ['long'], is: 'long' },
  /** `2026-11-30T12:00:00.000`, of no time zone as `date`; six digits of micros, nine of nanos. */
  'local-timestamp-millis': { on: ['long'], is: 'string' },
  'local-timestamp-micros': { on: ['long'], is: 'string' },
  'local-timestamp-nanos': { on: ['long'], is: 'string' },
  /** `12.30`, with as many digits behind the point as its scale says. */
  decimal: { on: ['bytes', 'fixed'], is: 'string' },
  /** On fixed only of 16 bytes. */
  uuid: { on: ['string', 'fixed'], is: 'string' },
  /** Of 12 bytes. */
  duration: { on: ['fixed'], is: 'AvroDuration' },
} as const satisfies Record<string, { on: readonly string[]; is: TypeWord }>

export type LogicalName = keyof typeof logicalTypes

/** The attributes of a schema that tell whether its logical type counts. */
export interface LogicalAttributes {
  readonly type?: unknown
  readonly logicalType?: unknown
  readonly size?: unknown
  readonly precision?: unknown
  readonly scale?: unknown
}

/** The logical type that gives the values of this schema their shape. undefined: none, or one that means nothing here. */
export function logicalTypeOf(schema: LogicalAttributes): LogicalName | undefined {
  const { logicalType, size, type } = schema
  if (typeof logicalType !== 'string' || !Object.hasOwn(logicalTypes, logicalType)) return undefined
  const name = logicalType as LogicalName
  if (!logicalTypes[name].on.some((below) => below === type)) return undefined
  if (name === 'uuid' && type === 'fixed' && size !== 16) return undefined
  if (name === 'duration' && size !== 12) return undefined
  return name === 'decimal' && decimalProblem(schema) !== undefined ? undefined : name
}

/** Why precision and scale of a decimal are none. undefined: they are. */
export function decimalProblem({ precision, scale = 0, size, type }: LogicalAttributes): string | undefined {
  if (!isCount(precision) || precision === 0) return 'precision has to be a whole number from 1'
  if (!isCount(scale) || scale > precision) return 'scale has to be a whole number from 0 to precision'
  if (type !== 'fixed' || !isCount(size)) return undefined
  const digits = Math.floor((8 * size - 1) * Math.log10(2))
  return precision > digits
    ? `precision ${precision} is more than ${size} bytes hold: ${Math.max(digits, 0)} digits`
    : undefined
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0
}

/** The branch that a union is but for null: its values stand bare, `T | null`. undefined: each value has its branch's name. */
export function bareBranch(branches: readonly unknown[]): unknown {
  if (branches.length !== 2) return undefined
  const others = branches.filter((branch) => !isNull(branch))
  return others.length === 1 ? others[0] : undefined
}

function isNull(schema: unknown): boolean {
  return (
    schema === 'null' || (typeof schema === 'object' && schema !== null && 'type' in schema && schema.type === 'null')
  )
}
