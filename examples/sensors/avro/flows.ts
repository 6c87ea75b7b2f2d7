/** The same topics, on Avro: a registry keeps their schemas, and each record names the one it was written with. */
import { text, topic } from 'troupe'
import { avro } from 'troupe/avro'
import { sensorReadingSchema } from '../../../schemas/sensor-reading.ts'
import { sensorAlerts, sensorData, sensorReadings } from '../flows.ts'

export const sensorAlertSchema = {
  ...sensorReadingSchema,
  name: 'SensorAlert',
  doc: 'A reading, and what is beyond its limit: at least one.',
  fields: [...sensorReadingSchema.fields, { name: 'reasons', type: { type: 'array', items: 'string' } }],
} as const

export const avroSensorData = topic(sensorData.name, { key: text, value: avro(sensorReadingSchema) })

export const avroSensorReadings = topic(sensorReadings.name, { key: text, value: avro(sensorReadingSchema) })

export const avroSensorAlerts = topic(sensorAlerts.name, { key: text, value: avro(sensorAlertSchema) })
