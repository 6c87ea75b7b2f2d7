/** How readings look in Kafka. */
import { sensorReadingSchema } from '../../schemas/sensor-reading.ts'
import { avroFormat, jsonFormat } from '../pipeline/formats.ts'
import { sensorAlertSchema } from './avro/flows.ts'
import { sensorAlerts, sensorData, sensorReadings } from './flows.ts'

export const jsonSensors = jsonFormat(async () => (await import('./sensors.ts')).default)

export const avroSensors = avroFormat(
  [
    { topic: sensorData.name, schema: sensorReadingSchema },
    { topic: sensorReadings.name, schema: sensorReadingSchema },
    { topic: sensorAlerts.name, schema: sensorAlertSchema },
  ],
  async () => (await import('./avro/sensors.ts')).default,
)
