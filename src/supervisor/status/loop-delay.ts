/** Measures how late timers fire on the main thread: whatever blocks it delays polls, commits and probes. */
import { inBackground, systemClock } from '../../clock.ts'
import type { Histogram } from '../../metrics/histogram.ts'

const PERIOD_MS = 100

/** Share of the time since it was called last (at first: since this was made) that the event loop was busy, 0 to 1. */
export function loopBusyShare(): () => number {
  let before = performance.eventLoopUtilization()
  return () => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, before)
    before = now
    return utilization
  }
}

/** Observes seconds until the returned function is called. Keeps no process alive. */
export function watchLoopDelay(histogram: Histogram): () => void {
  let dueAtMs = systemClock.now() + PERIOD_MS
  return inBackground(PERIOD_MS, () => {
    const nowMs = systemClock.now()
    histogram.observe(Math.max(0, nowMs - dueAtMs) / 1000)
    dueAtMs = nowMs + PERIOD_MS
  })
}
