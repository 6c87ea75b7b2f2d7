/** A part of a schema that stands alone: what its names mean is written in place of their first use. */
import { isObject } from '../../options/declared.ts'
import { fullName, fullNameOf, namespaceOf, shortName } from './names.ts'
import type { Definition } from './survey.ts'
import { primitiveTypes } from './type-mapping.ts'

/** `part` stands at the top, in no namespace. Names that `defined` lacks stay: references define them. */
export function selfContained(part: unknown, defined: ReadonlyMap<string, Definition>): unknown {
  const done = new Set<string>()

  const copy = (schema: unknown, namespace: string): unknown => {
    if (typeof schema === 'string') return named(schema, namespace)
    if (Array.isArray(schema)) return schema.map((branch) => copy(branch, namespace))
    if (!isObject(schema)) return schema
    const { fields, items, name, type, values, ...rest } = schema
    if (name === undefined || !['record', 'error', 'enum', 'fixed'].includes(String(type))) {
      return {
        ...rest,
        type: type === 'array' || type === 'map' ? type : copy(type, namespace),
        ...(items === undefined ? {} : { items: copy(items, namespace) }),
        ...(values === undefined ? {} : { values: copy(values, namespace) }),
      }
    }
    const full = fullNameOf(schema, namespace)
    if (done.has(full)) return full
    done.add(full)
    const within = namespaceOf(full)
    return {
      ...rest,
      type,
      name: shortName(full),
      namespace: within,
      ...(Array.isArray(fields)
        ? { fields: fields.map((field: { type: unknown }) => ({ ...field, type: copy(field.type, within) })) }
        : {}),
    }
  }

  const named = (name: string, namespace: string): unknown => {
    if (Object.hasOwn(primitiveTypes, name)) return name
    const full = fullName(name, namespace)
    const definition = defined.get(full)
    if (definition === undefined || done.has(full)) return full
    return copy({ ...definition.schema, name: shortName(full), namespace: namespaceOf(full) }, '')
  }

  return copy(part, '')
}
