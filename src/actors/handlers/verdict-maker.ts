/** Makes verdicts of what handlers of all kinds return and throw, for one record: decode, encode, and a word on each error. */
import { TroupeError, isRetryableError, isTerminalError, isTroupeError, toWireError } from '../../errors.ts'
import type { Stamp } from '../../state/stamp.ts'
import { neededSchema } from '../../streams/flows/contract.ts'
import { EffectEncoder, type EncodedEffect } from '../../streams/flows/effect-encoder.ts'
import type { Effect, Topic } from '../../streams/flows/flow.ts'
import type { SourceRecord } from '../../streams/record.ts'
import { idOf } from '../../streams/record-id.ts'
import { RecordDecoder } from './record-decoder.ts'
import { isOutcome, type ErrorDecision, type FailedRecords } from './handler.ts'
import type { RunnerOptions, SetUpHandler } from './runner.ts'
import { deadLetterVerdict, doneWithNothing, finalFailure, skipVerdict, type Verdict } from './verdict.ts'

/** The handler's word on an error; undefined: it has nothing to say. Never throws. */
export type Decide = (error: unknown) => ErrorDecision | undefined

export class VerdictMaker {
  readonly #name: string
  readonly #decoder: RecordDecoder
  readonly #idHeader: boolean
  readonly #failedRecords: FailedRecords
  readonly #encoder: EffectEncoder

  /** Throws SCHEMA_REGISTRY_MISSING where a topic needs schemas and there are none. */
  constructor(options: RunnerOptions<SetUpHandler>, input: Topic<unknown, string, unknown>) {
    const { failedRecords, handler, idHeader, name, schemas } = options
    this.#name = name
    this.#decoder = new RecordDecoder(input, schemas)
    this.#idHeader = idHeader
    this.#failedRecords = failedRecords ?? 'dead-letter'
    this.#encoder = new EffectEncoder(handler.outputs ?? [], schemas)
  }

  /** Throws DECODE_FAILED, and what says that a schema is needed. */
  decodeKey(record: SourceRecord): unknown {
    return this.#decoder.key(record)
  }

  /** The value. Throws DECODE_FAILED, TIME_INVALID where it was read when the record was stamped, and what says that a schema is needed. */
  decode(record: SourceRecord, stamp: Stamp | null = null): unknown {
    if (stamp === null || stamp.found === 'nothing') return this.#decoder.value(record)
    if (stamp.found === 'error') throw stamp.read
    return stamp.read
  }

  /** A value that was kept as the bytes that its record had. Throws as `decode` does. */
  decodeKept(bytes: Uint8Array): unknown {
    return this.#decoder.document(bytes)
  }

  /** Throws OUTCOME_INVALID and ENCODE_FAILED. */
  encode(outcome: unknown, record: SourceRecord): Verdict {
    if (!isOutcome(outcome)) {
      const returned = outcome === undefined ? 'nothing' : typeof outcome
      throw new TroupeError('OUTCOME_INVALID', `handler ${this.#name} returned ${returned} instead of an outcome`)
    }
    switch (outcome.type) {
      case 'done':
        return this.encodeEffects(outcome.effects as readonly Effect[], record)
      case 'skip':
        return skipVerdict
      case 'retry':
        return { type: 'retry', afterMs: delayOf(outcome.afterMs), error: undefined }
      case 'dead-letter':
        return deadLetterVerdict(outcome.reason)
    }
  }

  /** Throws ENCODE_FAILED. */
  encodeEffects(effects: readonly Effect[], record: SourceRecord): Verdict {
    if (!Array.isArray(effects)) {
      const message = 'done() takes a list of outputs, and got one or something else: write done([ … ])'
      throw new TroupeError('ENCODE_FAILED', message)
    }
    if (effects.length === 0) return doneWithNothing
    const encoded = this.#encodeAll(effects)
    if (!this.#idHeader) return { type: 'done', effects: encoded }
    const id = idOf(record)
    return {
      type: 'done',
      effects: encoded.map((effect, index) => {
        if (effect.type !== 'record') return effect
        const header = ['troupe-id', Buffer.from(`${id}/${index}`, 'latin1')] as const
        return { type: 'record', record: { ...effect.record, headers: [...(effect.record.headers ?? []), header] } }
      }),
    }
  }

  #encodeAll(effects: readonly Effect[]): EncodedEffect[] {
    try {
      const [first] = effects
      if (effects.length === 1) return [this.#encoder.encode(first!)]
      return effects.map((effect) => this.#encoder.encode(effect))
    } catch (error) {
      // What is no effect at all fails anywhere in the encoder, and no attempt changes it either.
      throw isTroupeError(error) ? error : new TroupeError('ENCODE_FAILED', 'an output is no effect', { cause: error })
    }
  }

  /** Never throws: an error whose getters do is one that no rule can be asked about, and may go well another time. */
  judge(error: unknown, decide: Decide): Verdict {
    try {
      return this.#decide(error, decide)
    } catch {
      const message = `handler ${this.#name} threw an error that throws when it is looked at`
      return { type: 'failed', error: { name: 'Error', message, kind: 'other' } }
    }
  }

  /** An error of `decode` as a verdict. Never throws. */
  judgeDecode(error: unknown, decide: Decide): Verdict {
    const id = neededSchema(error)
    return id === undefined ? this.judge(error, decide) : { type: 'needs-schema', id }
  }

  /** An error as a verdict: by the handler's `onError`, else by its own word where it is of one of our classes. */
  #decide(error: unknown, decide: Decide): Verdict {
    const wire = toWireError(error)
    const retryAfterMs = isRetryableError(error) ? delayOf(error.retryAfterMs) : undefined
    const decision = decide(error)
    if (typeof decision === 'object') {
      const type = decision.retry === 'unlimited' ? 'retry-unlimited' : 'retry'
      return { type, afterMs: decision.afterMs ?? retryAfterMs, error: wire }
    }
    if (decision === 'retry') return { type: 'retry', afterMs: retryAfterMs, error: wire }
    if (decision !== undefined) return finalFailure(decision, wire)
    // A TroupeError says itself whether the same thing may go well later: other bytes of a record never come.
    if (isTerminalError(error) || (isTroupeError(error) && !error.retryable)) {
      return finalFailure(this.#failedRecords, wire)
    }
    if (isRetryableError(error)) return { type: 'retry', afterMs: retryAfterMs, error: wire }
    return { type: 'failed', error: wire }
  }
}

/** A delay that is no number of milliseconds (NaN, negative) would hold its lane for ever: the back-off serves instead. */
function delayOf(afterMs: number | undefined): number | undefined {
  return afterMs !== undefined && Number.isFinite(afterMs) && afterMs >= 0 ? afterMs : undefined
}
