import { readFileSync } from 'node:fs'
import { json } from 'troupe'
import { expect, test } from 'vitest'
import { createFakeClicks, type FakeClick } from './fake-clicks.ts'
import { checkClick } from './flows.ts'
import { geoFile, openGeo } from './geo.ts'

const geo = openGeo(readFileSync(geoFile))

function make(count: number, seed = 1): readonly FakeClick[] {
  let nowMs = Date.UTC(2026, 0, 31)
  const makeClick = createFakeClicks({ seed, brokenShare: 0.05, now: () => (nowMs += 1) })
  return Array.from({ length: count }, makeClick)
}

function isGood({ value }: FakeClick): boolean {
  try {
    return value !== null && geo.isAddress(json(checkClick).decode(value).ip)
  } catch {
    return false
  }
}

test('the same seed makes the same clicks, another one others', () => {
  expect(make(500)).toEqual(make(500))
  expect(make(500, 2)).not.toEqual(make(500))
})

test('exactly those with a flaw are broken, in every way', () => {
  const clicks = make(20_000)
  const wrong = clicks.filter((click) => isGood(click) !== (click.flaw === undefined))
  expect(wrong).toEqual([])
  const flaws = clicks.flatMap(({ flaw }) => flaw ?? [])
  expect(flaws.length).toBeGreaterThan(800)
  expect(flaws.length).toBeLessThan(1200)
  expect(new Set(flaws).size).toBe(17)
})

test('good clicks are keyed by their user; few share user and time', () => {
  const good = make(20_000).filter(({ flaw }) => flaw === undefined)
  const parsed = good.map(({ key, value }) => ({ key, click: checkClick(JSON.parse(String(value))) }))
  expect(parsed.filter(({ key, click }) => key !== String(click.user_id))).toEqual([])
  const users = parsed.map(({ click }) => click.user_id)
  expect(Math.min(...users)).toBeGreaterThanOrEqual(1)
  expect(Math.max(...users)).toBeLessThanOrEqual(10_000)
  const distinct = new Set(parsed.map(({ click }) => `${String(click.user_id)} ${String(Date.parse(click.timestamp))}`))
  expect(distinct.size).toBeLessThan(parsed.length)
  expect(distinct.size).toBeGreaterThan(parsed.length * 0.99)
})
