/** What handlers on main get as `context.tables` of their global tables: the same for all records. */
import { TroupeError, isTroupeError } from '../../errors.ts'
import { boundCodec, type Codec, type KnownSchemas } from '../../streams/flows/contract.ts'
import { keyBytes } from '../../streams/flows/effect-encoder.ts'
import { globalTables, type DeclaredTables, type RowOfKey } from './declared-tables.ts'
import type { GlobalRows } from './global-rows.ts'
import { decodeRow } from './table-access.ts'

/** By name. Throws SCHEMA_REGISTRY_MISSING. */
export function globalAccess(
  tables: DeclaredTables,
  rows: GlobalRows | undefined,
  schemas: KnownSchemas | undefined,
): Readonly<Record<string, RowOfKey<unknown, unknown>>> {
  const opened: Record<string, RowOfKey<unknown, unknown>> = {}
  for (const [name, { topic }] of globalTables(tables)) {
    const codec = boundCodec(topic.value as Codec<unknown>, { topic: topic.name, part: 'value' }, schemas)
    const keyCodec =
      topic.key === undefined ? undefined : boundCodec(topic.key, { topic: topic.name, part: 'key' }, schemas)
    const source = rows?.open(topic.name, (value) => void decodeRow(codec, name, value)) ?? null
    opened[name] = {
      get(key) {
        if (source?.rows == null) {
          throw new TroupeError('STATE_INVALID', `table ${name}: nobody reads topic ${topic.name} here`)
        }
        const asked = keyBytes(keyCodec, key)
        const row = asked === null ? undefined : source.rows.get(asked)
        if (row === undefined) return undefined
        try {
          return decodeRow(codec, name, row)
        } catch (error) {
          // It was told of when it came.
          if (isTroupeError(error) && error.code === 'DECODE_FAILED') return undefined
          throw error
        }
      },
    }
  }
  return opened
}
