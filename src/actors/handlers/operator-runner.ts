/**
 * Runs an operator on one record, or on a timer that is due, and turns whatever happens into a verdict, as `handler-runner.ts`
 * does for a handler. What the user's functions in it throw is a failed attempt. It waits for nothing, so a record's verdict
 * is there at once.
 */
import { TroupeError } from '../../errors.ts'
import { AttemptState } from '../../state/attempt-state.ts'
import type { GiveUpTimer } from '../../state/stamp.ts'
import { StateValue, unread } from '../../state/state-value.ts'
import { dueTimeOf } from '../../state/timers.ts'
import type { KeyedEffect, Kept, KeptState, Operator, Outcome } from '../../operators/operator.ts'
import type { EncodedEffect } from '../../streams/flows/effect-encoder.ts'
import type { SourceRecord } from '../../streams/record.ts'
import type { RunnerOptions } from './runner.ts'
import { deadLetterVerdict, withChanges, type StateChanges, type Verdict } from './verdict.ts'
import { VerdictMaker } from './verdict-maker.ts'

/** A topic that it reads. */
interface Input {
  readonly at: number
  readonly verdicts: VerdictMaker
}

export class OperatorRunner {
  /** Nothing of it is ever left over, or asks to slow down. */
  onLeftOver: (change: number) => void = () => undefined
  onThrottle: (forMs: number, id: string) => void = () => undefined
  readonly leftOverRecords = 0
  readonly name: string
  readonly #operator: Operator
  readonly #inputs = new Map<string, Input>()
  /** In their order. */
  readonly #decoders: VerdictMaker[] = []
  readonly #first: string
  readonly #kept: KeptOfAttempt
  /** Something is kept for a time only. */
  readonly #agesWithTime: boolean

  /** Throws SCHEMA_REGISTRY_MISSING where a topic needs schemas and there are none. */
  constructor(options: RunnerOptions<Operator>) {
    const { handler, name } = options
    this.name = name
    this.#operator = handler
    this.#agesWithTime = handler.states.some(({ ttlMs }) => ttlMs !== null)
    this.#first = handler.inputs[0]?.name ?? ''
    this.#kept = new KeptOfAttempt(handler.states, this.#decoders)
    for (const [at, topic] of handler.inputs.entries()) {
      const verdicts = new VerdictMaker(options, topic)
      this.#decoders.push(verdicts)
      this.#inputs.set(topic.name, { at, verdicts })
    }
  }

  /** Never throws. `state` is that of the record's key; it has some. */
  run(record: SourceRecord, attempt: number, _notes?: unknown, _index = 0, state: AttemptState | null = null): Verdict {
    const { at, verdicts } = this.#inputOf(record)
    const kept = this.#kept
    let key: unknown
    let value: unknown
    try {
      key = verdicts.decodeKey(record)
      if (record.timer === undefined) value = verdicts.decode(record, state?.stamp)
    } catch (error) {
      return verdicts.judgeDecode(error, unasked)
    }
    try {
      if (state === null) throw new TroupeError('INTERNAL', `operator ${this.name} was given no state`)
      kept.begin(state, record.timer !== undefined, this.#agesWithTime ? this.#ageOf(record, state) : null)
      const { key: keyText, stamp, streamTime } = state
      const streamTimeMs = streamTime ?? -1
      if (record.timer === undefined) {
        const { isFarFuture, timeMs } = stamp ?? { isFarFuture: false, timeMs: record.timestamp }
        const times = { timeMs, streamTimeMs, sourceTimeMs: streamTimeMs, isFarFuture }
        return this.#verdictOn(this.#operator.take({ record, value, key, keyText, ...times }, kept, at), record, state)
      }
      if (keyText === null) throw new TroupeError('INTERNAL', 'a timer of no key is due')
      const { dueMs } = record.timer
      return this.#verdictOn(this.#operator.due({ key, keyText, dueMs, streamTimeMs }, kept), record, state)
    } catch (error) {
      // What it has kept as it came may need a schema that is not known here.
      return verdicts.judgeDecode(error, unasked)
    }
  }

  /** It has nothing to tear down. */
  close(): Promise<void> {
    return Promise.resolve()
  }

  /** What is kept now is as old as its record, though others be far behind that; null: nothing had a time. */
  #ageOf(record: SourceRecord, { streamTime }: AttemptState): number | null {
    const sourceMs = record.timer === undefined ? (this.#operator.sourceTimeOf?.(record) ?? -1) : -1
    return sourceMs < 0 ? streamTime : Math.max(sourceMs, streamTime ?? -1)
  }

  #inputOf({ topic }: SourceRecord): Input {
    const input = this.#inputs.get(topic) ?? this.#inputs.get(this.#first)
    if (input === undefined) throw new TroupeError('INTERNAL', `operator ${this.name} reads no topic`)
    return input
  }

