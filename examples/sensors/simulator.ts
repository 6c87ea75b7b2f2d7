/** Simulates sensors, with a share of readings that are broken or out of range. The same seed and clock give the same readings. */
import { createRandom, pick, type Random } from '../pipeline/random.ts'
import { SENSORS, type Reading } from './flows.ts'

export interface SimulatedRecord {
  /** The sensor's id as text; null for some of the broken ones. */
  readonly key: string | null
  readonly value: Buffer | null
  /** What is wrong with it; undefined for a good reading. */
  readonly flaw: string | undefined
}

export interface SimulatorOptions {
  readonly seed: number
  /** 0..1 */
  readonly brokenShare: number
  readonly now: () => number
}

interface Sensor {
  readonly id: number
  temperature: number
  humidity: number
  timestamp: number
}

const TEMPERATURE = { min: 20, max: 30 }
const HUMIDITY = { min: 40, max: 60 }

export function createSimulator({ seed, brokenShare, now }: SimulatorOptions): () => SimulatedRecord {
  const random = createRandom(seed)
  const sensors = Array.from({ length: SENSORS }, (_, index): Sensor => ({
    id: index + 1,
    temperature: TEMPERATURE.min + random() * (TEMPERATURE.max - TEMPERATURE.min),
    humidity: HUMIDITY.min + random() * (HUMIDITY.max - HUMIDITY.min),
    timestamp: 0,
  }))

  return () => {
    const sensor = pick(sensors, random)
    sensor.temperature = walk(sensor.temperature, TEMPERATURE, random)
    sensor.humidity = walk(sensor.humidity, HUMIDITY, random)
    // A sensor reads once a millisecond at most, so that its readings can be told apart.
    sensor.timestamp = Math.max(now(), sensor.timestamp + 1)
    const { id, temperature, humidity, timestamp } = sensor
    const reading: Reading = { sensor_id: id, temperature: round(temperature), humidity: round(humidity), timestamp }
    if (random() >= brokenShare) return { key: String(id), value: toJson(reading), flaw: undefined }
    const [flaw, damage] = pick(flaws, random)
    return { key: String(id), ...damage(reading), flaw }
  }
}

/** A small step, with a pull to the middle: few readings come near the ends of the range, and none is beyond. */
function walk(value: number, { min, max }: typeof TEMPERATURE, random: Random): number {
  const width = max - min
  const step = ((random() - 0.5) * width) / 10 + (min + width / 2 - value) / 50
  return Math.min(max, Math.max(min, value + step))
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}

type Damage = (good: Reading) => { readonly key?: string | null; readonly value: Buffer | null }

const flaws: readonly (readonly [flaw: string, damage: Damage])[] = [
  ['no value', () => ({ value: null })],
  ['empty', () => ({ value: Buffer.alloc(0) })],
  ['not JSON', (good) => ({ value: toJson(good).subarray(0, 20) })],
  ['a list', (good) => ({ value: toJson([good]) })],
  ['no sensor_id', (good) => ({ value: toJson({ ...good, sensor_id: undefined }) })],
  ['sensor_id is text', (good) => ({ value: toJson({ ...good, sensor_id: String(good.sensor_id) }) })],
  ['no such sensor', (good) => ({ key: '11', value: toJson({ ...good, sensor_id: SENSORS + 1 }) })],
  ["another sensor's key", (good) => ({ key: `${good.sensor_id}0`, value: toJson(good) })],
  ['no key', (good) => ({ key: null, value: toJson(good) })],
  ['no temperature', (good) => ({ value: toJson({ ...good, temperature: null }) })],
  ['a sensor on fire', (good) => ({ value: toJson({ ...good, temperature: 451 }) })],
  ['more than all water', (good) => ({ value: toJson({ ...good, humidity: 100.1 }) })],
  ['less than none', (good) => ({ value: toJson({ ...good, humidity: -3 }) })],
  [
    'a time that is text',
    (good) => ({ value: toJson({ ...good, timestamp: new Date(good.timestamp).toISOString() }) }),
  ],
  ['a time that was never set', (good) => ({ value: toJson({ ...good, timestamp: 0 }) })],
]

function toJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}
