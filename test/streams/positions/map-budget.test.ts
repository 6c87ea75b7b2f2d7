import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isNearLimit, maxCharactersFor, restAfterMs } from '../../../src/streams/positions/map-budget.ts'

/** What a broker takes in one batch by default: `message.max.bytes`. */
const batchBytes = 1_048_588

/** A commit entry as the coordinator writes it, from the formats of OffsetCommitKey and OffsetCommitValue. */
function entryBytes(nameBytes: number, characters: number): number {
  const key = 2 + 2 + 2 + nameBytes + 4 // version, two string lengths, names, partition
  const value = 2 + 8 + 4 + 2 + 3 * characters + 1 + 8 // version, position, epoch, length, text, NUL, time
  return 20 + key + value // varints and attributes of a record
}

describe('the share of a partition', () => {
  test.each([1, 2, 24, 70])('is all that metadata may have while %d partitions are assigned', (partitionCount) => {
    expect(maxCharactersFor({ partitionCount })).toBe(4095)
  })

  // Case 25, and the sum over all partitions: past the limit nothing is committed, for ever.
  test('keeps the commit of full maps in all partitions below what a broker takes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1500 }), fc.integer({ min: 2, max: 498 }), (partitionCount, nameBytes) => {
        const characters = maxCharactersFor({ partitionCount, nameBytes })
        expect(partitionCount * entryBytes(nameBytes, characters)).toBeLessThan(batchBytes - 61)
        expect(characters).toBeLessThanOrEqual(4095)
        expect(characters).toBeGreaterThanOrEqual(0)
      }),
    )
  })

  test('is worth having with a thousand partitions', () => {
    expect(maxCharactersFor({ partitionCount: 1000, nameBytes: 40 })).toBeGreaterThan(250)
  })

  test('is nothing, rather than less than nothing, where positions alone fill the commit', () => {
    expect(maxCharactersFor({ partitionCount: 100_000 })).toBe(0)
  })

  test('is all while nothing is assigned', () => {
    expect(maxCharactersFor({ partitionCount: 0 })).toBe(4095)
  })

  test('shrinks with the limit of the broker', () => {
    expect(maxCharactersFor({ partitionCount: 10, nameBytes: 36, maxCommitBytes: 10_000 })).toBe(300)
  })
})

// Case 25: intake stops before the map does not fit.
describe('intake', () => {
  test('stops at 75 % of the limit', () => {
    expect(isNearLimit(3071, 4095)).toBe(false)
    expect(isNearLimit(3072, 4095)).toBe(true)
    expect(isNearLimit(13_000, 4095)).toBe(true)
  })

  test('never stops for an empty map, or nothing would ever start', () => {
    expect(isNearLimit(0, 4095)).toBe(false)
    expect(isNearLimit(0, 0)).toBe(false)
    expect(isNearLimit(9, 0)).toBe(true)
  })
})

test('all maps of a process come to a megabyte a second, and full ones of 100 partitions to one commit in it', () => {
  expect(restAfterMs(1_000_000)).toBe(1000)
  const fullMapsBytes = 100 * 3 * maxCharactersFor({ partitionCount: 100 })
  expect(restAfterMs(fullMapsBytes)).toBeGreaterThan(900)
  expect(restAfterMs(fullMapsBytes)).toBeLessThan(1000)
})
