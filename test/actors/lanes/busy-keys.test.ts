import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BusyKeys, NOT_BUSY, NO_KEY, hashKey } from '../../../src/actors/lanes/busy-keys.ts'

test('finds what was added and not deleted since, also where hashes lead to the same slots', () => {
  // Few places, all in the last slots and the first: searches run into each other, and around the end.
  const step = fc.record({
    place: fc.constantFrom(0, 1, 2, 61, 62, 63, 64, 126, 127, 2 ** 31 - 1),
    check: fc.nat(2),
    isDeleted: fc.boolean(),
  })
  const steps = fc.array(step, { minLength: 50, maxLength: 300 })
  fc.assert(
    fc.property(steps, (plan) => {
      const busy = new BusyKeys<string>()
      const model = new Map<string, string | null>()
      const wrong: string[] = []
      for (const [at, { place, check, isDeleted }] of plan.entries()) {
        const name = `${place} ${check}`
        const slot = busy.find(place, check)
        const found = slot === NOT_BUSY ? undefined : busy.laneAt(slot)
        if (found !== model.get(name)) wrong.push(`step ${at}: ${found} instead of ${model.get(name)}`)
        if (isDeleted && slot !== NOT_BUSY) {
          busy.delete(slot)
          model.delete(name)
        } else if (slot === NOT_BUSY) {
          const lane = at % 2 === 0 ? null : `lane ${at}`
          busy.add(place, check, lane)
          model.set(name, lane)
        } else {
          busy.setLane(slot, `lane ${at}`)
          model.set(name, `lane ${at}`)
        }
      }
      expect([wrong, busy.size]).toEqual([[], model.size])
      expect(busy.lanes().sort()).toEqual([...model.values()].filter((lane) => lane !== null).sort())
    }),
  )
})

test('grows with a burst of keys and finds all of them, before and after it has become smaller again', () => {
  const busy = new BusyKeys<number>()
  for (const count of [5_000, 10, 3, 2_000, 0]) {
    for (let place = 0; place < count; place += 1) busy.add(place * 97, place, place)
    const found = Array.from({ length: count }, (_, place) => busy.laneAt(busy.find(place * 97, place)))
    expect(found).toEqual(Array.from({ length: count }, (_, place) => place))
    for (let place = 0; place < count; place += 1) busy.delete(busy.find(place * 97, place))
    expect([busy.size, busy.lanes()]).toEqual([0, []])
  }
})

test('a key is hashed by all of its bytes, and never to what stands for none', () => {
  const hashes = new Set<string>()
  let least = 0
  for (let number = 0; number < 100_000; number += 1) {
    const keyed = { keyPlace: NO_KEY, keyCheck: 0 }
    hashKey(keyed, Buffer.from(`key ${number}`))
    least = Math.min(least, keyed.keyPlace)
    hashes.add(`${keyed.keyPlace} ${keyed.keyCheck}`)
  }
  expect([hashes.size, least]).toEqual([100_000, 0])
})
