/** Sets and cancels timers as an attempt asks for it, where its handler runs: as changes of the attempt, like those of state. */
import { TroupeError } from '../errors.ts'
import type { AttemptState } from './attempt-state.ts'
import { StateValue } from './state-value.ts'
import { timerPlace, type TimerShape } from './timers.ts'

export class TimerSetter {
  readonly #names: readonly string[]
  readonly #stateCount: number

  /** `stateCount`: of the handler's states, which stand before its timers. */
  constructor(names: readonly string[], stateCount: number) {
    this.#names = names
    this.#stateCount = stateCount
  }

  set(attempt: AttemptState, timer: TimerShape, atMs: unknown): void {
    if (typeof atMs !== 'number' || !Number.isFinite(atMs)) {
      const message = `timer ${timer.name} takes milliseconds since the Unix epoch, and got ${String(atMs)}`
      throw new TroupeError('STATE_INVALID', message)
    }
    // One by stream time knows when it was set: what it finds, and how old it is, are then the same whenever it gets its turn.
    const setAtMs = timer.clock === 'stream' ? attempt.streamTime : null
    this.#change(attempt, timer, StateValue.ofPrimitive(atMs, setAtMs))
  }

  cancel(attempt: AttemptState, timer: TimerShape): void {
    this.#change(attempt, timer, null)
  }

  #change(attempt: AttemptState, { clock, name }: TimerShape, value: StateValue | null): void {
    const at = timerPlace(this.#names, this.#stateCount, name, clock)
    if (at < 0) {
      const known = this.#names.length === 0 ? 'none' : this.#names.join(', ')
      throw new TroupeError('STATE_INVALID', `the handler declares no timer ${name}; its timers: ${known}`)
    }
    if (attempt.key === null) {
      throw new TroupeError('STATE_INVALID', `timer ${name}: the record has no key, and timers are kept by key`)
    }
    attempt.set(at, value)
  }
}
