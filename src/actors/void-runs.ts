/**
 * Runs that no handler sees: of a record that was refused, or of a timer that is not set any more. Each is given up in a turn of its
 * own, since whoever asks for runs is in the middle of something.
 */
import type { Clock } from '../clock.ts'
import type { FiredTimers } from './fired-timers.ts'
import type { LaneRun } from './lanes/lanes.ts'
import type { RefusedRecords } from './refused-records.ts'

export interface VoidRunsOptions {
  readonly clock: Clock
  /** null: it has none to give up. */
  readonly refused: RefusedRecords | null
  /** null: its handler has none. */
  readonly timers: FiredTimers | null
  readonly giveUp: (runs: readonly LaneRun[]) => void
}

export class VoidRuns {
  readonly #options: VoidRunsOptions
  #runs: LaneRun[] = []

  constructor(options: VoidRunsOptions) {
    this.#options = options
  }

  /** True: it is one, and will be given up. */
  take(run: LaneRun): boolean {
    const { clock, giveUp, refused, timers } = this.#options
    if (refused?.isRun(run) !== true && timers?.isVoid(run) !== true) return false
    this.#runs.push(run)
    if (this.#runs.length > 1) return true
    clock.after(0, () => {
      giveUp(this.#runs.splice(0))
    })
    return true
  }
}
