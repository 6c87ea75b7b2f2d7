import { deadLetter } from 'troupe'
import { createHarness } from 'troupe/testing'
import { expect, test } from 'vitest'
import watch from './watch.ts'

const harness = createHarness(watch)
const reading = { sensor_id: 7, temperature: 29.5, humidity: 50, timestamp: new Date(1_769_860_800_123) }

test('on Avro a reading is passed on with its time, and raises its alert, too', async () => {
  const reasons = ['temperature 29.5 is above 29']
  expect(await harness.send(reading, { key: '7' })).toMatchObject({
    type: 'done',
    effects: [{ value: reading }, { row: reading }, { value: { ...reading, reasons } }],
  })
})

test.each([
  [{ sensor_id: 11 }, '11', 'no sensor 11'],
  [{ timestamp: new Date(0) }, '7', 'its time was never set'],
])('what a schema does not say is checked: %o', async (change, key, reason) => {
  expect(await harness.send({ ...reading, ...change }, { key })).toEqual(deadLetter(reason))
})
