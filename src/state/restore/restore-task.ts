/**
 * One partition whose store is brought up to the end of its changelog. Where that end is, is asked before the first record is
 * read, as the log's high watermark, and the task is over when reading *stands* there: records are never counted, since
 * aborted ones, markers and compaction leave offsets without any.
 */
import { TroupeError } from '../../errors.ts'
import type { RestoreProgress } from '../../metrics/restore-stats.ts'
import type { Watermarks } from '../../streams/broker-port.ts'
import { partitionName, type SourceRecord, type TopicPartition } from '../../streams/record.ts'
import { decodeMeta, entryKinds, isEntryKey, metaKey, type ChangelogMeta } from '../changelog-format.ts'
import type { Change, StateStore, StoreMark } from '../store.ts'

export interface RestoreOrder {
  readonly changelog: TopicPartition
  readonly store: StateStore
  readonly progress: RestoreProgress
}

/** What a restore has come to: all of the changelog below `position` is in the store. */
export interface Restored {
  readonly position: number
  /** Of the checkpoint that the changelog stands at; null: none was ever made. */
  readonly meta: ChangelogMeta | null
}

/** Reading that stands still for longer is told of: a batch takes milliseconds, and an owner's transaction no longer than this. */
const STANDING_MS = 30_000

const EMPTY_MARK: StoreMark = { changelogPosition: 0, streamTime: null, checkpoint: 0 }

export class RestoreTask {
  readonly changelog: TopicPartition
  /** Resolves when it is over and nothing is written any more: restored, or null, given up. Rejects with what it failed of. */
  readonly ended: Promise<Restored | null>
  readonly #order: RestoreOrder
  #settle: { resolve: (restored: Restored | null) => void; reject: (error: unknown) => void }
  #meta: ChangelogMeta | null = null
  #position = 0
  #end = 0
  #writing: Promise<void> = Promise.resolve()
  #isOver = false
  /** Where reading stood when it was looked at last, and since when (clock time). */
  #stood: { readonly position: number; readonly sinceMs: number } | null = null
  #hasFailed = false

  constructor(order: RestoreOrder, signal: AbortSignal) {
    this.#order = order
    this.changelog = order.changelog
    this.#settle = { resolve: () => undefined, reject: () => undefined }
    this.ended = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    const onAbort = (): void => {
      this.#over(() => null)
    }
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  }

  get name(): string {
    return partitionName(this.changelog)
  }

  /** It wants nothing more: restored, given up, or failed. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** The next offset to be read. */
  get position(): number {
    return this.#position
  }

  get progress(): RestoreProgress {
    return this.#order.progress
  }

  /** When what it has taken so far is in the store, or it has failed. */
  get written(): Promise<void> {
    return this.#writing
  }

  /** Begins where the store ends, as far as the log goes on from there; else with an empty store. Again after a log has moved on without it. */
  async begin({ high, low }: Watermarks): Promise<void> {
    await this.#writing
    if (this.#isOver) return
    const { progress, store } = this.#order
    const known = store.mark?.changelogPosition
    const fits = known !== undefined && known >= low && known <= high
    if (store.mark !== null && !fits) {
      this.#meta = null
      await store.wipe()
    }
    this.#end = high
    progress.end = high
    progress.from ??= fits ? known : low
    this.reach(fits ? known : low)
  }

  /** Takes records in offset order; they are written one batch after the other. */
  take(records: readonly SourceRecord[]): void {
    if (this.#isOver) return
    const { progress, store } = this.#order
    const changes: Change[] = []
    try {
      for (const { key, offset, value } of records) {
        if (key === null || !isEntryKey(key)) throw unreadable(this.name, offset)
        if (key[0] === entryKinds.meta && value !== null) this.#meta = decodeMeta(value)
        changes.push([key, value])
        progress.bytes += key.byteLength + (value?.byteLength ?? 0)
      }
    } catch (error) {
      this.fail(error)
      return
    }
    progress.records += records.length
    const mark = this.#markAt((records.at(-1)?.offset ?? -1) + 1)
    this.#write(() => store.write(changes, mark))
  }

  /** Reading stands here: also behind offsets without records. */
  reach(position: number): void {
    this.#position = position
    this.progress.position = position
    if (this.#isOver || position < this.#end) return
    const { store } = this.#order
    // Behind what was written last there may be markers: with them in the mark, the next restore begins behind them too.
    this.#write(async () => {
      if (store.mark === null || store.mark.changelogPosition !== position)
        await store.write([], this.#markAt(position))
    })
    this.#over(() => ({ position, meta: this.#metaInForce() }))
  }

  /** After each poll. */
  lookForStanding(nowMs: number): void {
    const { progress } = this.#order
    const position = this.#position
    if (this.#stood?.position !== position) {
      this.#stood = { position, sinceMs: nowMs }
      this.#hasFailed = false
      progress.noteGettingOn()
    } else if (!this.#isOver && nowMs - this.#stood.sinceMs >= STANDING_MS) {
      const where = `reading stands at offset ${position} of ${this.#end}`
      progress.noteTrouble(`${where}: brokers give nothing more, or a transaction is open there`, this.#stood.sinceMs)
    }
  }

  /** The brokers have said where its log begins and ends. */
  noteAnswer(): void {
    if (!this.#hasFailed) this.#order.progress.noteGettingOn()
  }

  /** Reading has failed; it goes on where it stands, or begins anew. */
  noteFailure(reason: string, nowMs: number): void {
    this.#hasFailed = true
    this.#order.progress.noteTrouble(reason, nowMs)
  }

  fail(error: unknown): void {
    this.#over(() => {
      throw error
    })
  }

  #over(outcome: () => Restored | null): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#order.progress.noteGettingOn()
    const { reject, resolve } = this.#settle
    void this.#writing.then(() => {
      try {
        resolve(outcome())
      } catch (error) {
        reject(error)
      }
    })
  }

  #write(write: () => Promise<void>): void {
    this.#writing = this.#writing.then(write).catch((error: unknown) => {
      // Also one that seemed to be over: what is not in the store was not restored.
      this.#isOver = true
      this.#settle.reject(error)
    })
  }

  #markAt(changelogPosition: number): StoreMark {
    const { checkpoint, streamTime } = this.#meta ?? this.#order.store.mark ?? EMPTY_MARK
    return { changelogPosition, checkpoint, streamTime }
  }

  /** The one that was read; else what the store knows, whose mark is newer than its entry. */
  #metaInForce(): ChangelogMeta | null {
    if (this.#meta !== null) return this.#meta
    const { store } = this.#order
    const { mark } = store
    const entry = store.get(metaKey)
    if (entry === undefined && (mark === null || mark.checkpoint === 0)) return null
    const { changelogId, inputId } = entry === undefined ? { changelogId: 0, inputId: 0 } : decodeMeta(entry)
    return { changelogId, inputId, checkpoint: mark?.checkpoint ?? 0, streamTime: mark?.streamTime ?? null }
  }
}

function unreadable(name: string, offset: number): TroupeError {
  return new TroupeError(
    'CHANGELOG_UNREADABLE',
    `the record ${name}/${offset} of a changelog is of a later version of Troupe, or of somebody else`,
  )
}
