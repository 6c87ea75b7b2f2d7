/** The same handler, on Avro. */
import { defineHandler } from 'troupe'
import { sensors } from '../flows.ts'
import { watchInto } from '../watch.ts'
import { avroSensorAlerts, avroSensorData, avroSensorReadings } from './flows.ts'

export default defineHandler({
  input: avroSensorData,
  outputs: [avroSensorReadings, avroSensorAlerts, sensors],
  handle: watchInto(avroSensorReadings, avroSensorAlerts),
})
