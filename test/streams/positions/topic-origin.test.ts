/** Of which topic a commit is: what stands before the completion map. */
import { describe, expect, test } from 'vitest'
import { decodeCompletionMap, encodeCompletionMap } from '../../../src/streams/positions/completion-map.ts'
import {
  decodeOrigin,
  encodeOrigin,
  isOtherTopic,
  originLength,
  originOf,
} from '../../../src/streams/positions/topic-origin.ts'

const map = encodeCompletionMap({ position: 5, frontier: 15, unfinished: Float64Array.of(5, 6) }) as string
const firstOf = (id: string | null, partitions: number) => originOf([], { id, partitions })

describe('the text', () => {
  test.each([
    { id: 0, partitions: 0 },
    { id: 1, partitions: 4 },
    { id: 0xffff_ffff, partitions: 0xff_ffff },
  ])('$id, $partitions: nine characters, alone or before a map, which is read as without', (origin) => {
    const text = encodeOrigin(origin, 5)
    expect(text).toHaveLength(originLength)
    expect(decodeOrigin(text, 5)).toEqual(origin)
    expect(decodeOrigin(text + map, 5)).toEqual(origin)
    expect(decodeCompletionMap(text, { position: 5 })).toEqual({ kind: 'none' })
    expect(decodeCompletionMap(text + map, { position: 5 })).toEqual(decodeCompletionMap(map, { position: 5 }))
  })

  test.each(['', map, 'T~2', 'AgAAAZb8Uw=='])('%j says nothing of a topic', (text) => {
    expect(decodeOrigin(text, 5)).toBeNull()
  })

  test('a changed character is noticed', () => {
    const text = encodeOrigin(firstOf('a', 4), 5)
    for (let at = 3; at < originLength; at += 1) {
      const changed = text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ 1) + text.slice(at + 1)
      expect(decodeOrigin(changed, 5)).toBeNull()
      expect(decodeCompletionMap(changed + map, { position: 5 }).kind).toBe('corrupt')
    }
  })
})

test('a text that a tool has copied to another position says nothing of it', () => {
  const text = encodeOrigin(firstOf('a', 4), 5)
  expect(decodeOrigin(text, 6)).toBeNull()
  expect(decodeCompletionMap(text, { position: 6 }).kind).toBe('corrupt')
})

describe('the origin', () => {
  test('is not forgotten while brokers do not tell the id', () => {
    expect(originOf([firstOf('a', 4)], { id: null, partitions: 4 })).toEqual(firstOf('a', 4))
  })

  test('of a group that begins: all partitions that are there', () => {
    expect(firstOf('a', 4).partitions).toBe(4)
  })

  test('stays what it was when partitions are added, whoever tells', () => {
    expect(originOf([firstOf('a', 4), firstOf('a', 6)], { id: 'a', partitions: 8 })).toEqual(firstOf('a', 4))
  })

  test('of a topic that was made anew: none of its partitions was there, and that stays so', () => {
    const anew = originOf([firstOf('a', 4)], { id: 'b', partitions: 4 })
    expect(anew).toEqual({ ...firstOf('b', 4), partitions: 0 })
    expect(originOf([firstOf('a', 4), anew], { id: 'b', partitions: 4 })).toEqual(anew)
  })

  test.each([
    { before: 'a', now: 'a', isOther: false },
    { before: 'a', now: 'b', isOther: true },
    { before: null, now: 'b', isOther: false },
    { before: 'a', now: null, isOther: false },
  ])('of $before is of another topic than $now: $isOther', ({ before, isOther, now }) => {
    expect(isOtherTopic(firstOf(before, 4), { id: now, partitions: 4 })).toBe(isOther)
  })
})
