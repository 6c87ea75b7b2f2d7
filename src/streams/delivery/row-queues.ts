/** Sinks outside Kafka: one queue for each, which keeps its order and waits while it is away. */
import type { Clock } from '../../clock.ts'
import { TroupeError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { EngineStats } from '../../metrics/stats.ts'
import type { EncodedEffect } from '../flows/effect-encoder.ts'
import { SinkQueue, type QueuedOutput } from './sink-queue.ts'
import type { EncodedRow, Sink } from './sink.ts'

export interface RowQueuesOptions {
  readonly sinks: Readonly<Record<string, Sink>>
  readonly clock: Clock
  readonly log: Log
  readonly stats: EngineStats
  readonly onWritten: () => void
  readonly onFailure: (error: unknown) => void
}

export class RowQueues {
  readonly #queues = new Map<string, SinkQueue<EncodedRow>>()

  constructor({ clock, log, onFailure, onWritten, sinks, stats }: RowQueuesOptions) {
    for (const [name, sink] of Object.entries(sinks)) {
      const queue = new SinkQueue<EncodedRow>({
        ...{ name, clock, log, onWritten, maxBatch: sink.maxBatch, stats: stats.sink(name), waits: stats.waits },
        write: (batch) => sink.write(batch),
      })
      queue.onFailure = onFailure
      this.#queues.set(name, queue)
    }
  }

  get all(): readonly SinkQueue<EncodedRow>[] {
    return [...this.#queues.values()]
  }

  lackFor(effects: readonly EncodedEffect[]): TroupeError | null {
    for (const effect of effects) {
      const lack = effect.type === 'row' ? this.lackOf(effect.sink) : null
      if (lack !== null) return lack
    }
    return null
  }

  /** Start-up names every missing sink, so this is a handler whose declaration has changed since. */
  lackOf(sink: string): TroupeError | null {
    return this.#queues.has(sink) ? null : new TroupeError('SINK_MISSING', `the app has no sink ${sink}`)
  }

  push(sink: string, row: QueuedOutput<EncodedRow>): void {
    this.#queues.get(sink)?.push(row)
  }

  /** A sink has so much to write that more would only wait. */
  get isSated(): boolean {
    for (const queue of this.#queues.values()) if (queue.hasEnough) return true
    return false
  }

  troubles(): { sink: string; sinceMs: number; reason: string }[] {
    return this.all.flatMap((queue) => (queue.trouble === null ? [] : [{ sink: queue.name, ...queue.trouble }]))
  }

  close(): void {
    for (const queue of this.#queues.values()) queue.close()
  }
}
