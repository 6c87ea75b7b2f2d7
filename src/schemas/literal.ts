/** JSON as it stands in a program: short things on a line of their own, long ones over several. */

export const LINE_WIDTH = 120
const STEP = '  '

/** `used`: what stands before it on its first line, and behind it on its last. */
export function literalOf(value: unknown, indent = '', used = 0): string {
  const inline = inlineOf(value)
  if (indent.length + used + inline.length <= LINE_WIDTH || typeof value !== 'object' || value === null) return inline
  const within = indent + STEP
  const entries = Array.isArray(value)
    ? value.map((item) => literalOf(item, within, 1))
    : Object.entries(value).map(([key, item]) => `${keyOf(key)}: ${literalOf(item, within, keyOf(key).length + 3)}`)
  const lines = entries.map((entry) => `${within}${entry},\n`).join('')
  return Array.isArray(value) ? `[\n${lines}${indent}]` : `{\n${lines}${indent}}`
}

function inlineOf(value: unknown): string {
  if (typeof value === 'string') return textOf(value)
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(inlineOf).join(', ')}]`
  const entries = Object.entries(value).map(([key, item]) => `${keyOf(key)}: ${inlineOf(item)}`)
  return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`
}

function keyOf(key: string): string {
  // As a plain key this one would mean something else in a program.
  if (key === '__proto__') return `['__proto__']`
  return /^[A-Za-z_$][\w$]*$/.test(key) ? key : textOf(key)
}

/** In the quotes that need fewer escapes. */
function textOf(text: string): string {
  const quoted = JSON.stringify(text)
  if (text.split("'").length > text.split('"').length) return quoted
  return `'${quoted.slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`
}
