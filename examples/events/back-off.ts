/** Tries again, and waits twice as long each time: for what may not be there yet. */
import { setTimeout as sleep } from 'node:timers/promises'

export interface BackOff {
  /** How often it is tried, the first time included. */
  readonly attempts: number
  /** After the first attempt; doubled after each. */
  readonly firstMs: number
  readonly maxMs: number
}

export interface BackOffSurroundings {
  /** Aborted: no more attempts. */
  readonly signal: AbortSignal
  /** Told of each failure that is not the last. */
  readonly onRetry: (error: unknown, afterMs: number) => void
  /** Answers false where the signal cut it short. */
  readonly wait?: (delayMs: number, signal: AbortSignal) => Promise<boolean>
}

/** What `work` comes to. Rejects with its last error when no attempt is left, or nobody wants it any more. */
export async function withBackOff<Result>(
  work: () => Promise<Result>,
  { attempts, firstMs, maxMs }: BackOff,
  { signal, onRetry, wait = waitFor }: BackOffSurroundings,
): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work()
    } catch (error) {
      if (attempt >= attempts || signal.aborted) throw error
      const afterMs = Math.min(maxMs, firstMs * 2 ** (attempt - 1))
      onRetry(error, afterMs)
      if (!(await wait(afterMs, signal))) throw error
    }
  }
}

async function waitFor(delayMs: number, signal: AbortSignal): Promise<boolean> {
  return await sleep(delayMs, true, { signal }).catch(() => false)
}
