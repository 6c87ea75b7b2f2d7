/** Ctrl-C and SIGTERM: the first asks to stop, the second ends the process at once. */

/** `npm` passes on a Ctrl-C that the terminal has sent to us already. */
const SAME_PRESS_MS = 500

/** Aborts at the first signal. `release()` gives the signals back to Node. */
export function listenForStop(): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController()
  let firstMs: number | undefined
  const onSignal = (): void => {
    if (firstMs === undefined) {
      firstMs = Date.now()
      controller.abort()
    } else if (Date.now() - firstMs > SAME_PRESS_MS) {
      // Not process.exit(): it would wait for a Kafka client that is busy. The embedded servers see to their own end.
      process.kill(process.pid, 'SIGKILL')
    }
  }
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const name of names) process.on(name, onSignal)
  return {
    signal: controller.signal,
    release() {
      for (const name of names) process.off(name, onSignal)
    },
  }
}
