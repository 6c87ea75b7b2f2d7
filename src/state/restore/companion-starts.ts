/** Where a companion input begins: where its mark in the changelog stands, else by policy where that cannot be taken at its word. */
import { TroupeError } from '../../errors.ts'
import type { Watermarks } from '../../streams/broker-port.ts'
import type { TrackerStart } from '../../streams/positions/offset-tracker.ts'
import type { InputMark } from '../input-marks.ts'

/** What is asked of. */
export interface CompanionTopic {
  readonly topic: string
  /** Short id; 0: not known. */
  readonly topicId: number
  /** Its records are rows of a table: without a mark it is read from its beginning. */
  readonly isTable: boolean
  readonly startFrom: 'earliest' | 'latest'
  readonly outOfRange: 'fail' | 'earliest' | 'latest'
}

export interface CompanionStart extends TrackerStart {
  readonly position: number
  /** Why that is not where its mark says, for the log; null: it is, or there is none. */
  readonly said: string | null
  /** What the mark tells of is of another topic of this name: rows of it count no more. */
  readonly isReplaced: boolean
  readonly isOutOfRange: boolean
}

/** Throws OFFSET_OUT_OF_RANGE where the policy is to fail. `name`: topic and partition. */
export function companionStart(
  name: string,
  of: CompanionTopic,
  mark: InputMark | null,
  { high, low }: Watermarks,
): CompanionStart {
  const told = { said: null, isReplaced: false, isOutOfRange: false }
  if (mark === null) return { ...told, position: !of.isTable && of.startFrom === 'latest' ? high : low }
  const { map, topicId } = mark
  const { position } = map
  if (topicId !== 0 && of.topicId !== 0 && topicId !== of.topicId) {
    const said = `${name} was read to ${position} in a topic that has been deleted and made again: the new one is read from its beginning`
    return { ...told, position: low, said, isReplaced: true }
  }
  if (position >= low && position <= high) return { ...told, position, map }
  const gap = position < low ? `offsets ${position} to ${low - 1} are gone` : 'the log is shorter'
  const said = `${name} was read to ${position}, which is outside its log (${low} to ${high}): ${gap}`
  if (of.outOfRange === 'fail') throw new TroupeError('OFFSET_OUT_OF_RANGE', said)
  const start = of.outOfRange === 'earliest' ? low : high
  return { ...told, position: start, map: position < low ? map.from(start) : null, said, isOutOfRange: true }
}
