/** `tumbling()`, `hopping()`, `sliding()`, `session()`: which records of a key belong together, by their time. */
import { forgottenCall, isObject, refuseWrong, shown, unknownKeys } from '../../options/declared.ts'

export interface TumblingOptions {
  readonly sizeMs: number
  /** A window stays open for records that come late for so long, by stream time. 0 unless given. */
  readonly graceMs?: number
  /** Windows begin at multiples of their size after the epoch, and so much later: for days that do not begin at midnight UTC. 0 unless given. */
  readonly offsetMs?: number
}

export interface HoppingOptions extends TumblingOptions {
  /** From the beginning of one window to that of the next; at most the size. */
  readonly advanceMs: number
}

export interface SlidingOptions {
  /** From the first to the last moment of a window: records that are so far apart still belong together. */
  readonly sizeMs: number
  readonly graceMs?: number
}

export interface SessionOptions {
  /** Records that are no further apart belong together. */
  readonly gapMs: number
  readonly graceMs?: number
}

interface AlignedWindow {
  readonly kind: 'window'
  readonly what: 'tumbling' | 'hopping'
  readonly sizeMs: number
  readonly advanceMs: number
  readonly graceMs: number
  readonly offsetMs: number
}

interface SlidingWindow {
  readonly kind: 'window'
  readonly what: 'sliding'
  readonly sizeMs: number
  readonly graceMs: number
}

interface SessionWindow {
  readonly kind: 'window'
  readonly what: 'session'
  readonly gapMs: number
  readonly graceMs: number
}

export type DeclaredWindow = AlignedWindow | SlidingWindow | SessionWindow

/** More of them, and each record costs that much more: take a longer advance, or sliding windows. */
const MAX_WINDOWS_A_RECORD = 1_000

/** One window after the other: each record belongs to one. The start belongs to it, the end to the next. */
export function tumbling(options: TumblingOptions): AlignedWindow {
  refuseWrong('tumbling()', problemsOfOptions(options, { sizeMs: 1, graceMs: 0, offsetMs: null }, ['sizeMs']))
  const { graceMs = 0, offsetMs = 0, sizeMs } = options
  return { kind: 'window', what: 'tumbling', sizeMs, advanceMs: sizeMs, graceMs, offsetMs: within(offsetMs, sizeMs) }
}

/** Windows that overlap: a new one begins every `advanceMs`. The start belongs to it, the end does not. */
export function hopping(options: HoppingOptions): AlignedWindow {
  const limits = { sizeMs: 1, advanceMs: 1, graceMs: 0, offsetMs: null }
  refuseWrong('hopping()', [...problemsOfOptions(options, limits, ['sizeMs', 'advanceMs']), ...problemsOfHops(options)])
  const { advanceMs, graceMs = 0, offsetMs = 0, sizeMs } = options
  return { kind: 'window', what: 'hopping', sizeMs, advanceMs, graceMs, offsetMs: within(offsetMs, advanceMs) }
}

/**
 * A window for each time at which there is a record: it ends there, and has all records of the time before, as far as its size
 * reaches. Both ends belong to it. A record costs more the more records there are in its window.
 */
export function sliding(options: SlidingOptions): SlidingWindow {
  refuseWrong('sliding()', problemsOfOptions(options, { sizeMs: 1, graceMs: 0 }, ['sizeMs']))
  const { graceMs = 0, sizeMs } = options
  return { kind: 'window', what: 'sliding', sizeMs, graceMs }
}

/** A window ends where no record comes for longer than the gap. It reaches from its first record to its last. */
export function session(options: SessionOptions): SessionWindow {
  refuseWrong('session()', problemsOfOptions(options, { gapMs: 1, graceMs: 0 }, ['gapMs']))
  const { gapMs, graceMs = 0 } = options
  return { kind: 'window', what: 'session', gapMs, graceMs }
}

/** `limits`: the least that each may be; null: any whole number. */
function problemsOfOptions(
  options: unknown,
  limits: Readonly<Record<string, number | null>>,
  needed: readonly string[],
): string[] {
  const names = Object.keys(limits)
  if (!isObject(options)) return [`the options are ${shown(options)}, which is no object`]
  const problems = names.flatMap((name) => {
    const given = options[name]
    const least = limits[name] ?? null
    if (given === undefined && !needed.includes(name)) return []
    if (Number.isSafeInteger(given) && (least === null || (given as number) >= least)) return []
    return [`${name}: ${shown(given)} is no whole number of milliseconds${least === null ? '' : `, ${least} or more`}`]
  })
  return [...problems, ...unknownKeys(options, names, `there are ${names.join(', ')}`)]
}

function problemsOfHops(options: unknown): string[] {
  if (!isObject(options)) return []
  const { advanceMs, sizeMs } = options
  if (typeof advanceMs !== 'number' || typeof sizeMs !== 'number' || !(advanceMs >= 1)) return []
  if (advanceMs > sizeMs) {
    return [`advanceMs: ${advanceMs} is more than sizeMs, ${sizeMs}: records between two windows would be in none`]
  }
  const windows = Math.ceil(sizeMs / advanceMs)
  if (windows <= MAX_WINDOWS_A_RECORD) return []
  return [
    `advanceMs: each record would be in ${windows} windows of ${sizeMs} ms, at most ${MAX_WINDOWS_A_RECORD} are possible: take a longer advance, or sliding()`,
  ]
}

/** The same offset, from 0 to below the period. */
function within(offsetMs: number, periodMs: number): number {
  return ((offsetMs % periodMs) + periodMs) % periodMs
}

/** What is wrong with `window` of an aggregation. */
export function problemOfWindow(window: unknown): string | undefined {
  if (isObject(window) && window['kind'] === 'window' && typeof window['what'] === 'string') return undefined
  const forgotten = forgottenCall(window, (name) => `${name}({ … })`)
  return forgotten ?? `${shown(window)} is no window; make one with tumbling(), hopping(), sliding() or session()`
}

/** All that stored windows depend on. Grace is free to change. */
export function shapeOfWindow(window: DeclaredWindow | undefined): string {
  switch (window?.what) {
    case undefined:
      return 'no window'
    case 'tumbling':
      return `tumbling ${window.sizeMs}${plus(window.offsetMs)}`
    case 'hopping':
      return `hopping ${window.sizeMs}/${window.advanceMs}${plus(window.offsetMs)}`
    case 'sliding':
      return `sliding ${window.sizeMs}`
    case 'session':
      return `session ${window.gapMs}`
  }
}

function plus(offsetMs: number): string {
  return offsetMs === 0 ? '' : `+${offsetMs}`
}
