/** Whether a JSON value can stand for one of a type, as a default: whoever lacks the field reads it as that. */
import type { AvroType, PrimitiveKind } from './avro-type.ts'

/** `value` may hold bigints, for integers that a number cannot hold. */
export function canBeDefault(type: AvroType, value: unknown): boolean {
  switch (type.kind) {
    case 'union':
      return type.branches.some((branch) => canBeDefault(branch, value))
    case 'array':
      return Array.isArray(value) && value.every((item) => canBeDefault(type.items, item))
    case 'map':
      return isObject(value) && Object.values(value).every((item) => canBeDefault(type.values, item))
    case 'record':
      return (
        isObject(value) &&
        type.fields.every((field) =>
          Object.hasOwn(value, field.name) ? canBeDefault(field.type, value[field.name]) : field.default !== undefined,
        )
      )
    case 'enum':
      return typeof value === 'string' && type.symbols.includes(value)
    case 'fixed':
      return isBytes(value) && value.length === type.size
    default:
      return isPrimitiveValue(type.kind, value)
  }
}

function isPrimitiveValue(kind: PrimitiveKind, value: unknown): boolean {
  switch (kind) {
    case 'null':
      return value === null
    case 'boolean':
      return typeof value === 'boolean'
    case 'int':
      return isIntegerOf(32, value)
    case 'long':
      return isIntegerOf(64, value)
    case 'float':
    case 'double':
      // What JSON has no number for is written as text.
      return (
        typeof value === 'number' ||
        typeof value === 'bigint' ||
        ['NaN', 'Infinity', '-Infinity'].includes(String(value))
      )
    case 'bytes':
      return isBytes(value)
    case 'string':
      return typeof value === 'string'
  }
}

function isIntegerOf(bits: number, value: unknown): boolean {
  if (typeof value !== 'bigint' && !Number.isInteger(value)) return false
  const integer = BigInt(value as number | bigint)
  return BigInt.asIntN(bits, integer) === integer
}

/** One character a byte. */
function isBytes(value: unknown): value is string {
  return typeof value === 'string' && /^[\u0000-\u00ff]*$/.test(value)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
