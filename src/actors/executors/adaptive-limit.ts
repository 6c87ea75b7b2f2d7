/**
 * How many records of an actor may be in progress now, where that follows the latency of what its handler calls
 * (`gradient.ts`).
 *
 * - MEASURING  finds out the latency without load, with as few in progress as allowed: at the start, once a minute, and when
 *              the limit has been at its least for a while, since the service may have become slower for good. → FOLLOWING.
 * - FOLLOWING  gives the limit a new value after each window of calls. → MEASURING.
 *
 * Only calls that began within the window count: others tell of the limit before.
 */
import type { Clock } from '../../clock.ts'
import type { ActorStats } from '../../metrics/stats.ts'
import type { AdaptiveConcurrency, ResolvedActor } from '../../options/options.ts'
import { nextLimit } from './gradient.ts'

/** A call that has ended. */
export interface EndedCall {
  readonly elapsedMs: number
  /** How many were in progress, with this one. */
  readonly inProgress: number
  /** It may go well another time. */
  readonly hasFailed: boolean
}

export interface AdaptiveStatus extends AdaptiveConcurrency {
  /** Median milliseconds of a call: with as few in progress as allowed, and lately. null: not known yet. */
  readonly idealLatencyMs: number | null
  readonly latencyMs: number | null
  readonly why: string
}

/** A window is this long at least, and of so many calls. */
const WINDOW_MS = 100
const WINDOW_CALLS = 25
/** Of a window with more the last so many count. */
const MAX_CALLS = 256
const MEASURE_INTERVAL_MS = 60_000
/** What measuring may take of the time: 2 %. */
const LEAST_INTERVALS = 50
/** So many windows at the least limit, and the latency without load is measured again. */
const WINDOWS_AT_MIN = 5

export class AdaptiveLimit {
  readonly #bounds: AdaptiveConcurrency
  readonly #clock: Clock
  readonly #stats: ActorStats
  readonly #latencies = new Float64Array(MAX_CALLS)
  #current: number
  /** What it was before it was measured; null: it is not being measured. */
  #limitBefore: number | null
  #measuringSinceMs: number
  #measureAtMs = 0
  #windowsAtMin = 0
  #idealMs: number | null = null
  #lastMs: number | null = null
  #lastFailed = 0
  #windowAtMs: number
  #succeeded = 0
  #failed = 0
  #mostInProgress = 0

  constructor(bounds: AdaptiveConcurrency, clock: Clock, stats: ActorStats) {
    this.#bounds = bounds
    this.#clock = clock
    this.#stats = stats
    this.#current = this.#limitBefore = bounds.min
    this.#windowAtMs = this.#measuringSinceMs = clock.now()
    stats.concurrencyLimit = bounds.min
  }

  get current(): number {
    return this.#current
  }

  get max(): number {
    return this.#bounds.max
  }

  note({ elapsedMs, hasFailed, inProgress }: EndedCall): void {
    const nowMs = this.#clock.now()
    if (this.#limitBefore !== null && inProgress > this.#current) {
      // Those from before are not through yet: it is not without load.
      this.#beginWindow(nowMs)
      return
    }
    this.#mostInProgress = Math.max(this.#mostInProgress, inProgress)
    if (nowMs - elapsedMs < this.#windowAtMs) return
    if (hasFailed) {
      this.#failed += 1
    } else {
      this.#latencies[this.#succeeded % MAX_CALLS] = elapsedMs
      this.#succeeded += 1
    }
    const calls = this.#limitBefore === null ? this.#succeeded + this.#failed : this.#succeeded
    if (calls < WINDOW_CALLS || nowMs - this.#windowAtMs < WINDOW_MS) return
    if (this.#limitBefore === null) this.#follow(nowMs)
    else this.#endMeasuring(this.#limitBefore, nowMs)
    this.#beginWindow(nowMs)
  }

  describe(): AdaptiveStatus {
    const { max, min } = this.#bounds
    return {
      min,
      max,
      target: 'latency',
      idealLatencyMs: this.#idealMs === null ? null : rounded(this.#idealMs),
      latencyMs: this.#lastMs === null ? null : rounded(this.#lastMs),
      why: this.#why(),
    }
  }

  #why(): string {
    const { max, min } = this.#bounds
    if (this.#limitBefore !== null) {
      return `the latency without load is being measured, with ${min} in progress; before that ${this.#limitBefore} were allowed`
    }
    const latency = this.#lastMs === null ? 'no call went well' : `a call takes ${rounded(this.#lastMs)} ms`
    const ideal = this.#idealMs === null ? '' : `, and ${rounded(this.#idealMs)} ms without load`
    const failed = this.#lastFailed === 0 ? '' : `; ${Math.round(this.#lastFailed * 100)} % of the calls failed`
    const end = this.#current === max ? '; max allows no more' : this.#current === min ? '; min allows no less' : ''
    return `${latency}${ideal}${failed}${end}`
  }

  #follow(nowMs: number): void {
    const failed = this.#failed / (this.#succeeded + this.#failed)
    const latencyMs = this.#median()
    this.#lastMs = latencyMs
    this.#lastFailed = failed
    const idealMs = this.#idealMs ?? latencyMs ?? 0
    this.#set(
      nextLimit(this.#current, { latencyMs, idealMs, failed, mostInProgress: this.#mostInProgress }, this.#bounds),
    )
    this.#windowsAtMin = this.#current === this.#bounds.min ? this.#windowsAtMin + 1 : 0
    if (nowMs >= this.#measureAtMs || this.#windowsAtMin >= WINDOWS_AT_MIN) this.#beginMeasuring(nowMs)
  }

  #beginMeasuring(nowMs: number): void {
    this.#measuringSinceMs = nowMs
    this.#limitBefore = this.#current
    this.#set(this.#bounds.min)
  }

  #endMeasuring(limitBefore: number, nowMs: number): void {
    this.#idealMs = this.#lastMs = this.#median()
    this.#lastFailed = 0
    this.#windowsAtMin = 0
    this.#measureAtMs = nowMs + Math.max(MEASURE_INTERVAL_MS, LEAST_INTERVALS * (nowMs - this.#measuringSinceMs))
    this.#limitBefore = null
    this.#set(limitBefore)
  }

  #beginWindow(nowMs: number): void {
    this.#windowAtMs = nowMs
    this.#succeeded = 0
    this.#failed = 0
    this.#mostInProgress = 0
  }

  #set(limit: number): void {
    this.#current = limit
    this.#stats.concurrencyLimit = limit
  }

  /** null: no call of the window went well. */
  #median(): number | null {
    const count = Math.min(this.#succeeded, MAX_CALLS)
    if (count === 0) return null
    return this.#latencies.slice(0, count).sort()[count >> 1] ?? null
  }
}

/** Room that an executor has to have for an actor. */
export function mostAtOnce({ concurrency }: Pick<ResolvedActor, 'concurrency'>): number {
  return typeof concurrency === 'number' ? concurrency : concurrency.max
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100
}
