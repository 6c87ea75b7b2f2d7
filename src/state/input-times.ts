/**
 * How far the inputs of a partition have come in time, each by its own records, and all together: the stream time of its state.
 * Whose records were regrouped has one time for each source, and counts the least of them.
 */
import { TroupeError } from '../errors.ts'
import { MergedTime } from '../operators/regroup/merged-time.ts'
import type { Said } from '../operators/regroup/source-header.ts'
import type { CompletionSnapshot } from '../streams/positions/completion-map.ts'
import { StreamTime, type UnfinishedRuns } from './stream-time.ts'

/** Of the input, as its tracker tells. */
export interface FollowedPosition {
  readonly safePosition: number | null
  /** In which it may come to stand: `from, to, …`, ascending. */
  unfinishedRuns(): UnfinishedRuns
}

/** An input whose position is kept with the state, as its tracker tells. */
export interface FollowedInput {
  readonly topic: string
  /** Short id; 0: not known. */
  readonly topicId: number
  readonly snapshot: () => CompletionSnapshot | null
  readonly position: () => FollowedPosition
}

/** Of the rises of one input, those that need not be known any more. */
export interface Pruned {
  readonly time: StreamTime
  readonly position: number
  readonly unfinished: UnfinishedRuns
  /** What comes next is of the checkpoints to come. */
  readonly end: number
}

export class InputTimes {
  /** Of the last checkpoint; null: there is none, or nothing had a time. */
  readonly #committed: () => number | null
  #time = new StreamTime(null)
  #sources: MergedTime | null = null
  /** Where its position stands; set by whose it is. */
  #position: FollowedPosition = { safePosition: null, unfinishedRuns: () => [] }
  #companions: readonly FollowedInput[] = []
  /** Of each companion input whose records move it. */
  readonly #companionTimes = new Map<string, StreamTime>()
  /** As of which timers were fired, whose end is kept; null: none was. */
  #firedMs: number | null = null

  constructor(committed: () => number | null) {
    this.#committed = committed
  }

  /** `sources`: null: its records are regrouped by nobody. */
  begin(streamTime: number | null, sources: { readonly count: number; readonly kept: Uint8Array | null } | null): void {
    this.#time = new StreamTime(streamTime)
    if (sources !== null) this.#sources = new MergedTime(sources.count, sources.kept, streamTime)
  }

  follow(position: FollowedPosition): void {
    this.#position = position
  }

  followCompanions(inputs: readonly FollowedInput[]): void {
    this.#companions = inputs
  }

  get companions(): readonly FollowedInput[] {
    return this.#companions
  }

  /** Of the first input; null: not known. */
  get position(): number | null {
    return this.#position.safePosition
  }

  get current(): number | null {
    if (this.#companions.length === 0) return this.#time.current
    return greatest([this.#time.current, ...[...this.#companionTimes.values()].map(({ current }) => current)])
  }

  note(offset: number, timestamp: number, topic: string | null): number | null {
    const companion = this.#companionOf(topic)
    const time = companion === null ? this.#time : this.#timeOf(companion.topic)
    const own = time.note(offset, timestamp)
    return this.#companions.length === 0 ? own : this.current
  }

  noteSaid(offset: number, said: Said): number | null {
    if (this.#sources === null) throw new TroupeError('INTERNAL', 'a source speaks to a partition that has none')
    return this.note(offset, this.#sources.note(offset, said) ?? -1, null)
  }

  get hasSources(): boolean {
    return this.#sources !== null
  }

  get areSourcesIdle(): boolean {
    return this.#sources?.isIdle ?? true
  }

  /** How far the times of its sources have come at this position; null: as before, or it has none. */
  encodeSourcesAt(position: number): Uint8Array | null {
    return this.#sources?.encodeAt(position) ?? null
  }

  noteAhead(offset: number, timestamp: number, topic: string | null): void {
    const companion = this.#companionOf(topic)
    const time = companion === null ? this.#time : this.#timeOf(companion.topic)
    time.noteAhead(offset, timestamp)
  }

  noteAllTaken(position: number | null, timeMs: number): void {
    this.#time.takeAhead()
    if (position !== null) this.#time.note(position - 1, timeMs)
    for (const time of this.#companionTimes.values()) time.takeAhead()
  }

  noteFired(timeMs: number): void {
    this.#firedMs = Math.max(this.#firedMs ?? -1, timeMs)
  }

  /** Of all below this position of an input; null: nothing had a time. */
  at(position: number, topic: string | null): number | null {
    const companion = this.#companionOf(topic)
    return (companion === null ? this.#time : this.#timeOf(companion.topic)).at(position)
  }

  /** Of the positions of all inputs. */
  atPositions(): number | null {
    const position = this.#position.safePosition
    const own = position === null ? this.#time.current : this.#time.at(position)
    // The next record of a single input is the one before which they were fired, or as late.
    if (this.#companions.length === 0) return own
    const others = this.#companions.map(({ position: of, topic }) => {
      const time = this.#companionTimes.get(topic)
      const at = of().safePosition
      return time === undefined ? null : at === null ? time.current : time.at(at)
    })
    return greatest([own, this.#firedMs, ...others])
  }

  /** Where a checkpoint of now stands, nobody begins again below its positions: before that a refusal sets the partition back further. */
  pruned(): readonly Pruned[] {
    const all = [
      { time: this.#time, of: this.#position },
      ...this.#companions.map(({ position, topic }) => ({ time: this.#companionTimes.get(topic), of: position() })),
    ]
    return all.flatMap(({ of, time }) => {
      const { safePosition: position } = of
      if (time?.isLong !== true || position === null) return []
      return [{ time, position, unfinished: of.unfinishedRuns(), end: time.lastRise }]
    })
  }

  /** null: it is of the first input. */
  #companionOf(topic: string | null): FollowedInput | null {
    if (topic === null || this.#companions.length === 0) return null
    return this.#companions.find((each) => each.topic === topic) ?? null
  }

  #timeOf(topic: string): StreamTime {
    let time = this.#companionTimes.get(topic)
    if (time === undefined) {
      time = new StreamTime(this.#committed())
      this.#companionTimes.set(topic, time)
    }
    return time
  }
}

function greatest(times: readonly (number | null)[]): number | null {
  let most: number | null = null
  for (const time of times) if (time !== null && (most === null || time > most)) most = time
  return most
}
