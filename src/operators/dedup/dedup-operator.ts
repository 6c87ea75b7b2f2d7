/** A dedup as the engine runs it. */
import { shown } from '../../options/declared.ts'
import { json } from '../../streams/flows/codec.ts'
import type { Destination, Topic } from '../../streams/flows/flow.ts'
import { aside, farFuture } from '../aside.ts'
import { timedEffects } from '../effects.ts'
import { nothing, type Kept, type KeptState, type KeyedEffect } from '../operator.ts'
import type { Operator, Outcome, TakenRecord } from '../operator.ts'
import type { DedupDefinition } from './definition.ts'
import { seenAt, type Sights, type SightRules } from './sights.ts'

const SIGHTS = 0
const noSights: Sights = []

export class DedupOperator implements Operator {
  readonly kind = 'operator'
  readonly what = 'dedup'
  declare readonly name?: string
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- of whatever values and keys
  readonly inputs: readonly Topic<any, string, any>[]
  readonly outputs: readonly Destination[]
  readonly states: readonly KeptState[]
  readonly maxAdvanceMs: number | null
  readonly idleAfterMs = null
  readonly #definition: DedupDefinition<unknown, unknown>
  readonly #rules: SightRules

  constructor(definition: DedupDefinition<unknown, unknown>) {
    const { input, maxAdvanceMs, mode = 'first', name, output, outputs = [], withinMs } = definition
    const { graceMs = withinMs } = definition
    if (name !== undefined) this.name = name
    this.inputs = [input]
    this.outputs = output === undefined ? outputs : [output, ...outputs]
    this.maxAdvanceMs = maxAdvanceMs ?? null
    this.#definition = definition
    this.#rules = { mode, withinMs, graceMs }
    // Sights are of no length of time: what was kept serves after that has changed.
    this.states = [{ name: 'seen', codec: json<unknown>(), ttlMs: withinMs + graceMs }]
  }

  take(taken: TakenRecord, kept: Kept): Outcome {
    const { isFarFuture, sourceTimeMs, streamTimeMs, timeMs, value } = taken
    const { duplicate, expired, farFuture: tellFar, id: idOf, nullKey } = this.#definition
    if (isFarFuture) return farFuture(tellFar, taken)
    if (timeMs < 0) return { effects: [], deadLetter: 'the record has no time, and a dedup needs one' }
    const id = idText(idOf(value))
    if (id === null) return aside('null-key', nullKey, taken)
    const lateByMs = Math.max(sourceTimeMs, streamTimeMs) - timeMs - this.#rules.graceMs
    if (lateByMs > 0) return aside('expired', expired, taken, { lateByMs })
    const before = (kept.get(SIGHTS, id) as Sights | undefined) ?? noSights
    const { isDuplicate, sights } = seenAt(before, timeMs, streamTimeMs, this.#rules)
    if (sights !== before) kept.set(SIGHTS, id, sights)
    return isDuplicate ? aside('duplicate', duplicate, taken) : { effects: this.#passed(taken) }
  }

  due(): Outcome {
    return nothing
  }

  #passed({ key, record, timeMs, value }: TakenRecord): KeyedEffect[] {
    const { output, result } = this.#definition
    const passed =
      output === undefined
        ? result({ key, record, timeMs, value })
        : [output.record(value, { key, headers: record.headers })]
    return timedEffects('result', passed, timeMs)
  }
}

/** As latin-1. null: there is none. */
function idText(id: unknown): string | null {
  if (id === null || id === undefined) return null
  if (typeof id === 'string' || typeof id === 'bigint' || (typeof id === 'number' && Number.isFinite(id))) {
    return Buffer.from(String(id)).toString('latin1')
  }
  if (id instanceof Uint8Array) return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('latin1')
  throw new TypeError(`id has to return text, a number or bytes, and returned ${shown(id)}`)
}
