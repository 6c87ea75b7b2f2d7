/**
 * Records whose outputs, or dead letters, a destination has refused for good when their checkpoint was made. Their partition has
 * begun again where its last checkpoint stands, and they are given up when their turn comes, instead of being handled again.
 */
import { toWireError } from '../errors.ts'
import type { ResolvedActor } from '../options/options.ts'
import type { Refusal, Refusals } from '../streams/delivery/delivery.ts'
import type { SourceRecord } from '../streams/record.ts'
import type { Invocation } from './invocation.ts'
import { idOf } from '../streams/record-id.ts'
import type { LaneRun } from './lanes/lanes.ts'
import { ruleOnRefusedLetter, ruleOnRefusedOutput, type Ruling } from './triage.ts'

export class RefusedRecords {
  readonly #actor: ResolvedActor
  readonly #left: Map<string, Refusal>

  constructor(actor: ResolvedActor, refusals: Refusals) {
    this.#actor = actor
    this.#left = new Map(refusals)
  }

  has(record: SourceRecord): boolean {
    return this.#left.size > 0 && this.#left.has(idOf(record))
  }

  /** Its first record is one of these: then it is the only one, since they run alone. */
  isRun({ invocations }: LaneRun): boolean {
    const [first] = invocations
    return first !== undefined && this.has(first.record)
  }

  /** What becomes of it; null: it is none of these. Said once: whoever lets it go again has it handled. */
  rule({ record }: Invocation): Ruling | null {
    if (this.#left.size === 0) return null
    const id = idOf(record)
    const refusal = this.#left.get(id)
    if (refusal === undefined) return null
    this.#left.delete(id)
    const error = toWireError(refusal.error)
    return refusal.isOfLetter ? ruleOnRefusedLetter(this.#actor, error) : ruleOnRefusedOutput(this.#actor, error)
  }
}
