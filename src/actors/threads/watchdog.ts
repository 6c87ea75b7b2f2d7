/**
 * Finds threads that are held: an endless loop, or a synchronous call that never returns. An
 * asynchronous handler that takes too long times out by itself in its thread, because the thread's
 * timers go on; where even that does not happen nothing on the thread moves any more.
 */

/** One batch at a thread, as it stands now. */
export interface WatchedBatch {
  readonly threadId: number
  /** Differs from batch to batch. */
  readonly number: number
  /** Grows with each record that begins or ends. */
  readonly progress: number
  /** The longest that any of its records which are at their handler may take; 0: none is. */
  readonly limitMs: number
}

interface ThreadPicture {
  picture: string
  limitMs: number
}

export class Watchdog {
  readonly #idleLimitMs: number
  readonly #graceMs: number
  /** By thread: what stood there when something moved last, and when that was first seen. */
  readonly #seen = new Map<number, { readonly picture: string; readonly sinceMs: number }>()

  /**
   * `idleLimitMs`: how long a thread may leave its batches untouched, with no record at a handler.
   * What holds it then was left behind by an earlier record. `graceMs`: how much longer than its
   * limit a thread may take: a time-out in the thread comes first, and is the better answer, since it
   * names the record.
   */
  constructor(idleLimitMs: number, graceMs: number) {
    this.#idleLimitMs = idleLimitMs
    this.#graceMs = graceMs
  }

  /** By the lookout's time: ids of the threads where nothing has moved for longer than what they are at may take. */
  look(nowMs: number, batches: Iterable<WatchedBatch>): number[] {
    const threads = pictures(batches)
    for (const threadId of this.#seen.keys()) if (!threads.has(threadId)) this.#seen.delete(threadId)
    const held: number[] = []
    for (const [threadId, { picture, limitMs }] of threads) {
      const seen = this.#seen.get(threadId)
      if (seen?.picture !== picture) this.#seen.set(threadId, { picture, sinceMs: nowMs })
      else if (nowMs - seen.sinceMs >= (limitMs === 0 ? this.#idleLimitMs : limitMs) + this.#graceMs)
        held.push(threadId)
    }
    return held
  }
}

function pictures(batches: Iterable<WatchedBatch>): Map<number, ThreadPicture> {
  const threads = new Map<number, ThreadPicture>()
  for (const { threadId, number, progress, limitMs } of batches) {
    const at = threads.get(threadId) ?? { picture: '', limitMs: 0 }
    at.picture += `${number}:${progress} `
    at.limitMs = Math.max(at.limitMs, limitMs)
    threads.set(threadId, at)
  }
  return threads
}
