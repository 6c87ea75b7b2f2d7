/** The handler: checks each reading, passes it on, and raises an alert where a limit is passed. */
import { compose, deadLetter, defineHandler, done, type Effect, type HandlerContext, type Outcome } from 'troupe'
import { LIMITS, MEASURABLE, SENSORS, beyond, sensorAlerts, sensorData, sensorReadings, sensors } from './flows.ts'
import type { Reading } from './flows.ts'

export default defineHandler({
  input: sensorData,
  outputs: [sensorReadings, sensorAlerts, sensors],
  handle: watchInto(sensorReadings, sensorAlerts),
})

/** A reading whose time is milliseconds, as JSON has it, or a Date, as Avro has it. */
type AnyReading = Omit<Reading, 'timestamp'> & { readonly timestamp: number | Date }

interface Output<Value, Sent extends Effect> {
  record(value: Value, options: { readonly key: string }): Sent
}

/** The steps, for topics of JSON and of Avro. */
export function watchInto<R extends AnyReading, Passed extends Effect, Raised extends Effect>(
  readings: Output<R, Passed>,
  alerts: Output<NoInfer<R> & { reasons: string[] }, Raised>,
) {
  return compose(check<R>, (reading: R) => {
    const key = String(reading.sensor_id)
    const passedOn = readings.record(reading, { key })
    const last = sensors.upsert({ ...reading, timestamp: new Date(reading.timestamp) })
    const reasons = beyond(reading, LIMITS)
    if (reasons.length === 0) return done([passedOn, last])
    return done([passedOn, last, alerts.record({ ...reading, reasons }, { key })])
  })
}

/** The codec has seen to it that it is a reading; whether one can be is said here. */
function check<R extends AnyReading>(reading: R, { key }: HandlerContext<unknown, string>): R | Outcome {
  if (reading.sensor_id < 1 || reading.sensor_id > SENSORS) return deadLetter(`no sensor ${reading.sensor_id}`)
  // Order is kept by key: a reading under another sensor's would overtake those of its own.
  if (key !== String(reading.sensor_id)) return deadLetter(`of sensor ${reading.sensor_id} under key ${String(key)}`)
  if (Number(reading.timestamp) < 1) return deadLetter('its time was never set')
  const wrong = beyond(reading, MEASURABLE)
  return wrong.length > 0 ? deadLetter(`not measurable: ${wrong.join(', ')}`) : reading
}
