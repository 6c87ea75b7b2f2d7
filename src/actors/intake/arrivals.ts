/** How what is read of an actor's inputs comes to it: of one input at once, of several merged by time. */
import type { Clock } from '../../clock.ts'
import { TroupeError } from '../../errors.ts'
import type { RecordTimes } from '../../state/stamp.ts'
import type { SourceRecord, TopicPartition } from '../../streams/record.ts'
import { InputMerge } from '../input-merge.ts'
import type { InputProgress } from '../input-progress.ts'

/** A log ends here for now. */
export interface LogEnd {
  readonly topic: string
  readonly position: number
}

export interface ArrivalsOptions {
  readonly clock: Clock
  readonly inputs: readonly InputProgress[]
  /** How their records tell their times, where that is not by their timestamps; null or missing: by those. */
  readonly times?: RecordTimes | null
  /** Needed where there are several. */
  readonly logEnd?: (of: TopicPartition) => Promise<number>
  readonly admit: (records: readonly SourceRecord[]) => void
  readonly onEnd: (end: LogEnd) => void
  /** Others than those just offered were admitted. */
  readonly onReady: () => void
  readonly onLoadChanged: () => void
}

export class Arrivals {
  readonly #admit: (records: readonly SourceRecord[]) => void
  readonly #onEnd: (end: LogEnd) => void
  /** null: it has one input. */
  readonly #merge: InputMerge | null

  constructor(options: ArrivalsOptions) {
    this.#admit = options.admit
    this.#onEnd = options.onEnd
    this.#merge = options.inputs.length === 1 ? null : openMerge(options)
  }

  /** Takes what was read of one input, in offset order. */
  offer(records: readonly SourceRecord[]): void {
    if (this.#merge === null) this.#admit(records)
    else this.#merge.offer(records)
  }

  noteEnd(end: LogEnd): void {
    if (this.#merge === null) this.#onEnd(end)
    else this.#merge.noteEnd(end)
  }

  /** A record that is read waits for the next one of this input. */
  isAwaiting(input: InputProgress): boolean {
    return this.#merge?.isAwaited(input) === true
  }

  /** What another has read and not admitted, as far as it had several inputs. */
  takeOver(from: Arrivals): void {
    if (from.#merge !== null) this.#merge?.takeOver(from.#merge)
  }

  stop(): void {
    this.#merge?.stop()
  }
}

function openMerge({ onReady, logEnd = endUnknown, times = null, ...options }: ArrivalsOptions): InputMerge {
  return new InputMerge({ ...options, logEnd, times, onAdmitted: onReady })
}

/** Where nobody is there to be asked. */
export function endUnknown(): Promise<number> {
  return Promise.reject(new TroupeError('INTERNAL', 'nobody knows where a log ends'))
}
