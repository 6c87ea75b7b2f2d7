/** How long a record waits before its next attempt. */
export interface RetryPolicy {
  readonly backoffMs: number
  readonly maxBackoffMs: number
  /** 0..1: share of the delay that is random. */
  readonly jitter: number
}

/** A service may ask for longer; then it is asked again after this long. */
export const MAX_THROTTLE_MS = 60 * 60 * 1000

/** Timers of Node.js take no more: beyond, they fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** The delay that the handler names, or else the back-off. */
export function retryDelayMs(
  policy: RetryPolicy,
  attempt: number,
  ownDelayMs: number | undefined,
  random: () => number,
): number {
  return Math.min(ownDelayMs ?? backoffDelayMs(policy, attempt, random), MAX_TIMER_MS)
}

/** Doubles with each failed attempt up to the cap; the random share keeps records that failed together apart. */
export function backoffDelayMs(policy: RetryPolicy, failedAttempts: number, random: () => number): number {
  const full = Math.min(policy.maxBackoffMs, policy.backoffMs * 2 ** Math.min(failedAttempts - 1, 52))
  return full * (1 - policy.jitter * random())
}
