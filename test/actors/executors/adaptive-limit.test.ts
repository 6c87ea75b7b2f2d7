/** The rule by itself, and what it makes of a simulated service that saturates. Seeded; time is counted, not waited for. */
import { describe, expect, test } from 'vitest'
import { AdaptiveLimit } from '../../../src/actors/executors/adaptive-limit.ts'
import { nextLimit, type LatencyWindow } from '../../../src/actors/executors/gradient.ts'
import { ActorStats } from '../../../src/metrics/stats.ts'
import { Random } from '../../../src/testing/random.ts'
import { TimerHeap } from '../../../src/testing/timer-heap.ts'

describe('the rule', () => {
  const bounds = { min: 5, max: 200 }
  const calm: LatencyWindow = { latencyMs: 10, idealMs: 10, failed: 0, mostInProgress: 1_000 }
  const after = (limit: number, changes: Partial<LatencyWindow>): number =>
    nextLimit(limit, { ...calm, ...changes }, bounds)

  test('while latency is what it is without load the limit grows, by a quarter and the square root', () => {
    // 64 × 1.25 = 80, and √80 = 8.9.
    expect(after(64, {})).toBe(88)
  })

  test('latency that is twice as long takes the limit down, and no single window more than to a half', () => {
    // 64 × 1.25 / 2 = 40, and √40 = 6.3.
    expect(after(64, { latencyMs: 20 })).toBe(46)
    expect(after(64, { latencyMs: 10_000 })).toBe(32 + 5)
  })

  test('failures take it down by their share, however quick they are', () => {
    expect(after(100, { failed: 0.2, latencyMs: 1 })).toBe(80 + 8)
    expect(after(100, { failed: 1, latencyMs: null })).toBe(50 + 7)
  })

  test('what is not made use of does not grow', () => {
    expect(after(64, { mostInProgress: 31 })).toBe(64)
    expect(after(64, { mostInProgress: 31, latencyMs: 20 })).toBe(46)
  })

  test('it stays within its bounds', () => {
    expect(after(199, {})).toBe(200)
    expect(after(6, { latencyMs: 1_000 })).toBe(5)
  })
})

/** Does `capacity` calls at once, each in `serviceMs` on average; others stand in line. Refuses beyond `maxQueue`, at once. */
interface Service {
  capacity: number
  serviceMs: number
  maxQueue: number
}

interface Call {
  readonly begunAtMs: number
  readonly hasFailed: boolean
}

/** As many calls at a service as the limit allows, as long as there is a backlog: there always is. */
class Simulation {
  readonly limit: AdaptiveLimit
  readonly service: Service
  done = 0
  readonly #random: Random
  readonly #events = new TimerHeap()
  readonly #open = new Set<Call>()
  #nowMs = 0
  /** When what each server of the service is at ends. */
  #servers: number[] = []

