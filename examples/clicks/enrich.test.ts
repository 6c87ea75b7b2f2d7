import { deadLetter, done } from 'troupe'
import { createHarness } from 'troupe/testing'
import { expect, test } from 'vitest'
import { readFileSync } from 'node:fs'
import enrich from './enrich.ts'
import { clickTable, enrichedClicks } from './flows.ts'
import { geoFile } from './geo.ts'

const harness = createHarness(enrich, { shared: { geo: () => readFileSync(geoFile) } })

const click = {
  user_id: 7,
  session_id: 7001,
  timestamp: '2026-01-31T12:00:00.123+02:00',
  url: 'https://shop.example/',
  ip: '8.8.8.8',
}

test('a click gets its country, and goes to the topic and the table', async () => {
  const enriched = { ...click, country: 'US' }
  expect(await harness.send(click)).toEqual(
    done([enrichedClicks.record(enriched, { key: 7 }), clickTable.upsert(enriched)]),
  )
})

test('what is no address is a dead letter', async () => {
  expect(await harness.send({ ...click, ip: 'nowhere' })).toEqual(deadLetter('not an address: nowhere'))
})
