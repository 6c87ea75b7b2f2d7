/**
 * Plays records to an operator as the engine does, without a broker: in offset order of each partition, by its codecs, with
 * each timer before the first record as late. What it keeps is kept as in the engine, so a restart finds it as bytes.
 */
import { OperatorRunner } from '../actors/handlers/operator-runner.ts'
import { schemasOf } from '../actors/handlers/handler-schemas.ts'
import { timesOf } from '../actors/handlers/topic-times.ts'
import { changesOf, type StateChanges, type Verdict } from '../actors/handlers/verdict.ts'
import { systemClock } from '../clock.ts'
import { fromWireError } from '../errors.ts'
import { silentLog } from '../log.ts'
import type { AsideReason, Operator, Outcome } from '../operators/operator.ts'
import { AttemptState } from '../state/attempt-state.ts'
import { operatorTimer, shapesOfKept } from '../state/kept-shapes.ts'
import { withoutTimer } from '../state/keyed-timers.ts'
import { PartitionState, keyTextOf } from '../state/partition-state.ts'
import type { Stamp } from '../state/stamp.ts'
import { MemoryStores } from '../state/stores/memory/memory-store.ts'
import type { StateStore } from '../state/store.ts'
import type { Effect, Key, Topic } from '../streams/flows/flow.ts'
import type { SourceRecord } from '../streams/record.ts'
import { LocalSchemas } from './local-schemas.ts'
import { RecordMaker, bytesOf, type HarnessOptions, type SendOptions } from './record-maker.ts'

/** What came of a record, or of stream time going on. */
export interface OperatorOutcome {
  /** All outputs, in their order: first those of timers that were due before the record. */
  readonly outputs: readonly Effect[]
  /** Why the record did not count; null: it did. */
  readonly aside: AsideReason | null
  /** Why the record went to the dead-letter topic; null: it did not. */
  readonly deadLetter: string | null
}

export interface OperatorSendOptions<GivenKey = Key> extends SendOptions<GivenKey> {
  /** Of which input it is; the first unless given. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- of whatever values and keys
  readonly input?: Topic<any, string, any>
}

/** An operator under test: an aggregation, a join, a dedup. Of one with `by` or `prepare` what it is given is what those have made. */
export interface OperatorHarness<GivenKey = Key> {
  /** Gives it a value. Rejects with what its functions throw. */
  send(value: unknown, options?: OperatorSendOptions<GivenKey>): Promise<OperatorOutcome>
  /** The same for raw bytes. null is a tombstone. */
  sendBytes(bytes: Uint8Array | null, options?: OperatorSendOptions<GivenKey>): Promise<OperatorOutcome>
  /** Stream time goes on to this, in all partitions that had a record. */
  advanceTo(streamTimeMs: number): Promise<OperatorOutcome>
  /** It ends in order, and begins again with what its checkpoint has as bytes. */
  restart(): Promise<void>
}

interface Place {
  readonly state: PartitionState
  readonly store: StateStore
  checkpoint: number
}

const none: StateChanges = []

export class OperatorUnderTest implements OperatorHarness<unknown> {
  readonly #operator: Operator
  readonly #runner: OperatorRunner
  readonly #schemas: LocalSchemas
  readonly #makers = new Map<string, RecordMaker<unknown>>()
  readonly #partitions = new Map<number, Place>()
  readonly #stores = new MemoryStores(systemClock)
  /** What the operator has said last. */
  #said: Outcome = { effects: [] }

