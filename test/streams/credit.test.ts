import { describe, expect, test } from 'vitest'
import { Credit } from '../../src/streams/credit.ts'

describe('credit', () => {
  test('is what is left of the records, and nothing while the bytes are at their limit', () => {
    const credit = new Credit({ maxRecords: 10, maxBytes: 100 })
    credit.admit(4, 40)
    expect(credit.availableRecords).toBe(6)
    credit.admit(1, 60)
    expect(credit.availableRecords).toBe(0)
    credit.retire(1, 60)
    expect(credit.availableRecords).toBeGreaterThan(0)
  })

  // Case 50: one poll of large records would overshoot the limit many times over.
  test('asks for no more records than the bytes that are left are expected to hold, and for one at least', () => {
    const credit = new Credit({ maxRecords: 1_000, maxBytes: 1_000 })
    expect(credit.availableRecords).toBe(1_000)
    credit.admit(1, 100)
    expect(credit.availableRecords).toBe(9)
    credit.admit(8, 800)
    expect(credit.availableRecords).toBe(1)
    credit.admit(1, 99)
    expect(credit.availableRecords).toBe(1)
    credit.admit(1, 100)
    expect(credit.availableRecords).toBe(0)
  })

  test('expects larger records at once, and smaller ones after some time', () => {
    const credit = new Credit({ maxRecords: 1_000, maxBytes: 10_000 })
    const pass = (size: number): void => {
      credit.admit(1, size)
      credit.retire(1, size)
    }
    pass(10)
    pass(1_000)
    expect(credit.availableRecords).toBe(10)
    pass(10)
    expect(credit.availableRecords).toBe(10)
    for (let count = 0; count < 1_000; count += 1) pass(10)
    expect(credit.availableRecords).toBeGreaterThan(900)
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
