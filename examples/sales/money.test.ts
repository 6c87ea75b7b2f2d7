import { expect, test } from 'vitest'
import { amountOf, centsOf } from './money.ts'

test('amounts come back as they were, and what is none is refused', () => {
  for (const amount of ['0.00', '0.05', '-0.05', '12.50', '-100.00', '90071992547409.91']) {
    expect(amountOf(centsOf(amount))).toBe(amount)
  }
  for (const none of ['1', '1.5', '1.234', ' ', '1e2.00', '90071992547409.93'])
    expect(() => centsOf(none)).toThrow(none)
})
