/**
 * What a record costs where its handler runs, what a crossing to a thread costs, and so where the handler had better
 * run. On main the whole time in the handler holds the event loop; on a thread a record costs the crossing, on both
 * sides. Waiting holds neither, and main can wait for more records at once.
 */
import type { RunOn } from '../../options/options.ts'
import type { ActorStats } from '../../metrics/stats.ts'
import { percent } from './wording.ts'

/** Sums since the start, as they were at some moment. */
export type CostSums = Record<
  'handled' | 'handlerMs' | 'promises' | 'heldMs' | 'looked' | 'waited' | 'crossed' | 'mainMs' | 'threadMs' | 'wakeMs',
  number
>

export interface CrossingCost {
  /** Microseconds a record: main packs, posts and unpacks, */
  readonly mainMicros: number
  /** the thread unpacks and packs, */
  readonly threadMicros: number
  /** and the two wake each other: the fuller the batches, the less. */
  readonly wakeMicros: number
  readonly micros: number
}

export interface RecordCost {
  /**
   * Microseconds that a record holds its thread, or main; of an asynchronous handler up to its first wait only. null:
   * nothing was handled yet.
   */
  readonly handlerMicros: number | null
  /** Share of the records, 0 to 1, whose handler waits for something (its promise is still open a turn of the loop later). */
  readonly waits: number
  /** null: nothing has crossed yet. */
  readonly crossing: CrossingCost | null
}

export interface Advice {
  /** Where the handler had better run. null: not known yet. */
  readonly runOn: RunOn | null
  readonly why: string
}

/**
 * The cost of a record, in microseconds, from which on two threads did more than main on a machine of two cores
 * (`bench/break-even.ts`): for actors of a process in which nothing crosses, so that nothing can be measured.
 */
export const BREAK_EVEN_MICROS = 6
/** Closer than this the two are alike, and nobody should move a handler to and fro. */
const ALIKE = 1.25
const MOSTLY = 0.5

export function sumsOf({ cost, handlerSeconds }: ActorStats): CostSums {
  const { crossed, heldMs, looked, mainMs, promises, threadMs, waited, wakeMs } = cost
  const handlerMs = handlerSeconds.sum * 1000
  return {
    crossed,
    handled: handlerSeconds.count,
    handlerMs,
    heldMs,
    looked,
    mainMs,
    promises,
    threadMs,
    waited,
    wakeMs,
  }
}

/** What records cost between two moments; `before` is the earlier one. */
export function costBetween(before: CostSums, after: CostSums): RecordCost {
  const since = (name: keyof CostSums): number => after[name] - before[name]
  const per = (ms: keyof CostSums, records: keyof CostSums): number => (since(ms) * 1000) / since(records)
  const isAsync = since('promises') > 0
  const handlerMicros =
    since('handled') === 0 ? null : isAsync ? per('heldMs', 'promises') : per('handlerMs', 'handled')
  // Few promises are looked at. Where none of the last seconds' were, those before tell as much.
  const [looked, waited] = since('looked') > 0 ? [since('looked'), since('waited')] : [after.looked, after.waited]
  const asyncShare = since('handled') === 0 ? 0 : Math.min(1, since('promises') / since('handled'))
  return {
    handlerMicros: handlerMicros === null ? null : rounded(handlerMicros),
    waits: looked === 0 ? 0 : rounded(asyncShare * (waited / looked)),
    crossing: since('crossed') === 0 ? null : crossingOf(per),
  }
}

function crossingOf(per: (ms: keyof CostSums, records: keyof CostSums) => number): CrossingCost {
  const mainMicros = rounded(per('mainMs', 'crossed'))
  const threadMicros = rounded(per('threadMs', 'crossed'))
  const wakeMicros = rounded(per('wakeMs', 'crossed'))
  return { mainMicros, threadMicros, wakeMicros, micros: rounded(mainMicros + threadMicros + wakeMicros) }
}

/** `elsewhere`: what a crossing costs the records of other actors, for one whose own do not cross. */
export function advise(runOn: RunOn, cost: RecordCost, elsewhere: CrossingCost | null): Advice {
  const { handlerMicros, waits } = cost
  if (handlerMicros === null) return { runOn: null, why: 'no record was handled yet' }
  const crossing = crossingFor(cost, elsewhere)
  if (waits >= MOSTLY) {
    const why = `${percent(waits)} of the records wait for something after ${micros(handlerMicros)}, which costs main nothing; a crossing ${crossing.words}`
    return { runOn: 'main', why }
  }
  const numbers = `the handler takes ${micros(handlerMicros)} a record, a crossing ${crossing.words}`
  const ratio = handlerMicros / crossing.micros
  if (ratio < ALIKE && ratio > 1 / ALIKE) return { runOn, why: `${numbers}: it makes little difference` }
  if (ratio < 1) return { runOn: 'main', why: `${numbers}: on main it costs less than on its way to a thread` }
  return { runOn: 'threads', why: `${numbers}: on main each record would hold the event loop for longer than that` }
}

function crossingFor(
  { crossing }: RecordCost,
  elsewhere: CrossingCost | null,
): { readonly micros: number; readonly words: string } {
  if (crossing !== null) return { micros: crossing.micros, words: `costs ${micros(crossing.micros)}` }
  if (elsewhere !== null) {
    return {
      micros: elsewhere.micros,
      words: `costs ${micros(elsewhere.micros)} (as measured on other actors' records)`,
    }
  }
  const words = `pays from about ${micros(BREAK_EVEN_MICROS)} on (not measured here, where nothing crosses)`
  return { micros: BREAK_EVEN_MICROS, words }
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}

function micros(value: number): string {
  if (value >= 10_000) return `${(value / 1000).toFixed(0)} ms`
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} µs`
}
