/**
 * The clock of one simulated process. It can be frozen, as SIGSTOP freezes a process, and killed, as
 * SIGKILL does: whatever is scheduled on it then happens late, or never.
 */
import type { Clock } from '../clock.ts'

export class ProcessClock implements Clock {
  readonly #clock: Clock
  /** What became due while frozen, in order. */
  #late: (() => void)[] = []
  readonly #cancels = new Set<() => void>()
  #wallStepMs = 0
  #state: 'running' | 'frozen' | 'killed' = 'running'

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get isRunning(): boolean {
    return this.#state === 'running'
  }

  get isFrozen(): boolean {
    return this.#state === 'frozen'
  }

  get isKilled(): boolean {
    return this.#state === 'killed'
  }

  /** Timers that were neither fired nor cancelled, those that wait for a thaw included. */
  get pendingTimers(): number {
    return this.#cancels.size + this.#late.length
  }

  now(): number {
    return this.#clock.now()
  }

  wallNow(): number {
    return this.#clock.wallNow() + this.#wallStepMs
  }

  /** Somebody sets the wall clock of this process's machine, forth or back. */
  stepWall(stepMs: number): void {
    this.#wallStepMs += stepMs
  }

  after(delayMs: number, callback: () => void): () => void {
    if (this.#state === 'killed') return nothing
    let isCancelled = false
    const run = (): void => {
      this.#cancels.delete(cancel)
      if (isCancelled || this.#state === 'killed') return
      if (this.#state === 'frozen') this.#late.push(run)
      else callback()
    }
    const cancelTimer = this.#clock.after(delayMs, run)
    const cancel = (): void => {
      isCancelled = true
      this.#cancels.delete(cancel)
      cancelTimer()
    }
    this.#cancels.add(cancel)
    return cancel
  }

  /** Nothing happens any more until `thaw`. */
  freeze(): void {
    if (this.#state === 'running') this.#state = 'frozen'
  }

  /** What was due meanwhile happens now, in its order. */
  thaw(): void {
    if (this.#state !== 'frozen') return
    this.#state = 'running'
    const late = this.#late
    this.#late = []
    for (const run of late) this.#clock.after(0, run)
  }

  /** Nothing happens any more. Timers are given back. */
  kill(): void {
    this.#state = 'killed'
    this.#late = []
    for (const cancel of [...this.#cancels]) cancel()
  }
}

const nothing = (): void => undefined
