/** What becomes of records that do not count. */
import { timedEffects } from './effects.ts'
import type { AsideReason, Outcome, TakenRecord } from './operator.ts'

/** A function of a definition, whatever it is given. */
export type Told = (told: never) => unknown

/** `tell`: the definition's function for such records, where it has one. `more`: what it is told besides. */
export function aside(reason: AsideReason, tell: Told | undefined, taken: TakenRecord, more: object = {}): Outcome {
  if (tell === undefined) return { effects: [], aside: reason }
  const { key, record, timeMs, value } = taken
  const returned = tell({ reason, key, value, record, timeMs, ...more } as never)
  return { effects: timedEffects(`what is called for records that are ${reason}`, returned, timeMs), aside: reason }
}

/** Stopped by `maxAdvanceMs`: where nobody wants to be told, people have to look at it. */
export function farFuture(tell: Told | undefined, taken: TakenRecord, more: object = {}): Outcome {
  const aheadByMs = taken.timeMs - taken.streamTimeMs
  const told = aside('far-future', tell, taken, { ...more, aheadByMs })
  if (tell !== undefined) return told
  const deadLetter = `its time, ${taken.timeMs}, is ${aheadByMs} ms ahead of stream time, further than maxAdvanceMs lets it be`
  return { ...told, deadLetter }
}
