/**
 * The records of a front, which run in parallel, come out in a line: each is concluded when all before it are, and says then
 * how far its partition has come in time (`source-outputs.ts`). While nothing comes, those who have heard less get a mark.
 */
import type { Clock } from '../../clock.ts'
import type { PartitionState } from '../../state/partition-state.ts'
import type { EncodedEffect } from '../../streams/flows/effect-encoder.ts'
import { timeOf, type NeedsSchema, type ToldVerdict } from '../handlers/verdict.ts'
import type { Inputs } from '../inputs.ts'
import type { InputProgress } from '../input-progress.ts'
import { newInvocation, type Invocation } from '../invocation.ts'
import type { RecordEnds } from '../record-ends.ts'
import type { RefusedRecords } from '../refused-records.ts'
import { sizeInBytes, type TopicPartition } from '../../streams/record.ts'
import { keepsLane, type Ruling, type Standing } from '../triage.ts'
import { endUnknown } from '../intake/arrivals.ts'
import { Sequencer } from './sequencer.ts'
import { SourceOutputs, type FrontSettings } from './source-outputs.ts'

export interface FrontLineOptions {
  readonly settings: FrontSettings
  readonly clock: Clock
  readonly ends: RecordEnds
  readonly input: InputProgress
  readonly inputs: Inputs
  readonly state: PartitionState
  readonly refused: RefusedRecords | null
  /** The high watermark: the end of all that stands in the log. */
  readonly logEnd: () => Promise<number>
  /** It hands out records. */
  readonly isRunning: () => boolean
  /** What waits in the line has come to its limit, or is below it again. */
  readonly onFull: () => void
}

/** What becomes of a record when its turn comes. */
type Word = { readonly said: ToldVerdict } | { readonly ruling: Ruling; readonly timeMs: number | undefined }

/** Nothing has come for so long: marks say what the others have not heard. */
const REST_MS = 200
/** Where the log goes on behind what can be read, it is asked again after so long. */
const ASK_AGAIN_MS = 1_000
/** So often it is said again that a partition is idle, for those who have begun to read since. */
const IDLE_AGAIN_MS = 10_000
/** What waits for those before it: no more is taken in. */
const MAX_WAITING = 5_000
const MAX_WAITING_BYTES = 16 * 1024 * 1024

export interface FrontParts extends Pick<FrontLineOptions, 'clock' | 'ends' | 'inputs' | 'isRunning' | 'refused'> {
  /** null or missing: it is not the front of another. */
  readonly front?: FrontSettings | null
  /** null: it keeps none. */
  readonly state: PartitionState | null
  readonly onLoadChanged: () => void
  readonly logEnd?: ((of: TopicPartition) => Promise<number>) | undefined
}

/** null: it is not the front of another. */
export function openFront({ front = null, logEnd = endUnknown, ...parts }: FrontParts): FrontLine | null {
  const { inputs, onLoadChanged, state } = parts
  if (front === null || state === null) return null
  const { first } = inputs
  return new FrontLine({
    ...{ ...parts, input: first, settings: front, state, onFull: onLoadChanged },
    logEnd: () => logEnd(first),
  })
}

export class FrontLine {
  readonly #options: FrontLineOptions
  readonly #sequencer = new Sequencer<Word>()
  readonly #source: SourceOutputs
  #waitingBytes = 0
  /** On a record that nobody may drop: all behind it are left to the next owner. */
  #isHalted = false
  #wasFull = false
  /** All that can be read of the log was, and nothing has come since. */
  #isAtEnd = false
  /** Whatever may be worth a mark. */
  #news = 0
  #newsSeen = 0
  #restedMs = 0
  #cancelLook: (() => void) | null = null
  #cancelAgain: (() => void) | null = null

  constructor(options: FrontLineOptions) {
    this.#options = options
    this.#source = new SourceOutputs(options.settings, options.input.partition, options.state)
  }

  /** So much waits for those before it that no more may be taken in. */
  get isFull(): boolean {
    return this.#sequencer.waiting >= MAX_WAITING || this.#waitingBytes >= MAX_WAITING_BYTES
  }

  /** In offset order. */
  admit(invocation: Invocation): void {
    this.#sequencer.admit(invocation)
    this.#isAtEnd = false
  }

  /** There is no more to be read for now. */
  noteEnd(): void {
    this.#isAtEnd = true
    this.#noteNews()
  }

  /** Takes a verdict on a record. null: its lane need not wait for it any more; else this is why it has to. */
  settle(invocation: Invocation, said: ToldVerdict): Standing | null {
    const { ends, inputs, refused } = this.#options
    if (this.#isHalted) {
      inputs.giveUp([invocation])
      return null
    }
    const givenUp = ends.giveUp(invocation, refused)
    if (givenUp !== null) {
      const timeMs = said.type === 'done' ? this.#source.timeIn(said.effects) : timeOf(said)
      this.#take(invocation, { ruling: givenUp, timeMs })
    } else if (said.type === 'done' || said.type === 'skip') {
      this.#take(invocation, { said })
    } else {
      const next = ends.conclude(invocation, said)
      if (next === null || keepsLane(next)) return next
      this.#take(invocation, { ruling: next, timeMs: timeOf(said) })
    }
    return null
  }

