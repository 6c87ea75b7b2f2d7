/** Time as an argument: the engine asks a Clock and never the globals, so that a simulation can own time. */
export interface Clock {
  /** Milliseconds, with a fraction, from an arbitrary start: never goes back or jumps, so durations are measured by it. */
  now(): number
  /** Milliseconds since the Unix epoch, for people to read: somebody may set it an hour back or ahead. */
  wallNow(): number
  /** Runs `callback` once after `delayMs`; 0 means the next turn of the loop. Returns what cancels it. */
  after(delayMs: number, callback: () => void): () => void
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  after(delayMs, callback) {
    // A timer of 0 ms waits for 1 ms; an immediate lets I/O in and comes back at once.
    if (delayMs <= 0) {
      const immediate = setImmediate(callback)
      return () => {
        clearImmediate(immediate)
      }
    }
    const timer = setTimeout(callback, delayMs)
    return () => {
      clearTimeout(timer)
    }
  },
}

/** Does it again and again, and keeps no process alive. Returns what ends that. */
export function inBackground(intervalMs: number, work: () => void): () => void {
  const timer = setInterval(work, intervalMs).unref()
  return () => {
    clearInterval(timer)
  }
}

/** As `sleep`, and keeps no process alive meanwhile. */
export function sleepInBackground(delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, delayMs).unref()
  })
}

/**
 * What `asked` comes to, or `late` after `timeoutMs`. Its timer keeps the process alive: where nothing else does, Node ends
 * beside a promise that never settles, without a word.
 */
export async function within<Value>(asked: Promise<Value>, timeoutMs: number, late: () => Error): Promise<Value> {
  let cancel: () => void = () => undefined
  const overdue = new Promise<never>((_, reject) => {
    cancel = systemClock.after(timeoutMs, () => {
      reject(late())
    })
  })
  try {
    return await Promise.race([asked, overdue])
  } finally {
    cancel()
  }
}

/** Resolves after `delayMs` of the clock's time. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(delayMs, resolve)
  })
}
