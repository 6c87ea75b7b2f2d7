/**
 * How long main may go on with what its threads bring within one turn of its event loop. Each reply
 * makes room for a batch, and where handlers are quicker than main the reply to that one is there
 * before the others are done with: such a turn would end when there are no records left, and sinks,
 * the source and timers would wait until then.
 */
import type { Clock } from '../../clock.ts'

export interface TurnLimitOptions {
  readonly clock: Clock
  readonly maxTurnMs: number
  /** A turn that was over has ended. */
  readonly onNextTurn: () => void
}

export class TurnLimit {
  readonly #options: TurnLimitOptions
  /** Clock time; null: nothing was done in this turn. */
  #endsAtMs: number | null = null
  #isOver = false

  constructor(options: TurnLimitOptions) {
    this.#options = options
  }

  /** Nothing more should begin in this turn. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Something is about to be done. */
  begin(nowMs: number): void {
    if (this.#endsAtMs !== null) return
    const { clock, maxTurnMs, onNextTurn } = this.#options
    this.#endsAtMs = nowMs + maxTurnMs
    clock.after(0, () => {
      const wasOver = this.#isOver
      this.#endsAtMs = null
      this.#isOver = false
      if (wasOver) onNextTurn()
    })
  }

  /** Something was done. */
  end(nowMs: number): void {
    if (this.#endsAtMs !== null && nowMs >= this.#endsAtMs) this.#isOver = true
  }
}
