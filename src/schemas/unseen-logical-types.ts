/**
 * Logical types that a schema names and nobody sees. By Avro's specification they are passed over, and values are of the
 * type below; that is seldom what was meant.
 */
import { isObject } from '../options/declared.ts'
import { nearestName } from '../options/near-miss.ts'
import { logicalTypeOf, logicalTypes } from '../streams/avro/type-mapping.ts'

/** One line each, with its place. `schema` is the parsed JSON of a valid schema. */
export function unseenLogicalTypes(schema: unknown, path = ''): string[] {
  if (Array.isArray(schema)) return schema.flatMap((branch) => unseenLogicalTypes(branch, path))
  if (!isObject(schema)) return []
  const { fields, items, type, values } = schema
  const inner = [
    ...(Array.isArray(fields) ? fields.flatMap((field) => ofField(field, path)) : []),
    ...unseenLogicalTypes(items, `${path}[]`),
    ...unseenLogicalTypes(values, `${path}{}`),
    ...unseenLogicalTypes(type, path),
  ]
  const { logicalType } = schema
  if (typeof logicalType !== 'string' || typeof type !== 'string' || logicalTypeOf(schema) !== undefined) return inner
  const near = Object.hasOwn(logicalTypes, logicalType) ? null : nearestName(logicalType, Object.keys(logicalTypes))
  const hint = near === null ? '' : `, did you mean ${near}?`
  return [...inner, `${path || 'the schema'}: logicalType ${logicalType} means nothing on ${type}${hint}`]
}

function ofField(field: unknown, path: string): string[] {
  if (!isObject(field)) return []
  const { logicalType, name, type } = field
  const at = path === '' ? String(name) : `${path}.${String(name)}`
  const inner = unseenLogicalTypes(type, at)
  if (typeof logicalType !== 'string') return inner
  const meant = JSON.stringify({ type, logicalType })
  return [
    ...inner,
    `${at}: logicalType ${logicalType} stands beside the type, where nobody sees it: write "type": ${meant}`,
  ]
}
