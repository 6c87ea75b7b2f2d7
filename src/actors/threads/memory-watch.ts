/**
 * Keeps the process below `threads.maxRssMb`: memory outside V8's heap (Buffers) escapes the limit of a thread's heap. Above
 * it the thread that has grown most gets no more batches and is replaced when it has finished those it has; one that keeps
 * growing instead, or does not come back, has to be ended. One thread at a time: what the next look finds counts.
 *
 * Threads tell what they hold; one that is busy with a record cannot. So what the process has gained and no thread tells of
 * is taken for theirs.
 */

/** What a thread holds, heap and Buffers, as it told last. */
export interface ThreadMemory {
  readonly bytes: number
  /** When it told, by the lookout's time. */
  readonly atMs: number
  /** What it held when it was ready. */
  readonly baseBytes: number
}

/** A thread as it stands now. */
export interface WatchedThread {
  readonly id: number
  /** null: it has told nothing yet. */
  readonly memory: ThreadMemory | null
  readonly isReady: boolean
  readonly isRetiring: boolean
  /** Records that it has. */
  readonly records: number
}

/** What is to be done about one thread. */
export interface MemoryAction {
  readonly id: number
  /** `retire`: give it nothing more. `end`: now, with what it has. */
  readonly type: 'retire' | 'end'
  readonly rssBytes: number
}

/** How often threads tell what they hold. */
export const MEMORY_REPORT_MS = 250
/** After this long without a word a thread is busy with one record. */
const SILENT_MS = 3 * MEMORY_REPORT_MS
/** A thread that has grown by less than this share of the limit is not worth replacing. */
const WORTHWHILE_SHARE = 0.1
/** Beyond so many times the limit a thread is not waited for. */
const TOO_FAR = 1.25
/** A retiring thread may be at its batches for so long while there is too much memory. */
const RETIRE_MS = 2_000

export class MemoryWatch {
  readonly #limitBytes: number
  /** What the process held beside its threads when all of them could tell. */
  #restBytes: number | null = null
  #retiredAtMs = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  /** By the lookout's time. null: nothing, be it because no thread has grown enough to be the reason. */
  look(nowMs: number, rssBytes: number, threads: readonly WatchedThread[]): MemoryAction | null {
    const known = threads.flatMap(({ memory }) => (memory === null ? [] : [memory]))
    const told = known.reduce((sum, { bytes }) => sum + bytes, 0)
    const silent = known.filter(({ atMs }) => nowMs - atMs >= SILENT_MS).length
    if (silent === 0 && known.length === threads.length) this.#restBytes = rssBytes - told
    if (rssBytes <= this.#limitBytes) return null
    const retiring = threads.find(({ isRetiring }) => isRetiring)
    if (retiring !== undefined) {
      const isDue = rssBytes > TOO_FAR * this.#limitBytes || nowMs - this.#retiredAtMs >= RETIRE_MS
      return retiring.records > 0 && isDue ? { id: retiring.id, type: 'end', rssBytes } : null
    }
    // The one that takes the place of another has to be there first.
    if (threads.some(({ isReady }) => !isReady)) return null
    const untold = this.#restBytes === null ? 0 : Math.max(0, rssBytes - this.#restBytes - told)
    let most: WatchedThread | null = null
    let mostBytes = WORTHWHILE_SHARE * this.#limitBytes
    for (const thread of threads) {
      if (thread.memory === null) continue
      const { atMs, baseBytes, bytes } = thread.memory
      const grown = bytes - baseBytes + (nowMs - atMs >= SILENT_MS ? untold / silent : 0)
      if (grown < mostBytes) continue
      most = thread
      mostBytes = grown
    }
    if (most === null) return null
    this.#retiredAtMs = nowMs
    return { id: most.id, type: 'retire', rssBytes }
  }
}
