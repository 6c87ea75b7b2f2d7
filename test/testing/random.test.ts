import { expect, test } from 'vitest'
import { murmur2, partitionOf } from '../../src/streams/murmur2.ts'
import { Random } from '../../src/testing/random.ts'

test('the same seed gives the same numbers, another seed others', () => {
  const draw = (seed: number): number[] => {
    const random = new Random(seed)
    return Array.from({ length: 20 }, () => random.integer(0, 1_000_000))
  }
  expect(draw(7)).toEqual(draw(7))
  expect(draw(7)).not.toEqual(draw(8))
})

test('integers reach both ends and nothing beyond, evenly', () => {
  const random = new Random(1)
  const counts = new Array<number>(6).fill(0)
  for (let at = 0; at < 60_000; at += 1) counts[random.integer(0, 5)]! += 1
  for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500)
})

test('a fork depends on the seed and its name, not on what was drawn before', () => {
  const random = new Random(5)
  const early = random.fork('a').next()
  random.next()
  expect(random.fork('a').next()).toBe(early)
  expect(random.fork('b').next()).not.toBe(early)
  expect(new Random(6).fork('a').next()).not.toBe(early)
})

test('shuffling keeps every item once', () => {
  const list = Array.from({ length: 50 }, (_, at) => at)
  const shuffled = new Random(3).shuffle(list)
  expect(shuffled).not.toEqual(list)
  expect([...shuffled].sort((a, b) => a - b)).toEqual(list)
})

// From Java: org.apache.kafka.common.utils.UtilsTest.testMurmur2.
test.each([
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
])('murmur2 of %s is what Java computes', (text, hash) => {
  expect(murmur2(Buffer.from(text))).toBe(hash)
})

test('a hash becomes a partition as in Java: made positive by its sign bit, modulo their number', () => {
  expect(['21', 'foobar', 'abc'].map((key) => partitionOf(Buffer.from(key), 12))).toEqual([0, 6, 3])
})
