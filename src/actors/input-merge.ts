/**
 * Brings the inputs of an actor that has several together: their records are admitted by time, the lowest first, as long as
 * the brokers have some of each (T31): by what their topics say of it, and by their timestamps else. So who reads all of it again sees the same order, whichever topic is read faster.
 *
 * A record may go when each other input either has one here, none of which is older, or had nothing more on the brokers at a
 * time when the record had come: its log ends (high watermark) where it is read to. Brokers are asked that only while a record
 * waits for it. Of the same time a companion's record comes first: a row counts for the records of its own time.
 */
import type { Clock } from '../clock.ts'
import type { RecordTimes } from '../state/stamp.ts'
import { payloadBytes, sizeInBytes, type SourceRecord, type TopicPartition } from '../streams/record.ts'
import type { InputProgress } from './input-progress.ts'

export interface InputMergeOptions {
  readonly clock: Clock
  /** The first is the group's, the others are companions. */
  readonly inputs: readonly InputProgress[]
  /** How their records tell their times; null: by their timestamps. */
  readonly times: RecordTimes | null
  /** Its high watermark, records of open transactions included. */
  readonly logEnd: (of: TopicPartition) => Promise<number>
  /** Takes records of one input, in offset order. */
  readonly admit: (records: readonly SourceRecord[]) => void
  /** The log of an input ends there for now, and all below was admitted. */
  readonly onEnd: (of: { readonly topic: string; readonly position: number }) => void
  /** Some were admitted when nobody had brought any. */
  readonly onAdmitted: () => void
  readonly onLoadChanged: () => void
}

interface Chunk {
  readonly records: readonly SourceRecord[]
  /** Which offer brought it, of all inputs. */
  readonly offer: number
  next: number
  /** Of its next record; null: not read yet. */
  nextMs: number | null
}

interface Queue {
  readonly input: InputProgress
  chunks: Chunk[]
  /** All below was brought here. */
  readTo: number
  /** Its end was met, and is to be told when all before it is admitted; null: told. */
  end: number | null
  /** Where its log ended when the brokers were asked last, and the newest offer by then. */
  known: { readonly high: number; readonly offer: number } | null
  isAsking: boolean
}

/** Between two questions for the end of one log. */
const ASK_INTERVAL_MS = 20

export class InputMerge {
  readonly #options: InputMergeOptions
  readonly #queues: readonly Queue[]
  #offers = 0
  #isStopped = false
  #cancelAsk: (() => void) | null = null

