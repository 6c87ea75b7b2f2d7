/**
 * Which of PostgreSQL's types take what a field of a row is written as, as far as the compiler can tell. Text goes into
 * any column, so a field that may be text has any type; so has one of which nothing is known. A type of your own is
 * named with its schema: `public.mood`.
 */

/** What a field of this type may be declared as. */
export type ColumnType<Value> = unknown extends Value ? string : TypeOf<NonNullable<Value>>

type TypeOf<Value> = [Value] extends [never]
  ? string
  : [Extract<Value, string>] extends [never]
    ? [Value] extends [number | bigint]
      ? Spelt<NumberType | TextType | JsonType>
      : [Value] extends [boolean]
        ? Spelt<'boolean' | 'bool' | TextType | JsonType>
        : [Value] extends [Date]
          ? Spelt<TimeType | TextType>
          : [Value] extends [Uint8Array]
            ? Spelt<'bytea' | TextType>
            : [Value] extends [(...given: never) => unknown]
              ? never
              : [Value] extends [object]
                ? Spelt<JsonType | TextType>
                : string
    : string

type NumberType =
  | 'smallint'
  | 'integer'
  | 'int'
  | 'bigint'
  | 'int2'
  | 'int4'
  | 'int8'
  | 'numeric'
  | 'decimal'
  | 'real'
  | 'float'
  | 'float4'
  | 'float8'
  | 'double precision'
type TextType = 'text' | 'varchar' | 'character varying' | 'char' | 'character' | 'bpchar'
type JsonType = 'json' | 'jsonb'
type TimeType = 'timestamptz' | 'timestamp' | 'date' | `timestamp${'' | `(${number})`} ${'with' | 'without'} time zone`

/** In small or in capital letters, with a length, or a type of one's own. */
type Spelt<Type extends string> =
  Type | Uppercase<Type> | `${Type | Uppercase<Type>}(${string})` | `${string}.${string}`