  constructor(operator: Operator, { handlerTimeoutMs = 5_000, log = silentLog }: HarnessOptions) {
    this.#operator = operator
    this.#schemas = new LocalSchemas(schemasOf(operator))
    this.#runner = new OperatorRunner({
      handler: {
        ...operator,
        take: (...given) => (this.#said = operator.take(...given)),
        due: (...given) => (this.#said = operator.due(...given)),
      },
      ...{ name: operator.name ?? operator.what, handlerTimeoutMs, idHeader: false, log },
      ...{ clock: systemClock, schemas: this.#schemas },
    })
  }

  async send(value: unknown, options: OperatorSendOptions<unknown> = {}): Promise<OperatorOutcome> {
    return await this.sendBytes(bytesOf(this.#inputOf(options), value, this.#schemas), options)
  }

  async sendBytes(bytes: Uint8Array | null, options: OperatorSendOptions<unknown> = {}): Promise<OperatorOutcome> {
    const { input: _, ...rest } = options
    const input = this.#inputOf(options)
    let maker = this.#makers.get(input.name)
    if (maker === undefined) this.#makers.set(input.name, (maker = new RecordMaker(input, this.#schemas)))
    const record = maker.next(bytes, rest)
    const { state } = await this.#partition(record.partition)
    const stamp = this.#stampOf(record, input, state)
    const streamTime = state.noteRecord(record.offset, stamp.isFarFuture ? -1 : stamp.timeMs)
    const outputs = this.#fireUntil(state, streamTime, record)
    const key = record.key === null ? null : keyTextOf(record.key)
    const verdict = this.#attempt(state, record, new AttemptState(state, key, streamTime, stamp))
    const { aside = null, effects } = this.#said
    if (verdict.type === 'dead-letter' && verdict.error.code === 'DEAD_LETTER') {
      return { outputs, aside, deadLetter: verdict.error.message }
    }
    return { outputs: [...outputs, ...effects.map(({ effect }) => effect)], aside, deadLetter: null }
  }

  advanceTo(streamTimeMs: number): Promise<OperatorOutcome> {
    const outputs = [...this.#partitions].flatMap(([partition, { state }]) => {
      const at = { topic: this.#inputOf({}).name, partition, offset: -1 }
      return this.#fireUntil(state, state.noteRecord(-1, streamTimeMs), at)
    })
    return Promise.resolve({ outputs, aside: null, deadLetter: null })
  }

  async restart(): Promise<void> {
    for (const [partition, place] of this.#partitions) {
      place.checkpoint += 1
      place.state.freeze(place.checkpoint)
      if (!(await place.state.encodeFrozen())) throw new TypeError('a value that it keeps cannot be written as bytes')
      await place.state.commit()
      this.#partitions.set(partition, { ...place, state: await this.#stateOn(place.store, partition) })
    }
  }

  #inputOf({ input = this.#operator.inputs[0] }: OperatorSendOptions<unknown>): Topic<unknown, string, unknown> {
    if (input !== undefined && this.#operator.inputs.some(({ name }) => name === input.name)) return input
    const known = this.#operator.inputs.map(({ name }) => name).join(', ')
    throw new TypeError(`topic ${input?.name ?? 'of no name'} is none of its inputs, which are ${known}`)
  }

  #stampOf(record: SourceRecord, input: Topic<unknown, string, unknown>, state: PartitionState): Stamp {
    const { maxAdvanceMs } = this.#operator
    const read = timesOf({ inputs: [input], schemas: this.#schemas, maxAdvanceMs })?.read(record)
    const { timeMs } = read ?? { timeMs: record.timestamp }
    const before = state.streamTime
    const isFarFuture = maxAdvanceMs !== null && before !== null && timeMs - before > maxAdvanceMs
    return { ...(read ?? { found: 'nothing', read: undefined }), timeMs, isFarFuture }
  }

  #fireUntil(
    state: PartitionState,
    untilMs: number | null,
    { offset, partition, topic }: Pick<SourceRecord, 'offset' | 'partition' | 'topic'>,
  ): Effect[] {
    const effects: Effect[] = []
    const { timers } = state
    if (timers === null || untilMs === null) return effects
    for (let due = timers.take('stream', untilMs); due !== null; due = timers.take('stream', untilMs)) {
      const { dueMs, key, setAtMs } = due
      const at = { topic, partition, offset, timestamp: dueMs, key: Buffer.from(key, 'latin1'), value: null }
      const record = { ...at, headers: [], timer: timers.causeOf(due) }
      const attempt = new AttemptState(state, key, Math.max(dueMs, setAtMs ?? dueMs))
      this.#attempt(state, record, attempt, (changes) => withoutTimer(due, changes))
      effects.push(...this.#said.effects.map(({ effect }) => effect))
    }
    return effects
  }

  /** What it has set is kept where it is handled. Throws what its functions have. */
  #attempt(
    state: PartitionState,
    record: SourceRecord,
    attempt: AttemptState,
    kept: (changes: StateChanges) => StateChanges = (changes) => changes,
  ): Verdict {
    this.#said = { effects: [] }
    const verdict = this.#runner.run(record, 1, undefined, 0, attempt)
    const isSaid = verdict.type === 'dead-letter' && verdict.error.code === 'DEAD_LETTER'
    if (verdict.type !== 'done' && !isSaid) {
      throw 'error' in verdict && verdict.error !== undefined ? fromWireError(verdict.error) : new Error(verdict.type)
    }
    const changes = kept(changesOf(verdict) ?? none)
    const refusal = state.refusalOf(attempt.key, changes)
    if (refusal !== null) throw refusal
    state.apply(attempt.key, changes)
    return verdict
  }

  async #partition(partition: number): Promise<Place> {
    const found = this.#partitions.get(partition)
    if (found !== undefined) return found
    const store = await this.#stores.open()
    const place = { store, state: await this.#stateOn(store, partition), checkpoint: 0 }
    this.#partitions.set(partition, place)
    return place
  }

  async #stateOn(store: StateStore, partition: number): Promise<PartitionState> {
    const state = new PartitionState({
      ...{ shapes: shapesOfKept(this.#operator.states), timers: [operatorTimer], partition, clock: systemClock },
      ...{ changelogTopic: 'changelog', inputId: 0, changelogId: 0, changelogEnd: null },
    })
    await state.begin(store)
    return state
  }
}
