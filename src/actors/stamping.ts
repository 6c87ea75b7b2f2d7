/**
 * Stamps the records of a partition in offset order, each when its turn in its lane has come: for handlers on main that take
 * them one after the other, of which all below the position have had their turn. So the stream time of the position is
 * that of the records below it, whatever was read ahead and not decoded.
 *
 * A record that cannot be read yet, since a schema is not known, has its turn again when it is.
 */
import type { PartitionState } from '../state/partition-state.ts'
import type { RecordTimes, Stamp } from '../state/stamp.ts'
import type { SourceRecord } from '../streams/record.ts'
import type { Invocation } from './invocation.ts'
import type { ComesAhead } from './lanes/lanes.ts'

export class Stamping implements ComesAhead {
  readonly #times: RecordTimes
  readonly #state: PartitionState
  /** null: it has no timers. */
  readonly #timers: ComesAhead | null

  constructor(times: RecordTimes, state: PartitionState, timers: ComesAhead | null) {
    this.#times = times
    this.#state = state
    this.#timers = timers
  }

  isDueBefore(invocation: Invocation): boolean {
    if (invocation.stamp === null) this.#stamp(invocation)
    return this.#timers?.isDueBefore(invocation) === true
  }

  fireBefore(invocation: Invocation): Invocation {
    return this.#timers!.fireBefore(invocation)
  }

  /** One that nobody comes to in its turn, since it was finished before. */
  pass(record: SourceRecord): void {
    if (this.#state.hasRowsOf(record.topic)) return
    const read = this.#times.read(record)
    if (read !== null) this.#state.noteAhead(record.offset, read.timeMs, record.topic)
  }

  #stamp(invocation: Invocation): void {
    const { record } = invocation
    if (record.timer !== undefined) {
      invocation.stamp = ofTimer
      // By the wall clock it has the time of the records before it.
      if (record.timer.clock === 'wall') invocation.streamTime = this.#state.streamTime
      return
    }
    if (this.#state.hasRowsOf(record.topic)) {
      invocation.stamp = ofTimer
      return
    }
    const read = this.#times.read(record)
    if (read === null) {
      // What is behind it comes to its turn after it.
      invocation.runsAlone = true
      return
    }
    const isFarFuture = this.#isFarFuture(record, read.timeMs)
    invocation.stamp = { found: read.found, read: read.read, timeMs: read.timeMs, isFarFuture }
    invocation.streamTime = this.#state.noteRecord(record.offset, isFarFuture ? -1 : read.timeMs, record.topic)
  }

  #isFarFuture({ offset, topic }: SourceRecord, timeMs: number): boolean {
    const { maxAdvanceMs } = this.#times
    if (maxAdvanceMs === null) return false
    const before = this.#state.timeAt(offset, topic)
    return before !== null && timeMs - before > maxAdvanceMs
  }
}

/** Of what no time passes with. */
const ofTimer: Stamp = { found: 'nothing', read: undefined, timeMs: -1, isFarFuture: false }
