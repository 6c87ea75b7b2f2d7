/** What a handler that counts must have said: for each key 1, 2, 3, … as often as it has records, in this order. */
export interface Count {
  readonly key: string
  readonly value: string
}

interface Said {
  readonly n: number
  readonly count: number
}

/** What is wrong, the first few of it: a count that is missing, repeated, or made of another state. */
export function findWrongCounts(inputs: readonly { readonly key: string }[], outputs: readonly Count[]): string[] {
  const expected = new Map<string, number>()
  for (const { key } of inputs) expected.set(key, (expected.get(key) ?? 0) + 1)
  const reached = new Map<string, number>()
  const wrong: string[] = []
  for (const { key, value } of outputs) {
    const { n, count } = JSON.parse(value) as Said
    const next = (reached.get(key) ?? 0) + 1
    if (count !== next) wrong.push(`key ${key}: ${count} after ${next - 1}, of record ${n}`)
    reached.set(key, count)
  }
  for (const [key, total] of expected) {
    const last = reached.get(key) ?? 0
    if (last !== total) wrong.push(`key ${key}: ${last} in the end, not ${total}`)
  }
  return wrong.slice(0, 20)
}
