/** `tableOf()` and `globalTableOf()`: topics that a handler looks things up in, the last record of each key being its row. */
import { forgottenCall, isObject, refuseWrong, shown } from '../../options/declared.ts'
import type { KeyGiven, Topic } from '../../streams/flows/flow.ts'
import { namePattern } from '../../state/changelog-format.ts'
import type { StateShape } from '../../state/state-shape.ts'

/** What `tableOf()` makes. */
export interface DeclaredTable<Value = unknown> {
  readonly kind: 'table-of'
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- of whatever keys
  readonly topic: Topic<any, string, any>
  /** Of which type its rows are; there is no such field. */
  readonly row?: Value
}

/** What `globalTableOf()` makes. */
export interface DeclaredGlobalTable<Value = unknown, KeyValue = unknown> {
  readonly kind: 'global-table-of'
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- of whatever keys
  readonly topic: Topic<any, string, any>
  /** Of which types its rows and keys are; there are no such fields. */
  readonly row?: Value
  readonly keyOfRow?: KeyValue
}

/** Of a handler, by name. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- of whatever rows
export type DeclaredTables = Readonly<Record<string, DeclaredTable<any> | DeclaredGlobalTable<any, any>>>

/** Of a handler that looks nothing up. */
// eslint-disable-next-line @typescript-eslint/no-generated-empty-object-type -- empty is what is meant: no name of a table
export type NoTables = Readonly<Record<never, never>>

/** The row of this record's key. */
export interface KeyedRow<Value> {
  /** undefined: there is none, or it was deleted. A value of its own each time. */
  get(): Value | undefined
}

/** The rows of all keys. */
export interface RowOfKey<Value, KeyValue> {
  /** undefined: there is none, or it was deleted. A value of its own each time. */
  get(key: KeyValue): Value | undefined
}

/** What a handler with these tables gets as `context.tables`. */
export type TablesOf<Tables> = {
  readonly [Name in keyof Tables]: Tables[Name] extends DeclaredTable<infer Value>
    ? KeyedRow<Value>
    : Tables[Name] extends DeclaredGlobalTable<infer Value, infer KeyValue>
      ? RowOfKey<Value, KeyGiven<KeyValue>>
      : never
}

/** The same, whatever they are. */
export type AnyTablesOf = TablesOf<DeclaredTables>

/**
 * A topic as a table, for the key of the record at hand: the last record of each key is its row, a tombstone deletes it. It is
 * read beside the handler's input, partition by partition, so it has as many partitions as that, written by the same
 * partitioner, and keys of the same bytes. Rows and records are taken by their timestamps, so a replay finds the same rows, as
 * far as the topic still has them. Best compacted. Throws OPTIONS_INVALID for what is no topic.
 *
 * @example
 * tables: { customers: tableOf(topic('customers', { value: json<Customer>() })) }
 */
export function tableOf<Value, Name extends string, KeyValue>(
  topic: Topic<Value, Name, KeyValue>,
): DeclaredTable<Exclude<Value, null>> {
  refuseWrong('tableOf()', problemsOfTopic(topic))
  return { kind: 'table-of', topic }
}

/**
 * A topic as a table, for whatever keys: each process has all of it, in memory, whatever partitions it is given, so it may have
 * any number of partitions. It is read to its end before the first record is handled, and goes on by itself from there: a
 * record finds what is there when it is handled, not what was there at its time, and a replay finds other rows. For handlers on
 * main. Best compacted. Throws OPTIONS_INVALID for what is no topic.
 *
 * @example
 * tables: { campaigns: globalTableOf(topic('campaigns', { key: text, value: json<Campaign>() })) }
 * // in handle: context.tables.campaigns.get(click.campaignId)
 */
export function globalTableOf<Value, Name extends string, KeyValue>(
  topic: Topic<Value, Name, KeyValue>,
): DeclaredGlobalTable<Exclude<Value, null>, KeyValue> {
  refuseWrong('globalTableOf()', problemsOfTopic(topic))
  return { kind: 'global-table-of', topic }
}

function problemsOfTopic(topic: unknown): string[] {
  if (isObject(topic) && topic['kind'] === 'topic' && typeof topic['name'] === 'string') return []
  const forgotten = forgottenCall(topic, (called) => `${called}('…')`)
  return [forgotten ?? `${shown(topic)} is no topic; make one with topic()`]
}

const kinds: readonly unknown[] = ['table-of', 'global-table-of']

/** What is wrong with the `tables` of a definition. */
export function problemsOfTables(tables: unknown, input: unknown): string[] {
  if (!isObject(tables)) return [`tables: ${shown(tables)} is no object of tables: write { customers: tableOf(…) }`]
  const names = Object.keys(tables)
  if (names.length === 0) return ['tables: there is none in it; leave it out']
  const inputName = isObject(input) ? input['name'] : undefined
  const users = new Map<unknown, string>()
  return names.flatMap((name) => {
    if (!namePattern.test(name)) {
      return [`tables: ${shown(name)} is no name of a table: letters, digits, _ and -, a letter first, at most 64`]
    }
    const declared = tables[name]
    const topic = nameOf(declared)
    if (!isObject(declared) || topic === undefined || !kinds.includes(declared['kind'])) {
      const forgotten = forgottenCall(declared, (called) => `${called}(…)`)
      return [
        `tables.${name}: ${forgotten ?? `${shown(declared)} is no table; make one with tableOf() or globalTableOf()`}`,
      ]
    }
    if (topic === inputName) return [`tables.${name}: topic ${topic} is the handler's own input: use state()`]
    const other = users.get(topic)
    users.set(topic, name)
    return other === undefined ? [] : [`tables.${name}: topic ${topic} is table ${other} already: use that one`]
  })
}

/** Of its topic; undefined: it is no table. */
function nameOf(declared: unknown): string | undefined {
  const topic = isObject(declared) ? declared['topic'] : undefined
  const name = isObject(topic) ? topic['name'] : undefined
  return typeof name === 'string' ? name : undefined
}

/** Those with the partitions of the input, in the order in which they are declared. */
export function partitionedTables(tables: DeclaredTables | undefined): readonly (readonly [string, DeclaredTable])[] {
  return Object.entries(tables ?? {}).filter((entry): entry is [string, DeclaredTable] => entry[1].kind === 'table-of')
}

/** Those that each process has all of. */
export function globalTables(tables: DeclaredTables | undefined): readonly (readonly [string, DeclaredGlobalTable])[] {
  return Object.entries(tables ?? {}).filter(
    (entry): entry is [string, DeclaredGlobalTable] => entry[1].kind === 'global-table-of',
  )
}

/** As states, which stand behind the handler's own: their name is one that no state can have. */
export function shapesOfTables(tables: DeclaredTables | undefined): readonly StateShape[] {
  return partitionedTables(tables).map(([name, { topic }]) => ({
    name: `table:${name}`,
    codec: topic.value.name,
    ttlMs: null,
    maxBytes: Number.MAX_SAFE_INTEGER,
    table: topic.name,
  }))
}
