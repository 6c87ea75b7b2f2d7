/**
 * What the front of an actor writes for one partition of its input: each record with how far that partition has come in time,
 * and marks, by which those hear of it to whom no record goes. In offset order: a record says what it is worth when its turn
 * has come, whatever was handled before.
 */
import { SourceClock } from '../../operators/regroup/source-clock.ts'
import { markHeader, readTimeHeader, recordHeader } from '../../operators/regroup/source-header.ts'
import type { PartitionState } from '../../state/partition-state.ts'
import type { EncodedEffect } from '../../streams/flows/effect-encoder.ts'
import { partitionOf } from '../../streams/murmur2.ts'

/** How the front of an actor writes. */
export interface FrontSettings {
  /** The repartition topic, and how many partitions it has. */
  readonly topic: string
  readonly partitions: number
  readonly markEveryMs: number
  /** A record that would move stream time further at once does not move it; null: each may. */
  readonly maxAdvanceMs: number | null
  /** With nothing new for so long, at its end, a partition is idle; null: only one that never had a record. */
  readonly idleAfterMs: number | null
}

export class SourceOutputs {
  readonly #settings: FrontSettings
  readonly #partition: number
  readonly #state: PartitionState
  #clock: SourceClock | null = null

  constructor(settings: FrontSettings, partition: number, state: PartitionState) {
    this.#settings = settings
    this.#partition = partition
    this.#state = state
  }

  /** It had no record with a time yet. */
  get isUnknown(): boolean {
    return this.#source.isUnknown
  }

  get isIdle(): boolean {
    return this.#source.isIdle
  }

  /** Not before its state is restored: that knows how far it had come. */
  get #source(): SourceClock {
    this.#clock ??= new SourceClock({
      source: this.#partition,
      targets: this.#settings.partitions,
      markEveryMs: this.#settings.markEveryMs,
      maxAdvanceMs: this.#settings.maxAdvanceMs,
      streamTimeMs: this.#state.streamTime,
    })
    return this.#clock
  }

  /** The outputs of a record whose turn has come, as they go out. */
  stamped(offset: number, effects: readonly EncodedEffect[]): readonly EncodedEffect[] {
    const source = this.#source
    return effects.flatMap((effect) => {
      if (effect.type !== 'record' || effect.record.topic !== this.#settings.topic) return [effect]
      const { headers = [], key } = effect.record
      const { others, timeMs } = readTimeHeader(headers)
      const { isFarFuture, streamTimeMs } = source.take(timeMs)
      this.#state.noteRecord(offset, streamTimeMs)
      // What has no key goes where all of its partition does, so that it is the same in a replay.
      const { partitions } = this.#settings
      const partition = key === null ? this.#partition % partitions : partitionOf(key, partitions)
      source.noteHeard(partition)
      const header = recordHeader({ source: this.#partition, streamTimeMs, isIdle: false, timeMs, isFarFuture })
      const record = { ...effect.record, partition, headers: [...others, header] }
      return [{ ...effect, record }, ...this.#marks(source.marksDue())]
    })
  }

  /** Nothing goes on of the record whose turn has come, but its time has passed. Returns marks that are due. */
  passed(offset: number, timeMs: number): readonly EncodedEffect[] {
    this.#state.noteRecord(offset, this.#source.take(timeMs).streamTimeMs)
    return this.#marks(this.#source.marksDue())
  }

  /** The time of a record that goes on; undefined: it does not, or has none. */
  timeIn(effects: readonly EncodedEffect[]): number | undefined {
    for (const effect of effects) {
      if (effect.type === 'record' && effect.record.topic === this.#settings.topic)
        return readTimeHeader(effect.record.headers ?? []).timeMs
    }
    return undefined
  }

  /** What was stamped last does not go out. */
  forget(): void {
    this.#source.forgetHeard()
  }

  /** Nothing comes for the moment. */
  atRest(): readonly EncodedEffect[] {
    return this.#marks(this.#source.marksAtRest())
  }

  idle(): readonly EncodedEffect[] {
    return this.#marks(this.#source.becomeIdle())
  }

  idleAgain(): readonly EncodedEffect[] {
    return this.#marks(this.#source.idleAgain())
  }

  #marks(targets: readonly number[]): readonly EncodedEffect[] {
    if (targets.length === 0) return none
    const headers = [markHeader(this.#source.said)]
    const { topic } = this.#settings
    return targets.map((partition) => ({
      type: 'record',
      record: { topic, partition, key: null, value: null, headers },
    }))
  }
}

const none: readonly EncodedEffect[] = []
