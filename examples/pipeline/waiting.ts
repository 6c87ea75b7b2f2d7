/** How a run comes to its end. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { OpenPipeline } from './open.ts'
import type { TopicReader } from './topic-reader.ts'

/** After Ctrl-C, with the database away for instance. */
const STANDSTILL_MS = 20_000

/** Until somebody wants us to stop. Throws what the supervisor has failed with. */
export async function untilStopped(stop: AbortSignal, failure: AbortSignal): Promise<void> {
  const signal = AbortSignal.any([stop, failure])
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  failure.throwIfAborted()
}

/**
 * Until the group has committed all that is in the input, the supervisor has stopped, and the reader has read what there is.
 * When somebody wants us to stop, we wait as long as it gets on. Throws what the supervisor has failed with.
 */
export async function untilFinished(
  { input, supervisor, view, failure }: OpenPipeline,
  reader: TopicReader,
  countFinished: () => number,
  stop: AbortSignal,
): Promise<void> {
  let progress = { finished: 0, atMs: Date.now() }
  while (!failure.aborted && !(await reader.hasCaughtUp(supervisor.options.kafka.groupId, input))) {
    const finished = countFinished()
    if (finished > progress.finished || !stop.aborted) progress = { finished, atMs: Date.now() }
    if (Date.now() - progress.atMs > STANDSTILL_MS) break
    await sleep(100)
  }
  failure.throwIfAborted()
  await view.stop()
  await supervisor.stop()
  await reader.readToEnds()
}
