/**
 * The handled records of one partition actor whose outputs are on their way: counts what is still
 * out, and tells once per record how it ended. After the fence nothing is told: sinks settle nothing
 * of an ended epoch.
 */
import type { Clock } from '../clock.ts'
import { toWireError, type WireError } from '../errors.ts'
import type { ResolvedActor } from '../options/options.ts'
import { deadLetterRecord } from '../streams/delivery/dead-letter.ts'
import type { ActorDelivery, CheckpointOwner, HandledTicket } from '../streams/delivery/delivery.ts'
import type { EncodedEffect } from '../streams/flows/effect-encoder.ts'
import type { WriteResult } from '../streams/broker-port.ts'
import { noOutputs, type Invocation } from './invocation.ts'
import { idOf } from '../streams/record-id.ts'
import type { DeadLetter, Fault } from './triage.ts'

/** How a handled record, or its dead letter, ended. */
export type Settlement =
  | { readonly type: 'durable' }
  /** All outputs are settled, and a sink has refused one of them for good. */
  | { readonly type: 'refused'; readonly error: WireError }
  | { readonly type: 'dead-lettered'; readonly fault: Fault }
  | { readonly type: 'letter-refused'; readonly error: WireError }

export interface OutboxOptions {
  readonly actor: ResolvedActor
  readonly clock: Clock
  readonly delivery: ActorDelivery
  readonly owner: CheckpointOwner
  /** So many bytes are kept of its outputs until it is settled. */
  readonly onKept: (invocation: Invocation, bytes: number) => void
  readonly onSettled: (invocation: Invocation, settlement: Settlement) => void
}

const durable: Settlement = { type: 'durable' }

export class Outbox {
  readonly #options: OutboxOptions
  #pending = 0
  #atCheckpoint = 0

  constructor(options: OutboxOptions) {
    this.#options = options
  }

  /** Handled records that wait for their checkpoint. */
  get atCheckpoint(): number {
    return this.#atCheckpoint
  }

  /** Records with something on its way to a sink. What waits for its checkpoint needs nothing more of its actor. */
  get pending(): number {
    return this.#pending
  }

  /** Hands over all outputs of a handled record, which has set values of so many bytes. An error: none was taken, since one of them has no way to go. */
  deliver(invocation: Invocation, effects: readonly EncodedEffect[], setBytes: number): Error | null {
    const { delivery, owner } = this.#options
    const ticket = new OutputTicket(owner, invocation, effects.length, setBytes, this.#settle)
    const refusal = delivery.deliver(ticket, effects)
    if (refusal !== null) return refusal
    const keptBytes = setBytes + ticket.keptBytes
    if (keptBytes > 0) this.#options.onKept(invocation, keptBytes)
    if (delivery.finishesWhen === 'handled') {
      invocation.stage = 'at-checkpoint'
    } else {
      invocation.stage = 'at-sinks'
      invocation.outputs = effects
    }
    this.#noteUnderWay(invocation, 1)
    return null
  }

  deadLetter(invocation: Invocation, { code, error, topic }: DeadLetter): void {
    const { actor, clock, delivery, onSettled, owner } = this.#options
    const now = clock.wallNow()
    const letter = deadLetterRecord(topic, invocation.record, {
      code,
      error,
      attempts: invocation.attempt,
      actor: actor.name,
      firstFailedAtMs: invocation.failure?.firstAtMs ?? now,
      deadLetteredAtMs: now,
    })
    invocation.stage = delivery.finishesWhen === 'handled' ? 'at-checkpoint' : 'at-dead-letters'
    this.#noteUnderWay(invocation, 1)
    const settle = (result: WriteResult): void => {
      this.#noteUnderWay(invocation, -1)
      onSettled(
        invocation,
        result === null
          ? { type: 'dead-lettered', fault: { code, error } }
          : { type: 'letter-refused', error: toWireError(result) },
      )
    }
    delivery.deadLetter({ owner, settle }, idOf(invocation.record), letter)
  }

  #noteUnderWay({ stage }: Invocation, count: number): void {
    if (stage === 'at-checkpoint') this.#atCheckpoint += count
    else this.#pending += count
  }

  readonly #settle = (invocation: Invocation, refusal: Error | null): void => {
    this.#noteUnderWay(invocation, -1)
    invocation.outputs = noOutputs
    // Nothing is atomic across sinks: when one is refused, its other outputs stand.
    this.#options.onSettled(invocation, refusal === null ? durable : { type: 'refused', error: toWireError(refusal) })
  }
}

/** The outputs of one record: counts their answers. */
class OutputTicket implements HandledTicket {
  readonly owner: CheckpointOwner
  readonly bytes: number
  readonly #invocation: Invocation
  readonly #settled: (invocation: Invocation, refusal: Error | null) => void
  #open: number
  #refusal: Error | null = null
  keptBytes = 0

  constructor(
    owner: CheckpointOwner,
    invocation: Invocation,
    outputs: number,
    setBytes: number,
    settled: (invocation: Invocation, refusal: Error | null) => void,
  ) {
    this.owner = owner
    this.#invocation = invocation
    this.#open = outputs
    this.bytes = invocation.bytes + setBytes
    this.#settled = settled
  }

  get id(): string {
    return idOf(this.#invocation.record)
  }

  settle(result: WriteResult): void {
    this.#refusal ??= result
    this.#open -= 1
    if (this.#open === 0) this.#settled(this.#invocation, this.#refusal)
  }

  settleAll(result: WriteResult): void {
    this.#open = 0
    this.#settled(this.#invocation, result)
  }
}
