/**
 * The handled records of one partition actor whose outputs are on their way: counts what is still
 * out, and tells once per record how it ended. After the fence nothing is told: sinks settle nothing
 * of an ended epoch.
 */
import type { Clock } from '../clock.ts'
import { toWireError, type WireError } from '../errors.ts'
import type { ResolvedActor } from '../options/options.ts'
import { deadLetterRecord } from '../streams/delivery/dead-letter.ts'
import type { Delivery } from '../streams/delivery/delivery.ts'
import type { EncodedEffect } from '../streams/flows/flow.ts'
import type { OutputOwner } from '../streams/delivery/sink-queue.ts'
import { idOf, noOutputs, type Invocation } from './invocation.ts'

export interface OutboxOptions {
  readonly actor: ResolvedActor
  readonly clock: Clock
  readonly delivery: Delivery
  readonly owner: OutputOwner
  readonly onDurable: (invocation: Invocation) => void
  /** All outputs are settled, and a sink has refused one of them for good. */
  readonly onRefused: (invocation: Invocation, error: WireError) => void
  readonly onDeadLettered: (invocation: Invocation, error: WireError) => void
  readonly onLetterRefused: (invocation: Invocation, error: WireError) => void
}

export class Outbox {
  readonly #options: OutboxOptions
  #pending = 0

  constructor(options: OutboxOptions) {
    this.#options = options
  }

  /** Records with something on its way. */
  get pending(): number {
    return this.#pending
  }

  deliver(invocation: Invocation, effects: readonly EncodedEffect[]): void {
    const { delivery, onDurable, onRefused, owner } = this.#options
    invocation.stage = 'at-sinks'
    invocation.outputs = effects
    invocation.pendingOutputs = effects.length
    this.#pending += 1
    let refusal: Error | null = null
    delivery.deliver(owner, idOf(invocation.record), effects, (result) => {
      refusal ??= result
      invocation.pendingOutputs -= 1
      if (invocation.pendingOutputs > 0) return
      this.#pending -= 1
      invocation.outputs = noOutputs
      // Nothing is atomic across sinks: when one is refused, its other outputs stand.
      if (refusal === null) onDurable(invocation)
      else onRefused(invocation, toWireError(refusal))
    })
  }

  deadLetter(invocation: Invocation, topic: string, error: WireError): void {
    const { actor, clock, delivery, onDeadLettered, onLetterRefused, owner } = this.#options
    const now = clock.wallNow()
    const letter = deadLetterRecord(topic, invocation.record, {
      error,
      attempts: invocation.attempt,
      actor: actor.name,
      firstFailedAtMs: invocation.failure?.firstAtMs ?? now,
      deadLetteredAtMs: now,
    })
    invocation.stage = 'at-dead-letters'
    this.#pending += 1
    delivery.deadLetter(owner, idOf(invocation.record), letter, (result) => {
      this.#pending -= 1
      if (result === null) onDeadLettered(invocation, error)
      else onLetterRefused(invocation, toWireError(result))
    })
  }
}
