import { deadLetter, done } from 'troupe'
import { createHarness } from 'troupe/testing'
import { expect, test } from 'vitest'
import enrich from './enrich.ts'
import { clickTable, enrichedClicks } from './flows.ts'

const click = {
  user_id: 7,
  session_id: 7001,
  timestamp: '2026-01-31T12:00:00.123+02:00',
  url: 'https://shop.example/',
  ip: '8.8.8.8',
}

test('a click gets its country, and goes to the topic and the table', async () => {
  const enriched = { ...click, country: 'US' }
  expect(await createHarness(enrich).send(click)).toEqual(
    done([enrichedClicks.record(enriched, { key: 7 }), clickTable.upsert(enriched)]),
  )
})

test('what is no address is a dead letter', async () => {
  expect(await createHarness(enrich).send({ ...click, ip: 'nowhere' })).toEqual(deadLetter('not an address: nowhere'))
})
