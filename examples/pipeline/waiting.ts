/** How a run waits for its end. */
import { setTimeout as sleep } from 'node:timers/promises'

/** After Ctrl-C, with the database away for instance. */
const STANDSTILL_MS = 20_000

export interface HandledWait {
  /** Whether the group has committed all that is in the input. */
  readonly hasCaughtUp: () => Promise<boolean>
  readonly countFinished: () => number
  readonly stop: AbortSignal
  readonly failure: AbortSignal
}

/**
 * Until the group has committed all that is in the input; when somebody wants us to stop, as long as it gets on. Throws what
 * the supervisor has failed with.
 */
export async function untilHandled({ hasCaughtUp, countFinished, stop, failure }: HandledWait): Promise<void> {
  let progress = { finished: 0, atMs: Date.now() }
  while (!failure.aborted && !(await hasCaughtUp())) {
    const finished = countFinished()
    if (finished > progress.finished || !stop.aborted) progress = { finished, atMs: Date.now() }
    if (Date.now() - progress.atMs > STANDSTILL_MS) break
    await sleep(100)
  }
  failure.throwIfAborted()
}

/** Until somebody wants us to stop. Throws what the supervisor has failed with. */
export async function untilStopped(stop: AbortSignal, failure: AbortSignal): Promise<void> {
  const signal = AbortSignal.any([stop, failure])
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  failure.throwIfAborted()
}