  /** Some of these are left to the next owner. Returns what was done behind them, which is as well. */
  cut(left: readonly Invocation[]): Invocation[] {
    const behind = this.#sequencer.cut(left)
    for (const { bytes } of behind) this.#waitingBytes -= bytes
    return behind
  }

  stop(): void {
    this.#cancelLook?.()
    this.#cancelLook = null
    this.#cancelAgain?.()
    this.#cancelAgain = null
  }

  #take(invocation: Invocation, word: Word): void {
    invocation.stage = 'in-line'
    this.#sequencer.note(invocation, word)
    this.#waitingBytes += invocation.bytes
    for (let next = this.#sequencer.next(); next !== null; next = this.#sequencer.next()) {
      this.#waitingBytes -= next[0].bytes
      this.#conclude(...next)
    }
    if (this.isFull === this.#wasFull) return
    this.#wasFull = this.isFull
    this.#options.onFull()
  }

  #conclude(invocation: Invocation, word: Word): void {
    const { ends } = this.#options
    this.#noteNews()
    if ('ruling' in word) {
      this.#act(word.ruling, invocation)
      // One that halts has its turn once more.
      if (!this.#isHalted) this.#pass(invocation, word.timeMs)
      return
    }
    const { said } = word
    const ruling = ends.conclude(
      invocation,
      said.type === 'done' ? { ...said, effects: this.#source.stamped(invocation.record.offset, said.effects) } : said,
    )
    if (ruling === null) {
      if (said.type === 'skip') this.#pass(invocation, said.timeMs)
      return
    }
    this.#source.forget()
    this.#act(ruling, invocation)
  }

  #act(ruling: Ruling | NeedsSchema, invocation: Invocation): void {
    const { ends, inputs } = this.#options
    ends.act(ruling, invocation, null)
    if (ruling.type !== 'halt') return
    this.#isHalted = true
    inputs.giveUp(this.#sequencer.end())
    this.#waitingBytes = 0
  }

  /** What does not go on moves the time of its partition as well. */
  #pass({ record }: Invocation, timeMs: number | undefined): void {
    if (timeMs !== undefined) this.#tell(this.#source.passed(record.offset, timeMs))
  }

  #noteNews(): void {
    this.#news += 1
    if (this.#cancelLook === null && this.#options.isRunning()) this.#lookLater()
  }

  #lookLater(afterMs = REST_MS): void {
    this.#cancelLook = this.#options.clock.after(afterMs, () => {
      this.#cancelLook = null
      if (this.#options.isRunning()) this.#look()
    })
  }

  #look(): void {
    if (this.#news !== this.#newsSeen) {
      this.#newsSeen = this.#news
      this.#restedMs = 0
      this.#lookLater()
      return
    }
    this.#restedMs += REST_MS
    this.#tell(this.#source.atRest())
    if (!this.#isAtEnd || this.#sequencer.isBusy || this.#source.isIdle) return
    const { idleAfterMs } = this.#options.settings
    // One that never had a record would hold up all others for ever.
    if (this.#source.isUnknown || (idleAfterMs !== null && this.#restedMs >= idleAfterMs)) void this.#becomeIdle()
    else if (idleAfterMs !== null) this.#lookLater()
  }

  /** While it is idle. */
  #sayAgainLater(): void {
    this.#cancelAgain = this.#options.clock.after(IDLE_AGAIN_MS, () => {
      this.#cancelAgain = null
      if (!this.#options.isRunning() || !this.#source.isIdle) return
      // With records on their way it is so no more, or they have no time.
      if (this.#isAtEnd && !this.#sequencer.isBusy) this.#tell(this.#source.idleAgain())
      this.#sayAgainLater()
    })
  }

  /** Unless more stands in the log, in a transaction that is still open. Never rejects. */
  async #becomeIdle(): Promise<void> {
    const { input, isRunning, logEnd } = this.#options
    const news = this.#news
    const position = input.tracker.safePosition
    // Brokers that do not answer know nothing of an end.
    const end = position === null ? null : await logEnd().catch(() => null)
    // Whatever has come meanwhile is looked at in its turn.
    if (!isRunning() || news !== this.#news || !this.#isAtEnd) return
    if (position !== null && end !== null && end <= position) {
      this.#tell(this.#source.idle())
      if (this.#cancelAgain === null) this.#sayAgainLater()
    } else this.#lookLater(ASK_AGAIN_MS)
  }

  /** Marks are of no record: they become durable with what was concluded before them. */
  #tell(effects: readonly EncodedEffect[]): void {
    const { clock, ends, input } = this.#options
    const { held, partition, topic, tracker } = input
    const offset = tracker.safePosition
    if (effects.length === 0 || offset === null) return
    const timer = { name: 'troupe-mark', clock: 'wall' as const, dueMs: clock.wallNow() }
    const record = { topic, partition, offset, timestamp: timer.dueMs, key: null, value: null, headers: [], timer }
    const invocation = newInvocation(record, tracker.hold(), sizeInBytes(record, 0), clock.now())
    held.add(invocation)
    const ruling = ends.conclude(invocation, { type: 'done', effects })
    if (ruling !== null) ends.skip(invocation)
    input.noteProgress()
  }
}
