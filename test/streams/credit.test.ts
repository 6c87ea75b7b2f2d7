import { describe, expect, test } from 'vitest'
import { Credit } from '../../src/streams/credit.ts'

describe('credit', () => {
  test('is what is left of the records, and nothing while the bytes are at their limit', () => {
    const credit = new Credit({ maxRecords: 10, maxBytes: 100 })
    credit.admit(4, 40)
    expect(credit.availableRecords).toBe(6)
    credit.admit(1, 60)
    expect(credit.availableRecords).toBe(0)
    credit.retire(1, 1)
    expect(credit.availableRecords).toBe(6)
  })

  // Case 50: hysteresis; one record of credit at a time would ask the client once per record.
  test('says that it is free once, when a quarter is', () => {
    const credit = new Credit({ maxRecords: 8, maxBytes: 1_000 })
    credit.admit(8, 8)
    let freed = 0
    credit.freed$.subscribe(() => (freed += 1))
    credit.retire(1, 1)
    expect(freed).toBe(0)
    credit.retire(1, 1)
    credit.retire(1, 1)
    expect(freed).toBe(1)
  })
})
