/** Names as Avro has them: one without a namespace is of the namespace it stands in. */

const WORD = /^[A-Za-z_][A-Za-z0-9_]*$/

export function isWord(name: unknown): name is string {
  return typeof name === 'string' && WORD.test(name)
}

/** With its namespace, or without. */
export function isName(name: unknown): name is string {
  return typeof name === 'string' && name.replace(/^\./, '').split('.').every(isWord)
}

export function fullName(name: string, namespace: string): string {
  if (name.includes('.')) return name.replace(/^\./, '')
  return namespace === '' ? name : `${namespace}.${name}`
}

export function fullNameOf(
  schema: { readonly name?: unknown; readonly namespace?: unknown },
  namespace: string,
): string {
  const own = typeof schema.namespace === 'string' ? schema.namespace : namespace
  return fullName(String(schema.name), own)
}

/** That which names within it are of. */
export function namespaceOf(full: string): string {
  return full.slice(0, Math.max(full.lastIndexOf('.'), 0))
}

export function shortName(full: string): string {
  return full.slice(full.lastIndexOf('.') + 1)
}
