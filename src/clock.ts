/** Time as an argument: the engine asks a Clock and never the globals, so that a simulation can own time. */
export interface Clock {
  /** Milliseconds since the Unix epoch, with a fraction; never goes back. */
  now(): number
  /** Runs `callback` once after `delayMs`; 0 means the next turn of the loop. Returns what cancels it. */
  after(delayMs: number, callback: () => void): () => void
}

// Asked for once: the property is a getter, and this is read for every record.
const { timeOrigin } = performance

export const systemClock: Clock = {
  now: () => timeOrigin + performance.now(),
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

/** Resolves after `delayMs` of the clock's time. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(delayMs, resolve)
  })
}
