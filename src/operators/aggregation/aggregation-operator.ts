/** An aggregation at work: records in, windows kept, results out. */
import { nothing } from '../operator.ts'
import type { AsideReason, DueKey, DueTimer, KeyedEffect, Kept, Outcome, TakenRecord } from '../operator.ts'
import { timedEffects } from '../effects.ts'
import type { ValueSet } from '../values/value-set.ts'
import type { Contents, Late, Window, Windowing, WindowListener } from '../windows/windowing.ts'

/** A function of the user's, whatever it is given. */
type Told = (told: unknown) => unknown

/** What the user's part is. */
export interface AggregationCalls {
  readonly result: Told
  readonly merged: Told | undefined
  readonly late: Told | undefined
  readonly nullKey: Told | undefined
  readonly farFuture: Told | undefined
}

const tombstone: Outcome = { effects: [], aside: 'null-value' }

export class AggregationWork {
  readonly #windows: Windowing
  readonly #values: ValueSet
  readonly #calls: AggregationCalls
  readonly #tellsUpdates: boolean

  constructor(windows: Windowing, values: ValueSet, calls: AggregationCalls, tellsUpdates: boolean) {
    this.#windows = windows
    this.#values = values
    this.#calls = calls
    this.#tellsUpdates = tellsUpdates
  }

  take(record: TakenRecord, kept: Kept): Outcome {
    if (record.isFarFuture) return this.#farFuture(record)
    if (record.value == null) return tombstone
    if (record.keyText === null) return aside('null-key', this.#calls.nullKey, record, {})
    if (!(record.timeMs >= 0)) return { effects: [], deadLetter: 'the record has no time, so it belongs to no window' }
    this.#values.select(record.value)
    if (!this.#tellsUpdates) {
      const late = this.#windows.take(record, kept, null)
      return late === null ? nothing : this.#late(late, record)
    }
    const updates = new Updates(record.key, record.keyText, this.#values, this.#calls)
    const late = this.#windows.take(record, kept, updates)
    return late === null ? { effects: updates.effects } : this.#late(late, record)
  }

  due(due: DueKey, kept: Kept): Outcome {
    const effects: KeyedEffect[] = []
    this.#windows.due(due, kept, (window, contents) => {
      if (this.#tellsUpdates) return
      effects.push(...results(this.#calls.result, due.key, window, contents, this.#values))
    })
    return effects.length === 0 ? nothing : { effects }
  }

  giveUp(timer: DueTimer, kept: Kept): void {
    this.#windows.due(timer, kept, () => undefined)
  }

  #late({ lateByMs, window }: Late, record: TakenRecord): Outcome {
    return aside('late', this.#calls.late, record, { key: record.key, window, lateByMs })
  }

  #farFuture(record: TakenRecord): Outcome {
    const aheadByMs = record.timeMs - record.streamTimeMs
    if (this.#calls.farFuture !== undefined) {
      return aside('far-future', this.#calls.farFuture, record, { key: record.key, aheadByMs })
    }
    const deadLetter = `its time, ${record.timeMs}, is ${aheadByMs} ms ahead of stream time, further than maxAdvanceMs lets it be`
    return { effects: [], aside: 'far-future', deadLetter }
  }
}

/** What the windows that one record changes come to. */
class Updates implements WindowListener {
  readonly effects: KeyedEffect[] = []
  readonly #key: unknown
  readonly #keyText: string
  readonly #values: ValueSet
  readonly #calls: AggregationCalls

  constructor(key: unknown, keyText: string, values: ValueSet, calls: AggregationCalls) {
    this.#key = key
    this.#keyText = keyText
    this.#values = values
    this.#calls = calls
  }

  changed(window: Window | null, contents: Contents): void {
    this.#add(window, results(this.#calls.result, this.#key, window, contents, this.#values))
  }

  merged({ endMs, startMs }: Window): void {
    const window = { startMs, endMs }
    this.#add(window, timedEffects('merged()', this.#calls.merged?.({ key: this.#key, window }), endMs))
  }

  #add(window: Window | null, effects: readonly KeyedEffect[]): void {
    const of = window === null ? this.#keyText : `${window.startMs}-${window.endMs} ${this.#keyText}`
    // Several to one topic are several things: each is followed by its own.
    for (const [at, { effect }] of effects.entries()) this.effects.push({ effect, lastOf: `${at} ${of}` })
  }
}

function results(
  result: Told,
  key: unknown,
  window: Window | null,
  { slots, timeMs }: Contents,
  values: ValueSet,
): readonly KeyedEffect[] {
  const of = window === null ? null : { startMs: window.startMs, endMs: window.endMs }
  return timedEffects('result()', result({ key, window: of, values: values.results(slots), timeMs }), timeMs)
}

function aside(reason: AsideReason, told: Told | undefined, record: TakenRecord, more: object): Outcome {
  if (told === undefined) return { effects: [], aside: reason }
  const { record: source, timeMs, value } = record
  const returned = told({ reason, value, record: source, timeMs, ...more })
  return { effects: timedEffects(`what is called for records that are ${reason}`, returned, timeMs), aside: reason }
}
