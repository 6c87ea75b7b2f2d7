/**
 * When a registry is asked for which id: each once, a few at a time, and after a failure again, ever more seldom, for ever.
 * One id that fails says nothing of others; two in a row say that the registry is away, and then one question at a time
 * goes out for all.
 */
import type { Clock } from '../../clock.ts'
import { describeError } from '../../errors.ts'
import { RegistryError } from './registry-error.ts'

const MAX_AT_ONCE = 4
const FIRST_DELAY_MS = 250
const MAX_DELAY_MS = 30_000
/** Share of a delay that is random. */
const JITTER = 0.2
/** A registry that asks to be left alone for longer is asked all the same. */
const MAX_RETRY_AFTER_MS = 300_000

export interface SchemaQuestionsParts<Answer> {
  readonly ask: (id: number) => Promise<Answer>
  readonly onAnswer: (id: number, answer: Answer) => void
  readonly clock: Clock
  readonly random: () => number
}

interface Failing {
  readonly failures: number
  readonly dueAtMs: number
}

export class SchemaQuestions<Answer> {
  readonly #parts: SchemaQuestionsParts<Answer>
  /** Not asked yet. */
  readonly #next = new Set<number>()
  /** Being asked. False: nobody wants to know any more. */
  readonly #open = new Map<number, boolean>()
  /** Asked in vain, and to be asked again, if that is not being done. */
  readonly #failing = new Map<number, Failing>()
  /** Questions in vain while the registry is away, those that were open when it went counting as one. */
  #round = 0
  /** The id that has failed since the last answer; of several the first. */
  #suspect: number | null = null
  /** Until then nobody is asked; null: the registry is not away. */
  #awayUntilMs: number | null = null
  #trouble: { reason: string; readonly sinceMs: number } | null = null
  #cancelTimer: () => void = () => undefined
  #isClosed = false

  constructor(parts: SchemaQuestionsParts<Answer>) {
    this.#parts = parts
  }

  /** Sees to it that there will be an answer. */
  want(id: number): void {
    if (this.#open.has(id)) this.#open.set(id, true)
    else if (!this.#failing.has(id)) this.#next.add(id)
    this.#goOn()
  }

  drop(id: number): void {
    this.#next.delete(id)
    this.#failing.delete(id)
    if (this.#open.has(id)) this.#open.set(id, false)
    if (this.waiting === 0) this.#trouble = null
    this.#goOn()
  }

  /** Ids that are waited for. */
  get waiting(): number {
    const first = [...this.#open].filter(([id, isWanted]) => isWanted && !this.#failing.has(id))
    return this.#next.size + this.#failing.size + first.length
  }

  /** Why there is no answer; null: there is, or will be at once. */
  get trouble(): { readonly reason: string; readonly sinceMs: number } | null {
    return this.#trouble
  }

  close(): void {
    this.#isClosed = true
    this.#cancelTimer()
  }

  #goOn(): void {
    if (this.#isClosed) return
    this.#cancelTimer()
    const { clock } = this.#parts
    const most = this.#suspect === null ? MAX_AT_ONCE : 1
    while (this.#open.size < most) {
      const next = this.#choose()
      if (next === null) return
      const nowMs = clock.now()
      if (next.dueAtMs > nowMs) {
        this.#cancelTimer = clock.after(next.dueAtMs - nowMs, () => {
          this.#goOn()
        })
        return
      }
      void this.#ask(next.id)
    }
  }

  /** Who has not been asked yet goes first. */
  #choose(): { readonly id: number; readonly dueAtMs: number } | null {
    const notBefore = this.#awayUntilMs ?? 0
    for (const id of this.#next) return { id, dueAtMs: notBefore }
    let chosen: { id: number; dueAtMs: number } | null = null
    for (const [id, { dueAtMs }] of this.#failing) {
      if (this.#open.has(id)) continue
      if (chosen === null || dueAtMs < chosen.dueAtMs) chosen = { id, dueAtMs }
    }
    return chosen === null ? null : { id: chosen.id, dueAtMs: Math.max(chosen.dueAtMs, notBefore) }
  }

  async #ask(id: number): Promise<void> {
    const failures = this.#failing.get(id)?.failures ?? 0
    const round = this.#round
    this.#next.delete(id)
    this.#open.set(id, true)
    let answer: Answer
    try {
      answer = await this.#parts.ask(id)
    } catch (error) {
      const isWanted = this.#open.get(id) === true
      this.#open.delete(id)
      if (!this.#isClosed) this.#noteFailure(id, error, round, isWanted ? failures + 1 : null)
      this.#goOn()
      return
    }
    this.#open.delete(id)
    this.#failing.delete(id)
    if (this.#isClosed) return
    this.#noteAnswer()
    this.#parts.onAnswer(id, answer)
    this.#goOn()
  }

  #noteAnswer(): void {
    this.#round = 0
    this.#suspect = null
    this.#awayUntilMs = null
    if (this.#failing.size === 0) this.#trouble = null
  }

  #noteFailure(id: number, error: unknown, round: number, failures: number | null): void {
    const nowMs = this.#parts.clock.now()
    const retryAfterMs = error instanceof RegistryError ? error.retryAfterMs : null
    const leastMs = Math.min(retryAfterMs ?? 0, MAX_RETRY_AFTER_MS)
    if (failures !== null) {
      this.#failing.set(id, { failures, dueAtMs: nowMs + Math.max(leastMs, this.#delayMs(failures)) })
      this.#trouble = { reason: describeError(error), sinceMs: this.#trouble?.sinceMs ?? nowMs }
    }
    const isOther = this.#suspect !== null && this.#suspect !== id
    const isAway = retryAfterMs !== null || this.#awayUntilMs !== null || isOther
    this.#suspect ??= id
    if (!isAway || (round !== this.#round && this.#awayUntilMs !== null)) return
    this.#round += 1
    this.#awayUntilMs = nowMs + Math.max(leastMs, this.#delayMs(this.#round))
  }

  #delayMs(failures: number): number {
    const delayMs = Math.min(FIRST_DELAY_MS * 2 ** Math.min(failures - 1, 20), MAX_DELAY_MS)
    return delayMs * (1 - JITTER * this.#parts.random())
  }
}
