/** The pipeline's topics and its table, typed: what a reading is, and what it has to be within. */
import { json, table, text, topic } from 'troupe'
import * as v from 'valibot'

const readingShape = v.object({
  sensor_id: v.pipe(v.number(), v.integer()),
  /** °C */
  temperature: v.number(),
  /** % */
  humidity: v.number(),
  /** Milliseconds since the Unix epoch. */
  timestamp: v.pipe(v.number(), v.integer()),
})

export type Reading = v.InferOutput<typeof readingShape>

export interface Alert extends Reading {
  /** What is beyond its limit: at least one. */
  readonly reasons: readonly string[]
}

/** The last reading of each sensor. */
export interface SensorRow extends Omit<Reading, 'timestamp'> {
  readonly timestamp: Date
}

/** Keys are the sensor's id. */
export const sensorData = topic('sensor-data', { key: text, value: json(readingShape) })

export const sensorReadings = topic('sensor-readings', { key: text, value: json<Reading>() })

export const sensorAlerts = topic('sensor-alerts', { key: text, value: json<Alert>() })

export const sensors = table<SensorRow>('sensors', {
  columns: {
    sensor_id: 'integer',
    temperature: 'double precision',
    humidity: 'double precision',
    timestamp: 'timestamptz',
  },
  key: ['sensor_id'],
})

export const deadLetterTopic = 'sensor-dlq'

/** The sensors there are. */
export const SENSORS = 10

/** What a sensor can measure: anything else is a broken sensor, not hot weather. */
export const MEASURABLE = { temperature: { min: -40, max: 85 }, humidity: { min: 0, max: 100 } }

/** What somebody wants to hear of. */
export const LIMITS = { temperature: { min: 21, max: 29 }, humidity: { min: 42, max: 58 } }

export interface Range {
  readonly min: number
  readonly max: number
}

type Measured = Pick<Reading, 'temperature' | 'humidity'>

/** The quantities of a reading that are not within their ranges, in words. */
export function beyond(reading: Measured, ranges: Readonly<Record<keyof Measured, Range>>): string[] {
  return (['temperature', 'humidity'] as const).flatMap((name) => {
    const { min, max } = ranges[name]
    if (reading[name] < min) return [`${name} ${reading[name]} is below ${min}`]
    return reading[name] > max ? [`${name} ${reading[name]} is above ${max}`] : []
  })
}
