/** What handlers get as `context.tables`: reads rows, where the handler runs; and makes a row of a record of their topics. */
import { TroupeError, isTroupeError } from '../../errors.ts'
import type { AttemptState } from '../../state/attempt-state.ts'
import { StateValue, type StateChange } from '../../state/state-value.ts'
import { boundCodec, neededSchema, type Codec, type KnownSchemas } from '../../streams/flows/contract.ts'
import type { SourceRecord } from '../../streams/record.ts'
import { partitionedTables, type AnyTablesOf, type DeclaredTables, type KeyedRow } from './declared-tables.ts'

interface OpenTable {
  readonly name: string
  readonly topic: string
  readonly codec: Codec<unknown>
  /** Which of the handler's states it is. */
  readonly at: number
}

/** Of a handler that looks nothing up. */
export const noTables: AnyTablesOf = Object.freeze({})

export class TableAccess {
  readonly #tables: readonly OpenTable[]

  /** `stateCount`: of the handler's own states, behind which the tables stand. Throws SCHEMA_REGISTRY_MISSING. */
  constructor(tables: DeclaredTables, stateCount: number, schemas: KnownSchemas | undefined) {
    this.#tables = partitionedTables(tables).map(([name, { topic }], index) => ({
      name,
      topic: topic.name,
      codec: boundCodec(topic.value as Codec<unknown>, { topic: topic.name, part: 'value' }, schemas),
      at: stateCount + index,
    }))
  }

  /** For one attempt, with those that are the same for all. */
  of(attempt: AttemptState, others: AnyTablesOf): AnyTablesOf {
    const rows: Record<string, unknown> = { ...others }
    for (const table of this.#tables) rows[table.name] = { get: () => read(table, attempt) } satisfies KeyedRow<unknown>
    return rows as AnyTablesOf
  }

  /** It is a row and no record for the handler. */
  has({ topic }: SourceRecord): boolean {
    return this.#tables.some((table) => table.topic === topic)
  }

  /** What this record makes of its row. Throws DECODE_FAILED, and what says that a schema is needed. */
  change({ key, topic, value }: SourceRecord): StateChange {
    const { at, codec, name } = this.#tables.find((table) => table.topic === topic)!
    if (key === null) {
      throw new TroupeError(
        'DECODE_FAILED',
        `table ${name}: a record of topic ${topic} has no key, so it is nobody's row`,
      )
    }
    if (value === null) return { at, value: null }
    decodeRow(codec, name, value)
    return { at, value: StateValue.ofPayload(value, null) }
  }
}

function read({ at, codec, name }: OpenTable, attempt: AttemptState): unknown {
  const { key } = attempt
  const row = key === null ? null : attempt.read(at, key)
  if (row === null) return undefined
  try {
    return decodeRow(codec, name, Uint8Array.from(row.payload))
  } catch (error) {
    // It went to the dead letters when it came, and its key has no row since; here it is again from the topic, after a restart.
    if (isTroupeError(error) && error.code === 'DECODE_FAILED') return undefined
    throw error
  }
}

/** Throws DECODE_FAILED, and what says that a schema is needed. */
export function decodeRow(codec: Codec<unknown>, name: string, bytes: Uint8Array): unknown {
  try {
    return codec.decode(bytes)
  } catch (cause) {
    if (neededSchema(cause) !== undefined) throw cause
    throw new TroupeError('DECODE_FAILED', `table ${name}: a row is not what codec ${codec.name} expects`, { cause })
  }
}
