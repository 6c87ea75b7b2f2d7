/** A join as the engine runs it. */
import type { Destination, Topic } from '../../streams/flows/flow.ts'
import { aside, farFuture } from '../aside.ts'
import { timedEffects } from '../effects.ts'
import type { DueKey, DueTimer, Kept, KeptState, KeyedEffect, Operator, Outcome, TakenRecord } from '../operator.ts'
import { heldCodec, packCodec } from './held.ts'
import { Joining, LEFT, type SideAt } from './joining.ts'
import type { JoinDefinition, JoinKind } from './definition.ts'

type AnyJoin = JoinDefinition<unknown, unknown, unknown, JoinKind>

export class JoinOperator implements Operator {
  readonly kind = 'operator'
  readonly what = 'join'
  declare readonly name?: string
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- of whatever values and keys
  readonly inputs: readonly Topic<any, string, any>[]
  readonly outputs: readonly Destination[]
  readonly states: readonly KeptState[]
  readonly maxAdvanceMs: number | null
  readonly idleAfterMs = null
  readonly #definition: AnyJoin
  readonly #joining: Joining
  readonly #comesAlone: readonly [boolean, boolean]

  constructor(definition: AnyJoin) {
    const { graceMs, kind, left, maxAdvanceMs, name, outputs, right, within } = definition
    if (name !== undefined) this.name = name
    this.inputs = [left, right]
    this.outputs = outputs ?? []
    this.maxAdvanceMs = maxAdvanceMs ?? null
    this.#definition = definition
    this.#comesAlone = [kind !== 'inner', kind === 'outer']
    this.#joining = new Joining({ ...within, graceMs })
    const shape = `of ${kind} join, ${this.#joining.shape}`
    this.states = [
      { name: 'held', codec: { ...heldCodec, name: `${heldCodec.name} ${shape}` }, ttlMs: null },
      { name: 'packs', codec: { ...packCodec, name: `${packCodec.name} ${shape}` }, ttlMs: null },
    ]
  }

  take(taken: TakenRecord, kept: Kept, input: number): Outcome {
    const side = input as SideAt
    const { isFarFuture, key, keyText, record, sourceTimeMs, streamTimeMs, timeMs, value } = taken
    const { farFuture: tellFar, graceMs, late, nullKey } = this.#definition
    const sideName = { side: side === LEFT ? 'left' : 'right' }
    if (isFarFuture) return farFuture(tellFar, taken, sideName)
    if (timeMs < 0) return { effects: [], deadLetter: 'the record has no time, and a join needs one' }
    const lateByMs = Math.max(sourceTimeMs, streamTimeMs) - timeMs - graceMs
    if (lateByMs > 0) return aside('late', late, taken, { ...sideName, lateByMs })
    if (keyText === null) {
      if (!this.#comesAlone[side]) return aside('null-key', nullKey, taken, sideName)
      return { effects: this.#result(null, side, value, undefined, timeMs) }
    }
    const partners = this.#joining.partnersOf(kept, keyText, side, timeMs)
    const isOpen = this.#comesAlone[side] && partners.length === 0
    const hasToCome = this.#joining.hasPartnersToCome(side, timeMs, streamTimeMs)
    if (isOpen && !hasToCome) return { effects: this.#result(key, side, value, undefined, timeMs) }
    if (hasToCome) this.#joining.hold(kept, keyText, side, { timeMs, isOpen, bytes: record.value ?? none })
    const other = 1 - side
    return {
      effects: partners.flatMap((partner) => {
        const found: unknown = kept.decode(other, Buffer.from(partner.bytes))
        return this.#result(key, side, value, found, Math.max(timeMs, partner.timeMs))
      }),
    }
  }

  due({ key, keyText, streamTimeMs }: DueKey, kept: Kept): Outcome {
    const alone = this.#joining.close(kept, keyText, streamTimeMs)
    return {
      effects: alone.flatMap(({ bytes, side, timeMs }) =>
        this.#result(key, side, kept.decode(side, Buffer.from(bytes)), undefined, timeMs),
      ),
    }
  }

  giveUp({ keyText, streamTimeMs }: DueTimer, kept: Kept): void {
    this.#joining.close(kept, keyText, streamTimeMs)
  }

  /** `value`: of the record of this side; `other`: of its partner. */
  #result(key: unknown, side: SideAt, value: unknown, other: unknown, timeMs: number): KeyedEffect[] {
    const [left, right] = side === LEFT ? [value, other] : [other, value]
    return timedEffects('result', this.#definition.result({ key, left, right, timeMs }), timeMs)
  }
}

const none = Buffer.alloc(0)
