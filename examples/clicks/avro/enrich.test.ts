import { readFileSync } from 'node:fs'
import { deadLetter } from 'troupe'
import { createHarness } from 'troupe/testing'
import { expect, test } from 'vitest'
import { geoFile } from '../geo.ts'
import enrich from './enrich.ts'

const harness = createHarness(enrich, { shared: { geo: () => readFileSync(geoFile) } })
const click = { user_id: 7, session_id: 7001, timestamp: '2026-01-31T12:00:00Z', url: 'a', ip: '8.8.8.8' }

test('on Avro a click gets its country, too', async () => {
  const enriched = { ...click, country: 'US' }
  expect(await harness.send(click)).toMatchObject({ type: 'done', effects: [{ value: enriched }, { row: enriched }] })
})

test.each([
  [{ timestamp: 'yesterday' }, 'timestamp is no time: "yesterday"'],
  [{ ip: 'nowhere' }, 'not an address: nowhere'],
])('what a schema does not say is checked: %o', async (change, reason) => {
  expect(await harness.send({ ...click, ...change })).toEqual(deadLetter(reason))
})

test('what is no Avro is a dead letter', async () => {
  expect(await harness.sendBytes(Buffer.from(JSON.stringify(click)))).toMatchObject({ type: 'dead-letter' })
})
