/** How long a thread has worked, idle time excluded: what its records have cost together. */
import { performance, type EventLoopUtilization } from 'node:perf_hooks'

export interface BusyMeter {
  /** A batch is there. Loading and setup, before the first one, are no record's cost. */
  begin(): void
  /** Milliseconds since this was asked last. */
  take(): number
}

export class LoopBusyMeter implements BusyMeter {
  #told: EventLoopUtilization | undefined

  begin(): void {
    this.#told ??= performance.eventLoopUtilization()
  }

  take(): number {
    const now = performance.eventLoopUtilization()
    const { active } = performance.eventLoopUtilization(now, this.#told)
    this.#told = now
    return active
  }
}
