/**
 * When an id was seen: stretches of time, each from its first to its last record. Where only the first counts they have no
 * length, since what comes again does not count as seen.
 */
export type DedupMode = 'first' | 'sliding'

/** `from, to, from, to, …`; never changed. */
export type Sights = readonly number[]

export interface SightRules {
  readonly mode: DedupMode
  readonly withinMs: number
  /** No record comes more than so long behind stream time. */
  readonly graceMs: number
}

export interface Seen {
  /** It was seen less than `withinMs` before, or behind: what comes first counts, whatever its time. */
  readonly isDuplicate: boolean
  /** With this record; the same as before where it changes nothing. */
  readonly sights: Sights
}

export function seenAt(sights: Sights, timeMs: number, streamTimeMs: number, rules: SightRules): Seen {
  const { graceMs, mode, withinMs } = rules
  const others: number[] = []
  let [from, to] = [timeMs, timeMs]
  let isDuplicate = false
  let isNew = true
  for (let at = 0; at < sights.length; at += 2) {
    const [first, last] = [sights[at]!, sights[at + 1]!]
    if (timeMs > first - withinMs && timeMs < last + withinMs) {
      isDuplicate = true
      isNew = mode === 'sliding' && (timeMs < first || timeMs > last)
      from = Math.min(from, first)
      to = Math.max(to, last)
    } else if (last + withinMs > streamTimeMs - graceMs) {
      // A record that still comes may be near enough to it.
      others.push(first, last)
    }
  }
  return { isDuplicate, sights: isNew ? [...others, from, to] : sights }
}
