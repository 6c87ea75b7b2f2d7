/** Telling, at each record, whether a document holds an integer that a number cannot hold. */
import { describe, expect, test } from 'vitest'
import { mayHoldWideInteger } from '../../../src/streams/flows/wide-integers.ts'

/** What it says, and how many bytes it has read for that. */
function look(text: string): { readonly says: boolean; readonly bytesRead: number } {
  let bytesRead = 0
  const bytes = new Proxy(Buffer.from(text), {
    get(of, name) {
      if (typeof name === 'string' && /^-?\d+$/.test(name)) bytesRead += 1
      return Reflect.get(of, name) as unknown
    },
  })
  return { says: mayHoldWideInteger(bytes), bytesRead }
}

describe('mayHoldWideInteger', () => {
  test.each([
    ['of a text', `{"a":"${'7'.repeat(4_000)}"}`],
    ['of a fraction', `{"a":0.${'7'.repeat(4_000)}}`],
  ])('reads the digits %s once, however many there are', (_, text) => {
    const { says, bytesRead } = look(text)
    expect(says).toBe(false)
    expect(bytesRead).toBeLessThan(2 * text.length)
  })

  test('finds one at any distance behind digits that are none', () => {
    for (let distance = 0; distance < 40; distance += 1) {
      const text = `{"a":"${'7'.repeat(40)}",${' '.repeat(distance)}"b":9007199254740993}`
      expect([distance, look(text).says]).toEqual([distance, true])
    }
  })
})
