/**
 * How records come into a partition actor: in offset order, each started in its input's tracker, held against the credit,
 * given what stream time was when it came, and put into its lane. Where one is finished already, by the completion map,
 * it is skipped.
 */
import type { Clock } from '../../clock.ts'
import { readSourceNote, type SourceNote } from '../../operators/regroup/source-header.ts'
import { keyTextOf, type PartitionState } from '../../state/partition-state.ts'
import { payloadBytes, sizeInBytes, type SourceRecord } from '../../streams/record.ts'
import type { ActorProgress } from '../actor-progress.ts'
import type { ActorTiming } from '../actor-timing.ts'
import type { FrontLine } from '../front/front-line.ts'
import type { InputProgress } from '../input-progress.ts'
import type { Inputs } from '../inputs.ts'
import { newInvocation } from '../invocation.ts'
import type { Lanes } from '../lanes/lanes.ts'
import type { RecordEnds } from '../record-ends.ts'
import type { RefusedRecords } from '../refused-records.ts'

export interface AdmissionOptions {
  readonly clock: Clock
  readonly ends: RecordEnds
  readonly inputs: Inputs
  readonly lanes: Lanes
  readonly progress: ActorProgress
  readonly timing: ActorTiming
  /** null: it is not the front of another. */
  readonly front: FrontLine | null
  /** null: it has none to give up. */
  readonly refused: RefusedRecords | null
  /** null: it keeps none. */
  readonly state: PartitionState | null
  /** What the actor holds has changed. */
  readonly onLoad: () => void
}

export class Admission {
  readonly #options: AdmissionOptions
  // Asked for each record, so at hand.
  readonly #state: PartitionState | null
  readonly #timing: ActorTiming

  constructor(options: AdmissionOptions) {
    this.#options = options
    this.#state = options.state
    this.#timing = options.timing
  }

  /** Records of this input, in offset order. */
  admit(input: InputProgress, records: readonly SourceRecord[]): void {
    const { clock, ends, front, inputs, lanes, onLoad, progress, refused } = this.#options
    const { held, stats, tracker } = input
    const state = this.#state
    const { idle, stamping, timers } = this.#timing
    const isOfRows = input.isCompanion && state?.hasRowsOf(input.topic) === true
    const companion = input.isCompanion ? input.topic : null
    const now = clock.now()
    if (inputs.heldRecords === 0) progress.atMs = now
    idle?.noteArrival(now)
    let hasSkipped = false
    for (const record of records) {
      const payload = payloadBytes(record)
      stats.receivedBytes += payload
      const said = state?.hasSources === true && companion === null ? readSourceNote(record.headers) : null
      const streamTime = isOfRows ? null : this.#streamTimeOf(record, said, companion)
      timers?.review()
      if (tracker.isFinishedBefore(record.offset)) {
        stamping?.pass(record)
        tracker.skip(record.offset)
        stats.alreadyFinished += 1
        hasSkipped = true
        continue
      }
      const invocation = newInvocation(record, tracker.start(record.offset), sizeInBytes(record, payload), now)
      if (state !== null) {
        invocation.stateKey = record.key === null ? null : keyTextOf(record.key)
        invocation.streamTime = streamTime
      }
      if (refused?.has(record) === true) invocation.runsAlone = true
      held.add(invocation)
      if (said?.kind === 'mark') {
        ends.keep(invocation)
        continue
      }
      front?.admit(invocation)
      lanes.admit(invocation)
    }
    stats.received += records.length
    stats.receivedPosition = (records.at(-1)?.offset ?? -1) + 1
    stats.safePosition = tracker.safePosition
    onLoad()
    if (hasSkipped) input.noteProgress()
  }

  /** Of all that it is not given below this position, this is the stream time. */
  notePassed(position: number, streamTime: number, topic: string | null): void {
    if (this.#isTimedLater) this.#state?.noteAhead(position - 1, streamTime, topic)
    else this.#state?.noteRecord(position - 1, streamTime, topic)
  }

  /** null: it keeps no state, or it is known when the record's turn has come. */
  #streamTimeOf({ offset, timestamp }: SourceRecord, note: SourceNote | null, companion: string | null): number | null {
    const state = this.#state
    if (state === null || this.#isTimedLater) return null
    if (note !== null) return state.noteSaid(offset, note.said)
    return state.noteRecord(offset, state.hasSources ? -1 : timestamp, companion)
  }

  get #isTimedLater(): boolean {
    return this.#options.front !== null || this.#timing.stamping !== null
  }
}
