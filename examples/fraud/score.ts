/**
 * Stands in for a model: a forest of made-up trees that takes some hundred microseconds for each payment, as real ones do. The
 * same payment has the same score, whoever asks.
 */
import { createRandom } from '../pipeline/random.ts'
import type { ComparedPayment } from './flows.ts'

const TREES = 300
const DEPTH = 10
const FEATURES = 8
/** Of one tree, which has them level by level. */
const NODES = 2 ** DEPTH - 1

export interface Forest {
  /** Which feature a node asks for, … */
  readonly features: Uint8Array
  /** … and above which value it goes to the right. */
  readonly bounds: Float32Array
}

export function growForest(): Forest {
  const random = createRandom(20_26)
  const features = Uint8Array.from({ length: TREES * NODES }, () => Math.floor(random() * FEATURES))
  return { features, bounds: Float32Array.from(features, () => random()) }
}

/** From 0 to 1: the share of trees that end on the right. */
export function scoreOf(payment: ComparedPayment, { bounds, features }: Forest): number {
  const values = featuresOf(payment)
  let suspicious = 0
  for (let tree = 0; tree < TREES; tree += 1) {
    const root = tree * NODES
    let node = 0
    while (node < NODES) {
      const isAbove = (values[features[root + node] ?? 0] ?? 0) > (bounds[root + node] ?? 0)
      node = 2 * node + (isAbove ? 2 : 1)
    }
    suspicious += node % 2 === 0 ? 1 : 0
  }
  return suspicious / TREES
}

/** Each from 0 to 1. */
function featuresOf({ at, card, cents, country, merchant, usual_cents }: ComparedPayment): number[] {
  const hour = (at / 3_600_000) % 24
  const times = usual_cents === null ? 1 : cents / usual_cents
  return [
    Math.min(1, times / 10),
    Math.min(1, cents / 100_000),
    hour / 24,
    hour < 6 ? 1 : 0,
    shareOf(country),
    shareOf(merchant),
    shareOf(`${country}/${merchant}`),
    shareOf(card),
  ]
}

/** A number for a name: FNV-1a. */
function shareOf(name: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < name.length; at += 1) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193)
  return (hash >>> 0) / 4_294_967_296
}
