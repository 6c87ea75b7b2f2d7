import type { Outcome } from 'troupe'
import { createHarness } from 'troupe/testing'
import { expect, test } from 'vitest'
import { createFakeEvents, type FakeEvent } from './fake-events.ts'
import processEvents from './process.ts'

const ATTEMPTS = 4

function make(count: number, seed = 1): readonly FakeEvent[] {
  let nowMs = Date.UTC(2026, 0, 31)
  const makeEvent = createFakeEvents({ seed, brokenShare: 0.05, now: () => (nowMs += 1) })
  return Array.from({ length: count }, makeEvent)
}

test('the same seed makes the same events, another one others', () => {
  expect(make(500)).toEqual(make(500))
  expect(make(500, 2)).not.toEqual(make(500))
})

test('exactly those with a flaw are dead letters after four attempts, in every way', async () => {
  const harness = createHarness(processEvents)
  async function handle({ key, value }: FakeEvent, attempt = 1): Promise<Outcome['type'] | 'attempts exhausted'> {
    const outcome = await harness.sendBytes(value, { key, attempt }).catch(() => undefined)
    if (outcome !== undefined) return outcome.type
    return attempt === ATTEMPTS ? 'attempts exhausted' : await handle({ key, value, flaw: undefined }, attempt + 1)
  }
  const events = make(10_000)
  const ends: string[] = []
  for (const event of events) ends.push(await handle(event))
  const wrong = events.filter(({ flaw }, at) => (ends[at] === 'done') !== (flaw === undefined))
  expect(wrong).toEqual([])
  const flaws = events.flatMap(({ flaw }) => flaw ?? [])
  expect(flaws.length).toBeGreaterThan(400)
  expect(flaws.length).toBeLessThan(600)
  expect(new Set(flaws).size).toBe(12)
  expect(ends.filter((end) => end === 'attempts exhausted')).toHaveLength(
    flaws.filter((flaw) => flaw === 'a user at whom a service fails').length,
  )
})

test('each event has an id of its own, and its user for a key', () => {
  const good = make(5_000).filter(({ flaw }) => flaw === undefined)
  const parsed = good.map(({ value }) => JSON.parse(String(value)) as { event_id: string; user_id: number })
  expect(new Set(parsed.map(({ event_id }) => event_id)).size).toBe(good.length)
  expect(good.map(({ key }) => key)).toEqual(parsed.map(({ user_id }) => String(user_id)))
})
