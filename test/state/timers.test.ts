import { describe, expect, test } from 'vitest'
import { Random } from '../../src/testing/random.ts'
import { Timers } from '../../src/state/timers.ts'

describe('Timers', () => {
  test('they come in the order of their times, those of one moment in the order in which they were set', () => {
    const timers = new Timers()
    timers.set(0, 'c', 30)
    timers.set(0, 'b', 20)
    timers.set(1, 'b', 20)
    timers.set(0, 'a', 10)

    expect(taken(timers, 25)).toEqual(['0/a 10', '0/b 20', '1/b 20'])
    expect(timers.nextDueMs).toBe(30)
  })

  test('one that is set again is moved, and one that is cancelled is not there', () => {
    const timers = new Timers()
    timers.set(0, 'a', 10)
    timers.set(0, 'b', 10)
    timers.set(0, 'a', 40)
    timers.set(0, 'b', null)

    expect(taken(timers, 39)).toEqual([])
    expect(taken(timers, 40)).toEqual(['0/a 40'])
  })

  test('one that was taken is set until it is cancelled or set again, and comes once', () => {
    const timers = new Timers()
    timers.set(0, 'a', 10)
    const timer = timers.take(10)!

    expect([timers.isSet(timer), timers.size, timers.take(10)]).toEqual([true, 1, null])
    timers.set(0, 'a', 10)
    expect(timers.isSet(timer)).toBe(false)
    expect(taken(timers, 10)).toEqual(['0/a 10'])
  })

  test('whatever is set, moved and cancelled, what is due comes in order and once', () => {
    const random = new Random(7)
    const timers = new Timers()
    const model = new Map<string, number>()
    for (let step = 0; step < 5_000; step += 1) {
      const key = String(random.integer(0, 299))
      const dueMs = random.chance(0.2) ? null : random.integer(0, 999)
      timers.set(0, key, dueMs)
      if (dueMs === null) model.delete(key)
      else model.set(key, dueMs)
    }

    const due = taken(timers, 1_000).map((text) => text.split(' '))
    expect(due.map(([, at]) => Number(at))).toEqual([...model.values()].sort((a, b) => a - b))
    expect(new Map(due.map(([name, at]) => [name!.slice(2), Number(at)]))).toEqual(model)
  })
})

function taken(timers: Timers, untilMs: number): string[] {
  const names: string[] = []
  for (let timer = timers.take(untilMs); timer !== null; timer = timers.take(untilMs)) {
    names.push(`${timer.at}/${timer.key} ${timer.dueMs}`)
  }
  return names
}
