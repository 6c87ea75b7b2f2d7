/**
 * How many at once a service takes, by the latency of its answers: the rule of Envoy's gradient controller
 * (https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/adaptive_concurrency_filter), with its
 * defaults. While more are asked than it can do, they queue and latency grows: the limit shrinks by as much as latency is
 * above what it is without load. Else it grows by what the buffer allows and the square root of itself, which is also what
 * may queue. Failures shrink it by their share, since a service that refuses at once is quick to answer.
 */

export interface LatencyWindow {
  /** Median milliseconds of the calls that went well; null: none did. */
  readonly latencyMs: number | null
  /** The same without load. */
  readonly idealMs: number
  /** Share of the calls, 0 to 1, that failed and may go well later. */
  readonly failed: number
  /** Most that were in progress at once. */
  readonly mostInProgress: number
}

export interface LimitBounds {
  readonly min: number
  readonly max: number
}

/** Latency that is above the ideal by this share is noise. */
const BUFFER = 0.25
/** A clock may tell no smaller time than 0. */
const LEAST_MS = 0.001
/** What one window may do to the limit at most. */
const LEAST_GRADIENT = 0.5
const MOST_GRADIENT = 2

export function nextLimit(limit: number, window: LatencyWindow, { max, min }: LimitBounds): number {
  const { failed, idealMs, latencyMs, mostInProgress } = window
  const byLatency =
    latencyMs === null ? LEAST_GRADIENT : ((1 + BUFFER) * Math.max(idealMs, LEAST_MS)) / Math.max(latencyMs, LEAST_MS)
  const byFailures = failed === 0 ? MOST_GRADIENT : 1 - failed
  const gradient = Math.max(LEAST_GRADIENT, Math.min(MOST_GRADIENT, byLatency, byFailures))
  const next = Math.floor(limit * gradient + Math.sqrt(limit * gradient))
  // What was not made use of says nothing of what there would be with more.
  const isUsed = mostInProgress * 2 >= limit
  return Math.max(min, Math.min(max, isUsed ? next : Math.min(next, limit)))
}
