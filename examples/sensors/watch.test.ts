import { deadLetter, done } from 'troupe'
import { createHarness } from 'troupe/testing'
import { describe, expect, test } from 'vitest'
import { sensorAlerts, sensorReadings, sensors, type Reading } from './flows.ts'
import watch from './watch.ts'

const harness = createHarness(watch)
const reading: Reading = { sensor_id: 7, temperature: 25, humidity: 50, timestamp: 1_769_860_800_123 }
const row = (of: Reading) => sensors.upsert({ ...of, timestamp: new Date(of.timestamp) })

test('a reading is passed on, and is the last one of its sensor', async () => {
  expect(await harness.send(reading, { key: '7' })).toEqual(
    done([sensorReadings.record(reading, { key: '7' }), row(reading)]),
  )
})

test.each([
  [{ temperature: 29 }, []],
  [{ temperature: 29.01 }, ['temperature 29.01 is above 29']],
  [{ temperature: 20.99 }, ['temperature 20.99 is below 21']],
  [{ humidity: 58.5 }, ['humidity 58.5 is above 58']],
  [{ temperature: 29.5, humidity: 41 }, ['temperature 29.5 is above 29', 'humidity 41 is below 42']],
])('%o raises an alert for what is beyond its limit: %o', async (change, reasons) => {
  const changed = { ...reading, ...change }
  const alerts = reasons.length === 0 ? [] : [sensorAlerts.record({ ...changed, reasons }, { key: '7' })]
  expect(await harness.send(changed, { key: '7' })).toEqual(
    done([sensorReadings.record(changed, { key: '7' }), row(changed), ...alerts]),
  )
})

describe('a dead letter is', () => {
  test.each([
    [{ sensor_id: 11 }, '11', 'no sensor 11'],
    [{ sensor_id: 0 }, '0', 'no sensor 0'],
    [{}, '8', 'of sensor 7 under key 8'],
    [{}, null, 'of sensor 7 under key null'],
    [{ temperature: 451 }, '7', 'not measurable: temperature 451 is above 85'],
    [{ timestamp: 0 }, '7', 'its time was never set'],
    [{ humidity: -1 }, '7', 'not measurable: humidity -1 is below 0'],
  ])('%o with key %s: %s', async (change, key, reason) => {
    expect(await harness.send({ ...reading, ...change }, { key })).toEqual(deadLetter(reason))
  })
})
