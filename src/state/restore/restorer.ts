/**
 * Brings stores up to the end of their changelogs: one reader, in no group, for all partitions of a member that restore at
 * once. None holds up another, and none the group: whoever has no use for a partition any more aborts it.
 *
 * A task is entered (the ends of its log are asked, as long as it takes), joins what is read, and is over when reading
 * stands at its end. While one batch is written to the stores the next one is on its way, and no more than that is held.
 */
import { sleep, type Clock } from '../../clock.ts'
import { TroupeError, describeError, isTroupeError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { BrokerReader } from '../../streams/broker-port.ts'
import { partitionName, type SourceRecord } from '../../streams/record.ts'
import { RestoreTask, type Restored, type RestoreOrder } from './restore-task.ts'

export interface RestorerOptions {
  readonly openReader: () => BrokerReader
  readonly clock: Clock
  readonly log: Log
}

/** Beyond that a batch costs no less a record, and holds the loop for longer. */
const MAX_RECORDS = 500
/** What one poll may bring, as far as the records of the one before tell. */
const MAX_BYTES = 4 * 1024 * 1024
/** The end of a log that ends in a marker is known when a poll comes back without records. */
const POLL_TIMEOUT_MS = 50
const MIN_DELAY_MS = 200
const MAX_DELAY_MS = 5_000
/** A topic that was made a moment ago is not known to all brokers. */
const MISSING_PATIENCE_MS = 10_000
/** What no retry changes may be of one partition: the others are read on without it. Without progress it is of all. */
const MAX_READ_FAILURES = 3
/** Records of partitions that are done: reading on without them would throw away what was fetched of the others. */
const MAX_UNWANTED = 10_000

export class Restorer {
  readonly #options: RestorerOptions
  readonly #tasks = new Set<RestoreTask>()
  /** What is read, by the name of the partition. */
  readonly #reading = new Map<string, RestoreTask>()
  #joining: RestoreTask[] = []
  #reader: Promise<BrokerReader> | null = null
  #isRunning = false
  /** Which reader was told what to read. */
  #assigned: BrokerReader | null = null
  #maxRecords = MAX_RECORDS
  #unwanted = 0
  #readFailures = 0
  /** What the last of them was of; said once. */
  #told: string | null = null
  /** The end of the reader that was used last. */
  #closing: Promise<void> = Promise.resolve()

  constructor(options: RestorerOptions) {
    this.#options = options
  }

  /** Resolves with null when `signal` was aborted; then nothing more is written to the store. Rejects with what no retry changes. */
  async restore(order: RestoreOrder, signal: AbortSignal): Promise<Restored | null> {
    const task = new RestoreTask(order, signal)
    this.#tasks.add(task)
    try {
      void this.#enter(task)
      const restored = await task.ended
      // Also where its last write was under way when that came.
      return signal.aborted ? null : restored
    } finally {
      this.#tasks.delete(task)
      if (this.#tasks.size === 0) this.#closeReader()
    }
  }

  /** Resolves when its last reader has gone; whoever restores has been aborted before. */
  async close(): Promise<void> {
    this.#closeReader()
    await this.#closing
  }

  async #enter(task: RestoreTask): Promise<void> {
    try {
      const ends = await this.#patiently(task, (reader) => reader.watermarks(task.changelog))
      if (ends === null) return
      await task.begin(ends)
      if (task.isOver) return
      this.#joining.push(task)
      if (!this.#isRunning) void this.#run()
    } catch (error) {
      task.fail(error)
    }
  }

  /** Again until it succeeds. null: nobody wants it any more. */
  async #patiently<Value>(task: RestoreTask, ask: (reader: BrokerReader) => Promise<Value>): Promise<Value | null> {
    const { clock } = this.#options
    const sinceMs = clock.now()
    for (let delayMs = MIN_DELAY_MS; !task.isOver; delayMs = Math.min(2 * delayMs, MAX_DELAY_MS)) {
      try {
        const answer = await ask(await this.#openReader())
        task.noteAnswer()
        return answer
      } catch (error) {
        if (!isTroupeError(error)) throw error
        const isMissing = error.code === 'TOPIC_MISSING'
        if (isMissing && clock.now() - sinceMs > MISSING_PATIENCE_MS) throw gone(task.name, error)
        if (!isMissing && !error.retryable) throw error
        task.progress.noteTrouble(describeError(error), clock.now())
      }
      await Promise.race([sleep(clock, delayMs), task.ended.catch(() => undefined)])
    }
    return null
  }

  async #openReader(): Promise<BrokerReader> {
    this.#reader ??= this.#connect()
    return await this.#reader
  }

  async #connect(): Promise<BrokerReader> {
    const reader = this.#options.openReader()
    try {
      await reader.connect()
      return reader
    } catch (error) {
      // One that could not connect is of no more use.
      this.#reader = null
      throw error
    }
  }

  #closeReader(): void {
    const reader = this.#reader
    this.#reader = null
    if (reader === null) return
    this.#closing = reader.then(
      (each) => each.disconnect(),
      () => undefined,
    )
  }

  /** Reads until nobody waits for anything. Never rejects. */
  async #run(): Promise<void> {
    this.#isRunning = true
    while (this.#hasWork) {
      try {
        const reader = await this.#openReader()
        this.#choose(reader)
        const records = await reader.poll(this.#maxRecords, POLL_TIMEOUT_MS)
        // Of the batch before: what is held never grows beyond two.
        await Promise.all([...this.#reading.values()].map(({ written }) => written))
        if (reader !== this.#assigned) continue
        this.#handOut(records)
        this.#notePositions(reader)
        if (records.length > 0) this.#noteReading()
      } catch (error) {
        const delayMs = Math.min(MAX_DELAY_MS, MIN_DELAY_MS * 2 ** this.#readFailures)
        this.#enterAgain(error)
        if (this.#hasOpen) await sleep(this.#options.clock, delayMs)
      }
    }
    this.#isRunning = false
  }

  get #hasWork(): boolean {
    return [...this.#reading.values(), ...this.#joining].some(({ isOver }) => !isOver)
  }

  /** Tells the reader anew what to read, where that is worth it. */
  #choose(reader: BrokerReader): void {
    const joining = this.#joining.filter(({ isOver }) => !isOver)
    this.#joining = []
    for (const [name, task] of this.#reading) if (task.isOver) this.#reading.delete(name)
    if (joining.length === 0 && this.#unwanted <= MAX_UNWANTED && this.#assigned === reader) return
    for (const task of joining) this.#reading.set(task.name, task)
    reader.assign([...this.#reading.values()].map(({ changelog, position }) => ({ ...changelog, position })))
    this.#assigned = reader
    this.#unwanted = 0
  }

  /** A poll brings whole runs of partitions. */
  #handOut(records: readonly SourceRecord[]): void {
    let largest = 1
    for (let begin = 0, at = 1; at <= records.length; at += 1) {
      const first = records[begin]!
      const { key, value } = records[at - 1]!
      largest = Math.max(largest, (key?.byteLength ?? 0) + (value?.byteLength ?? 0))
      const next = records[at]
      if (next?.partition === first.partition && next.topic === first.topic) continue
      const task = this.#reading.get(partitionName(first))
      if (task === undefined) this.#unwanted += at - begin
      else task.take(records.slice(begin, at))
      begin = at
    }
    if (records.length > 0) this.#maxRecords = Math.max(1, Math.min(MAX_RECORDS, Math.floor(MAX_BYTES / largest)))
  }

  #notePositions(reader: BrokerReader): void {
    for (const task of this.#reading.values()) {
      const position = reader.position(task.changelog)
      if (position !== null && position > task.position) task.reach(position)
      task.lookForStanding(this.#options.clock.now())
    }
  }

  #noteReading(): void {
    this.#readFailures = 0
    this.#told = null
  }

  get #hasOpen(): boolean {
    return [...this.#tasks].some(({ isOver }) => !isOver)
  }

  /** The log of one of them has moved on, or is gone; which one, nobody says. So all look again where their logs begin and end. */
  #enterAgain(error: unknown): void {
    const tasks = [...this.#reading.values(), ...this.#joining]
    this.#reading.clear()
    this.#joining = []
    this.#readFailures += 1
    const reason = describeError(error)
    if (this.#told !== reason)
      this.#options.log.warn({ reason }, `a restore could not read on, and begins where it stands: ${reason}`)
    this.#told = reason
    const isHopeless = this.#readFailures > MAX_READ_FAILURES && !(isTroupeError(error) && error.retryable)
    for (const task of tasks) {
      if (isHopeless) task.fail(error)
      else {
        task.noteFailure(reason, this.#options.clock.now())
        void this.#enter(task)
      }
    }
  }
}

function gone(name: string, cause: unknown): TroupeError {
  return new TroupeError('CHANGELOG_LOST', `the changelog ${name} is not there any more`, { cause })
}