  #verdictOn({ aside, deadLetter, effects }: Outcome, record: SourceRecord, { changes }: AttemptState): Verdict {
    if (deadLetter !== undefined) {
      const letter = deadLetterVerdict(deadLetter)
      return aside === undefined ? letter : { ...letter, aside }
    }
    const verdict = effects.length === 0 ? nothingSaid : this.#encode(effects, record)
    if (aside === undefined) return withChanges(verdict, changes)
    return { ...(withChanges(verdict, changes) as Handled), aside }
  }

  #encode(effects: readonly KeyedEffect[], record: SourceRecord): Verdict {
    const { verdicts } = this.#inputOf(record)
    const plain = effects.map(({ effect }) => effect)
    const verdict = verdicts.encodeEffects(plain, record)
    if (verdict.type !== 'done' || effects.every(({ lastOf }) => lastOf === undefined)) return verdict
    return { type: 'done', effects: verdict.effects.map((effect, at) => lastOnly(effect, effects[at]?.lastOf)) }
  }
}

/** How it goes on after a timer that is given up; null: it need not know of it. */
export function giverUpOf(operator: Operator): GiveUpTimer | null {
  if (operator.giveUp === undefined) return null
  // It decodes no record.
  const kept = new KeptOfAttempt(operator.states, [])
  return (before, { dueMs, key }, streamTimeMs) => {
    const attempt = new AttemptState(before, key, streamTimeMs)
    kept.begin(attempt, true, streamTimeMs)
    try {
      operator.giveUp?.({ keyText: key, dueMs, streamTimeMs }, kept)
    } catch {
      // What is kept of the key cannot be read: so its records say as well, and it was given up for that.
      return []
    }
    return attempt.changes ?? []
  }
}

type Handled = { readonly type: 'done'; readonly effects: readonly EncodedEffect[]; readonly changes?: StateChanges }

const nothingSaid: Verdict = { type: 'done', effects: [] }

/** An operator has no `onError`: its actor's `failedRecords` decides. */
function unasked(): undefined {
  return undefined
}

function lastOnly(effect: EncodedEffect, lastOf: string | undefined): EncodedEffect {
  return lastOf === undefined || effect.type !== 'record' ? effect : { ...effect, lastOf }
}

/** What it keeps, as an attempt sees it. One for all attempts: they are made one after the other. */
class KeptOfAttempt implements Kept {
  readonly #states: readonly KeptState[]
  readonly #inputs: readonly VerdictMaker[]
  #attempt: AttemptState | null = null
  /** A timer that is due is set until it was handled: the same again is a new one. */
  #isOfTimer = false
  #ageMs: number | null = null

  constructor(states: readonly KeptState[], inputs: readonly VerdictMaker[]) {
    this.#states = states
    this.#inputs = inputs
  }

  /** `ageMs`: when what is kept now is of. */
  begin(attempt: AttemptState, isOfTimer: boolean, ageMs: number | null): void {
    this.#ageMs = ageMs
    this.#attempt = attempt
    this.#isOfTimer = isOfTimer
  }

  get(state: number, key: string): unknown {
    const attempt = this.#attempt!
    const value = attempt.read(state, key)
    if (value === null) return undefined
    const { codec, name, ttlMs } = this.#states[state]!
    const { streamTime } = attempt
    if (ttlMs !== null && value.timeMs !== null && streamTime !== null && streamTime - value.timeMs >= ttlMs) {
      return undefined
    }
    if (value.live !== unread) return value.live
    try {
      // Nobody changes it: all who ask get the same.
      return (value.live = codec.decode(Uint8Array.from(value.payload)))
    } catch (cause) {
      const message = `what is kept as state ${name} is not what codec ${codec.name} expects`
      throw new TroupeError('STATE_CHANGED', message, { cause })
    }
  }

  set(state: number, key: string, value: unknown): void {
    const attempt = this.#attempt!
    const { codec, ttlMs } = this.#states[state]!
    const timeMs = ttlMs === null ? null : this.#newestOf(attempt.read(state, key)?.timeMs ?? null)
    attempt.setOf(key, state, value === undefined ? null : StateValue.ofLive(value, codec, timeMs))
  }

  /** A source that is behind makes nothing older than another has made it. */
  #newestOf(beforeMs: number | null): number | null {
    if (beforeMs === null || this.#ageMs === null) return this.#ageMs ?? beforeMs
    return Math.max(beforeMs, this.#ageMs)
  }

  decode(input: number, bytes: Uint8Array): unknown {
    return this.#inputs[input]!.decodeKept(bytes)
  }

  setTimer(keyText: string, dueMs: number | null): void {
    const attempt = this.#attempt!
    const at = this.#states.length
    if (!this.#isOfTimer) {
      const before = attempt.read(at, keyText)
      if ((before === null ? null : dueTimeOf(before)) === dueMs) return
    }
    attempt.setOf(keyText, at, dueMs === null ? null : StateValue.ofPrimitive(dueMs, attempt.streamTime))
  }
}
