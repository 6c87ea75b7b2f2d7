/** How a run comes to its end. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { OpenPipeline } from './open.ts'
import type { TopicReader } from './topic-reader.ts'

/** After Ctrl-C, with the database away for instance. */
const STANDSTILL_MS = 20_000
/** What is due when all has been handled may take so long to come out. */
const LAST_RESULTS_MS = 30_000

/** Until somebody wants us to stop. Throws what the supervisor has failed with. */
export async function untilStopped(stop: AbortSignal, failure: AbortSignal): Promise<void> {
  const signal = AbortSignal.any([stop, failure])
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  failure.throwIfAborted()
}

/** Until the group has committed all that is in the topics it handles. Throws what the supervisor has failed with. */
export async function untilCaughtUp(
  { handled, supervisor, failure }: OpenPipeline,
  reader: TopicReader,
  stop: AbortSignal,
): Promise<void> {
  while (!stop.aborted && !failure.aborted) {
    if (await haveCaughtUp(reader, supervisor.options.kafka.groupId, handled)) return
    await sleep(100)
  }
  failure.throwIfAborted()
}

/** What a run waits for at its end. */
export interface Goal {
  /** How many inputs are known to be handled. */
  readonly countFinished: () => number
  /** All that is due has come out. Always so, unless given: nothing comes later than what it is of. */
  readonly isComplete?: () => boolean
}

/**
 * Until the group has committed all that is in the topics it handles, the supervisor has stopped, and the reader has read what there
 * is. When somebody wants us to stop, we wait as long as it gets on. Throws what the supervisor has failed with.
 */
export async function untilFinished(
  { handled, supervisor, view, failure }: OpenPipeline,
  reader: TopicReader,
  { countFinished, isComplete = () => true }: Goal,
  stop: AbortSignal,
): Promise<void> {
  const { groupId } = supervisor.options.kafka
  let progress = { finished: 0, atMs: Date.now() }
  while (!failure.aborted && !(await haveCaughtUp(reader, groupId, handled))) {
    const finished = countFinished()
    if (finished > progress.finished || !stop.aborted) progress = { finished, atMs: Date.now() }
    if (Date.now() - progress.atMs > STANDSTILL_MS) break
    await sleep(100)
  }
  const deadlineMs = Date.now() + LAST_RESULTS_MS
  while (!failure.aborted && Date.now() < deadlineMs && !isComplete()) await sleep(200)
  failure.throwIfAborted()
  await view.stop()
  await supervisor.stop()
  await reader.readToEnds()
}

/** In this order: what one topic has goes on to the next. */
async function haveCaughtUp(reader: TopicReader, groupId: string, topics: readonly string[]): Promise<boolean> {
  for (const topic of topics) if (!(await reader.hasCaughtUp(groupId, topic))) return false
  return true
}
