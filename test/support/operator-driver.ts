/**
 * Plays records of one partition to an operator, as the engine does: in offset order, each timer before the first record as
 * late, what one attempt has made kept when it is over. No broker, no bytes except where a test asks for a restart.
 */
import type { KeyedEffect, Kept, Operator, Outcome } from '../../src/operators/operator.ts'

export interface PlayedRecord {
  readonly key: string | null
  readonly value: unknown
  /** Milliseconds. */
  readonly timeMs: number
  /** Which of the inputs it is of; the first unless given. */
  readonly input?: number
  /** Stream time of its own source; that of the partition unless given. */
  readonly sourceTimeMs?: number
  /** Stream time of the partition, which is behind that of the source where several come together; the greatest time unless given. */
  readonly streamTimeMs?: number
  readonly isFarFuture?: boolean
}

/** What came of a record or of a timer, in order. */
export interface Played extends Outcome {
  readonly of: 'record' | 'timer'
  readonly key: string | null
}

export class OperatorDriver {
  readonly played: Played[] = []
  #operator: Operator
  #values: Map<string, unknown>
  /** Stream time when each was set. */
  #setAt = new Map<string, number>()
  #timers: Map<string, number>
  #streamTimeMs: number
  #offset = 0

  constructor(operator: Operator) {
    this.#operator = operator
    this.#values = new Map()
    this.#timers = new Map()
    this.#streamTimeMs = -1
  }

  get effects(): readonly KeyedEffect[] {
    return this.played.flatMap(({ effects }) => effects)
  }

  /** Everything that is kept, by `state/key`. */
  get kept(): ReadonlyMap<string, unknown> {
    return this.#values
  }

  get timers(): ReadonlyMap<string, number> {
    return this.#timers
  }

  play(records: readonly PlayedRecord[]): this {
    for (const record of records) this.#take(record)
    return this
  }

  /** Stream time comes here without a record. */
  advanceTo(timeMs: number): this {
    this.#streamTimeMs = Math.max(this.#streamTimeMs, timeMs)
    this.#fireUntil(this.#streamTimeMs)
    return this
  }

  /** Ends, and begins again with what its checkpoint has as bytes. */
  restart(): this {
    const values = new Map<string, unknown>()
    for (const [name, value] of this.#values) {
      const state = this.#operator.states[Number(name.slice(0, name.indexOf('/')))]
      if (state === undefined) throw new Error(`there is no state of ${name}`)
      values.set(name, state.codec.decode(state.codec.encode(value)))
    }
    this.#values = values
    return this
  }

  /** The same after a deploy: another one goes on with what this one has kept. */
  goOnAs(operator: Operator): this {
    this.#operator = operator
    return this.restart()
  }

  #take({ input = 0, isFarFuture = false, key, sourceTimeMs, timeMs, value, ...given }: PlayedRecord): void {
    if (!isFarFuture) this.#streamTimeMs = Math.max(this.#streamTimeMs, given.streamTimeMs ?? timeMs)
    this.#fireUntil(this.#streamTimeMs)
    const topic = this.#operator.inputs[input]
    const record = {
      ...{ topic: topic?.name ?? 'unknown', partition: 0, offset: this.#offset, timestamp: timeMs, headers: [] },
      key: key === null ? null : Buffer.from(key),
      /** Made for who asks: not every value of a test has bytes. */
      get value(): Buffer | null {
        return value === null || topic === undefined ? null : Buffer.from(topic.value.encode(value))
      },
    }
    this.#offset += 1
    const streamTimeMs = this.#streamTimeMs
    const taken = { record, value, key, keyText: key, timeMs, streamTimeMs, isFarFuture }
    this.#attempt('record', key, (kept) =>
      this.#operator.take({ ...taken, sourceTimeMs: sourceTimeMs ?? streamTimeMs }, kept, input),
    )
  }

  #fireUntil(timeMs: number): void {
    for (;;) {
      const [next] = [...this.#timers].sort(([a, due], [b, other]) => due - other || (a < b ? -1 : 1))
      if (next === undefined || next[1] > timeMs) return
      const [key, dueMs] = next
      this.#timers.delete(key)
      this.#attempt('timer', key, (kept) => this.#operator.due({ key, keyText: key, dueMs, streamTimeMs: dueMs }, kept))
    }
  }

  #attempt(of: Played['of'], key: string | null, run: (kept: Kept) => Outcome): void {
    const values = new Map(this.#values)
    const setAt = new Map(this.#setAt)
    const timers = new Map(this.#timers)
    const outcome = run({
      get: (state, name) => {
        const ttlMs = this.#operator.states[state]?.ttlMs ?? Number.POSITIVE_INFINITY
        const ageMs = this.#streamTimeMs - (setAt.get(`${state}/${name}`) ?? this.#streamTimeMs)
        return ageMs >= ttlMs ? undefined : values.get(`${state}/${name}`)
      },
      set: (state, name, value) => {
        if (value === undefined) values.delete(`${state}/${name}`)
        else values.set(`${state}/${name}`, value)
        setAt.set(`${state}/${name}`, this.#streamTimeMs)
      },
      setTimer: (name, dueMs) => {
        if (dueMs === null) timers.delete(name)
        else timers.set(name, dueMs)
      },
      decode: (input, bytes): unknown => this.#operator.inputs[input]!.value.decode(bytes),
    })
    this.#values = values
    this.#setAt = setAt
    this.#timers = timers
    this.played.push({ ...outcome, of, key })
  }
}