  constructor(seed: number, service: Partial<Service>, bounds = { min: 4, max: 1_000 }) {
    this.#random = new Random(seed)
    this.service = { capacity: 50, serviceMs: 80, maxQueue: Number.POSITIVE_INFINITY, ...service }
    const clock = { now: () => this.#nowMs, wallNow: () => this.#nowMs, after: () => () => undefined }
    this.limit = new AdaptiveLimit({ ...bounds, target: 'latency' }, clock, new ActorStats('call'))
  }

  /** The limit, as it was every 100 ms. */
  run(seconds: number): readonly number[] {
    const seen: number[] = []
    const untilMs = this.#nowMs + seconds * 1_000
    for (let atMs = this.#nowMs; atMs < untilMs; atMs += 100) {
      this.#events.push(atMs, () => seen.push(this.limit.current))
    }
    this.#fill()
    for (let next = this.#events.peek(); next !== undefined && next.dueAtMs <= untilMs; next = this.#events.peek()) {
      this.#events.pop()
      this.#nowMs = next.dueAtMs
      next.callback()
    }
    this.#nowMs = untilMs
    return seen
  }

  #fill(): void {
    while (this.#open.size < this.limit.current) this.#begin()
  }

  #begin(): void {
    const nowMs = this.#nowMs
    const { capacity, maxQueue, serviceMs } = this.service
    this.#servers = this.#servers.filter((atMs) => atMs > nowMs).sort((a, b) => a - b)
    const isRefused = this.#servers.length >= capacity + maxQueue
    const startsAtMs = this.#servers.length < capacity ? nowMs : this.#servers.at(-capacity)!
    // Between half and one and a half of what it takes on average.
    const endsAtMs = isRefused ? nowMs + 1 : startsAtMs + serviceMs * (0.5 + this.#random.next())
    if (!isRefused) this.#servers.push(endsAtMs)
    const call: Call = { begunAtMs: nowMs, hasFailed: isRefused }
    this.#open.add(call)
    this.#events.push(endsAtMs, () => {
      const elapsedMs = this.#nowMs - call.begunAtMs
      this.limit.note({ elapsedMs, inProgress: this.#open.size, hasFailed: call.hasFailed })
      this.#open.delete(call)
      if (!call.hasFailed) this.done += 1
      this.#fill()
    })
  }
}

const medianOf = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!
/** The last part, when it has settled. */
const settledPart = (seen: readonly number[]): readonly number[] => seen.slice(-100)

describe('at a service that saturates', () => {
  test.each([1, 2, 3, 4, 5])('the limit comes near its capacity and stays there (seed %d)', (seed) => {
    const simulation = new Simulation(seed, { capacity: 50 })
    const seen = simulation.run(40)
    const late = settledPart(seen)
    expect(medianOf(late)).toBeGreaterThanOrEqual(50)
    expect(medianOf(late)).toBeLessThanOrEqual(90)
    expect(Math.max(...seen)).toBeLessThanOrEqual(200)
    // It makes use of the service: 50 at once, 80 ms each, are 625 a second.
    expect(simulation.done / 40).toBeGreaterThan(550)
  })

  test('not even after many measurements of what it takes without load does it creep up', () => {
    const simulation = new Simulation(7, { capacity: 20 })
    for (let minute = 0; minute < 10; minute += 1) {
      const seen = simulation.run(60)
      expect(medianOf(seen)).toBeGreaterThanOrEqual(18)
      expect(medianOf(seen)).toBeLessThanOrEqual(40)
      expect(Math.min(...seen)).toBeGreaterThanOrEqual(4)
    }
  })

  test.each([
    [100, 20],
    [20, 100],
  ])('it follows a capacity that goes from %d to %d', (before, then) => {
    const simulation = new Simulation(11, { capacity: before })
    simulation.run(30)
    simulation.service.capacity = then
    const late = settledPart(simulation.run(40))
    expect(medianOf(late)).toBeGreaterThanOrEqual(then * 0.9)
    expect(medianOf(late)).toBeLessThanOrEqual(then * 1.9)
  })

  test('one that has become slower for good is not throttled for ever', () => {
    const simulation = new Simulation(13, { capacity: 50, serviceMs: 40 })
    simulation.run(30)
    simulation.service.serviceMs = 200
    const late = settledPart(simulation.run(120))
    expect(medianOf(late)).toBeGreaterThanOrEqual(45)
  })

  test('refusals take it down as latency does', () => {
    const simulation = new Simulation(17, { capacity: 50, maxQueue: 0 })
    const late = settledPart(simulation.run(40))
    expect(medianOf(late)).toBeLessThanOrEqual(85)
    expect(simulation.done / 40).toBeGreaterThan(500)
  })

  test('where all calls fail it is at its least, and it recovers', () => {
    const simulation = new Simulation(19, { capacity: 50 })
    simulation.run(20)
    simulation.service.maxQueue = -1_000
    expect(medianOf(settledPart(simulation.run(20)))).toBe(4)
    simulation.service.maxQueue = Number.POSITIVE_INFINITY
    expect(medianOf(settledPart(simulation.run(40)))).toBeGreaterThanOrEqual(45)
  })
})

test('calls that take no time by the clock leave a limit', () => {
  const window = { latencyMs: 0, idealMs: 0, failed: 0, mostInProgress: 5 }
  expect(nextLimit(5, window, { min: 1, max: 100 })).toBeGreaterThanOrEqual(5)
})
