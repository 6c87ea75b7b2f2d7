/** The handler: checks each reading, passes it on, and raises an alert where a limit is passed. */
import { compose, deadLetter, defineHandler, done, type HandlerContext, type Outcome } from 'troupe'
import { LIMITS, MEASURABLE, SENSORS, beyond, sensorAlerts, sensorData, sensorReadings, sensors } from './flows.ts'
import type { Reading } from './flows.ts'

export default defineHandler({
  input: sensorData,
  outputs: [sensorReadings, sensorAlerts, sensors],
  handle: compose(check, publish),
})

/** The codec has seen to it that it is a reading; whether one can be is said here. */
function check(reading: Reading, { key }: HandlerContext<unknown, string>): Reading | Outcome {
  if (reading.sensor_id < 1 || reading.sensor_id > SENSORS) return deadLetter(`no sensor ${reading.sensor_id}`)
  // Order is kept by key: a reading under another sensor's would overtake those of its own.
  if (key !== String(reading.sensor_id)) return deadLetter(`of sensor ${reading.sensor_id} under key ${String(key)}`)
  const wrong = beyond(reading, MEASURABLE)
  return wrong.length > 0 ? deadLetter(`not measurable: ${wrong.join(', ')}`) : reading
}

function publish(reading: Reading) {
  const key = String(reading.sensor_id)
  const passedOn = sensorReadings.record(reading, { key })
  const last = sensors.upsert({ ...reading, timestamp: new Date(reading.timestamp) })
  const reasons = beyond(reading, LIMITS)
  if (reasons.length === 0) return done([passedOn, last])
  return done([passedOn, last, sensorAlerts.record({ ...reading, reasons }, { key })])
}