  constructor(options: InputMergeOptions) {
    this.#options = options
    this.#queues = options.inputs.map((input) => ({
      ...{ input, chunks: [], readTo: 0, end: null, known: null, isAsking: false },
    }))
  }

  /** A record waits for the next one of this input. */
  isAwaited({ topic }: { readonly topic: string }): boolean {
    return this.#queueOf(topic).chunks.length === 0 && this.#queues.some(({ chunks }) => chunks.length > 0)
  }

  offer(records: readonly SourceRecord[]): void {
    const first = records[0]
    if (first === undefined || this.#isStopped) return
    const queue = this.#queueOf(first.topic)
    this.#offers += 1
    queue.chunks.push({ records, offer: this.#offers, next: 0, nextMs: null })
    // What another had here comes again bit by bit, when it is known already how far that had read.
    queue.readTo = Math.max(queue.readTo, records.at(-1)!.offset + 1)
    queue.input.queue(records.length, bytesOf(records))
    this.#options.onLoadChanged()
    this.#run()
  }

  noteEnd({ position, topic }: { readonly topic: string; readonly position: number }): void {
    if (this.#isStopped) return
    const queue = this.#queueOf(topic)
    queue.readTo = Math.max(queue.readTo, position)
    queue.end = position
    this.#run()
  }

  /** Nothing more is admitted. What is here is left to the next owner. */
  stop(): void {
    this.#isStopped = true
    this.#cancelAsk?.()
    for (const { input } of this.#queues) input.clearQueue()
  }

  /** What waits here, of each input, and where they are read to: for the one that goes on in its place. */
  takeOver(from: InputMerge): void {
    for (const { chunks, end, input, readTo } of from.#queues) {
      const queue = this.#queueOf(input.topic)
      queue.readTo = readTo
      queue.end = end
      for (const { next, records } of chunks) this.offer(records.slice(next))
    }
  }

  #queueOf(topic: string): Queue {
    return this.#queues.find(({ input }) => input.topic === topic)!
  }

  /** Admits all that may go now. */
  #run(): void {
    let hasAdmitted = false
    for (;;) {
      const queue = this.#next()
      if (queue === null) break
      const run = this.#takeRun(queue)
      if (run.length === 0) break
      hasAdmitted = true
      this.#options.admit(run)
      // After that: in between there would seem to be room for others.
      queue.input.unqueue(run.length, bytesOf(run))
      if (this.#isStopped) return
    }
    this.#tellEnds()
    if (hasAdmitted) this.#options.onAdmitted()
    this.#askWhatIsAwaited()
  }

  /** Whose head has the lowest time; null: nothing is here. */
  #next(): Queue | null {
    let next: Queue | null = null
    for (const queue of this.#queues) {
      const time = this.#headTime(queue)
      if (time === null) continue
      const before = next === null ? null : this.#headTime(next)
      // Companions stand behind the first, and come before it.
      if (before === null || time <= before) next = queue
    }
    return next
  }

  /** Of the first chunk, as far as its records come before the heads of all others, and no other may bring an earlier one. */
  #takeRun(queue: Queue): readonly SourceRecord[] {
    const chunk = queue.chunks[0]!
    const place = this.#queues.indexOf(queue)
    let mostMs = Infinity
    let isBefore = false
    for (const [at, other] of this.#queues.entries()) {
      if (other === queue) continue
      const time = this.#headTime(other)
      if (time === null) {
        if (!hasEnded(other, chunk.offer)) return none
      } else if (time < mostMs) {
        mostMs = time
        isBefore = at > place
      }
    }
    const { records } = chunk
    const from = chunk.next
    let to = from
    while (to < records.length) {
      chunk.nextMs ??= this.#timeOf(records[to]!)
      if (isBefore ? chunk.nextMs >= mostMs : chunk.nextMs > mostMs) break
      chunk.nextMs = null
      to += 1
    }
    chunk.next = to
    if (to === records.length) queue.chunks.shift()
    return from === 0 && to === records.length ? records : records.slice(from, to)
  }

  /** null: none is here. Each is read once. */
  #headTime({ chunks: [chunk] }: Queue): number | null {
    if (chunk === undefined) return null
    chunk.nextMs ??= this.#timeOf(chunk.records[chunk.next]!)
    return chunk.nextMs
  }

  /** What cannot be read goes by its timestamp. */
  #timeOf(record: SourceRecord): number {
    const read = this.#options.times?.read(record) ?? null
    return read === null || read.found === 'error' ? record.timestamp : read.timeMs
  }

  #tellEnds(): void {
    for (const queue of this.#queues) {
      if (queue.end === null || queue.chunks.length > 0) continue
      const { topic } = queue.input
      const position = queue.end
      queue.end = null
      this.#options.onEnd({ topic, position })
    }
  }

  #askWhatIsAwaited(): void {
    if (this.#cancelAsk !== null || this.#isStopped) return
    const offer = this.#next()?.chunks[0]?.offer
    if (offer === undefined) return
    for (const queue of this.#queues) {
      // What is known to be there comes by itself.
      const isKnown = queue.known !== null && queue.known.offer >= offer
      if (queue.chunks.length === 0 && !queue.isAsking && !isKnown) void this.#ask(queue)
    }
  }

  async #ask(queue: Queue): Promise<void> {
    queue.isAsking = true
    const offer = this.#offers
    try {
      const high = await this.#options.logEnd(queue.input)
      queue.known = { high, offer }
    } catch {
      // Asked again; brokers that are away are told of by their client.
    }
    queue.isAsking = false
    if (this.#isStopped) return
    this.#cancelAsk ??= this.#options.clock.after(ASK_INTERVAL_MS, () => {
      this.#cancelAsk = null
      this.#askWhatIsAwaited()
    })
    this.#run()
  }
}

const none: readonly SourceRecord[] = []

/** It had nothing more when this offer was here. */
function hasEnded({ known, readTo }: Queue, offer: number): boolean {
  return known !== null && known.offer >= offer && readTo >= known.high
}

function bytesOf(records: readonly SourceRecord[]): number {
  let bytes = 0
  for (const record of records) bytes += sizeInBytes(record, payloadBytes(record))
  return bytes
}
