/**
 * Delivery at least once: outputs are made durable by their sinks, then the record counts as
 * finished, then its position is stored. One queue per sink; dead letters have a producer of their
 * own, because a flush waits for everything its producer holds.
 */
import type { Clock } from '../../clock.ts'
import { TroupeError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { BrokerProducer, WriteAnswer, WriteResult } from '../broker-port.ts'
import type { Committer } from './committer.ts'
import type { CommittedPartition, Delivery } from './delivery.ts'
import type { EncodedEffect } from '../flows/flow.ts'
import type { OutputRecord } from '../record.ts'
import { SinkQueue, type OutputOwner } from './sink-queue.ts'
import type { EncodedRow, Sink, SinkWrite } from './sink.ts'
import type { EngineStats } from '../../metrics/stats.ts'

export interface AtLeastOnceOptions {
  readonly outputs: BrokerProducer
  readonly deadLetters: BrokerProducer
  readonly sinks: Readonly<Record<string, Sink>>
  readonly committer: Committer
  readonly clock: Clock
  readonly log: Log
  readonly stats: EngineStats
}

/** Records per batch: one batch is in flight per producer, so a batch is what a round trip is worth. */
const MAX_RECORDS_PER_BATCH = 2_000

export class AtLeastOnceDelivery implements Delivery {
  readonly kind = 'at-least-once'
  readonly #options: AtLeastOnceOptions
  readonly #outputs: SinkQueue<OutputRecord>
  readonly #deadLetters: SinkQueue<OutputRecord>
  readonly #sinks = new Map<string, SinkQueue<EncodedRow>>()
  onWritten: () => void = () => undefined

  constructor(options: AtLeastOnceOptions) {
    this.#options = options
    this.#outputs = this.#queue('kafka', MAX_RECORDS_PER_BATCH, recordWriter(options.outputs))
    this.#deadLetters = this.#queue('dead-letters', MAX_RECORDS_PER_BATCH, recordWriter(options.deadLetters))
    for (const [name, sink] of Object.entries(options.sinks)) {
      this.#sinks.set(
        name,
        this.#queue(name, sink.maxBatch, (batch) => sink.write(batch)),
      )
    }
  }

  deliver(
    owner: OutputOwner,
    id: string,
    effects: readonly EncodedEffect[],
    settle: (result: WriteResult) => void,
  ): void {
    for (const [index, effect] of effects.entries()) {
      const outputId = `${id}/${index}`
      switch (effect.type) {
        case 'record':
          this.#outputs.push({ id: outputId, output: effect.record, owner, settle })
          break
        case 'row': {
          const queue = this.#sinks.get(effect.sink)
          // Start-up names every missing sink, so this is a handler whose declaration changed since.
          if (queue === undefined) settle(new TroupeError('SINK_MISSING', `the app has no sink ${effect.sink}`))
          else queue.push({ id: outputId, output: effect.row, owner, settle })
          break
        }
      }
    }
  }

  deadLetter(owner: OutputOwner, id: string, record: OutputRecord, settle: (result: WriteResult) => void): void {
    this.#deadLetters.push({ id, output: record, owner, settle })
  }

  noteProgress(partition: CommittedPartition): void {
    this.#options.committer.noteProgress(partition)
  }

  storeNow(partitions: readonly CommittedPartition[]): void {
    this.#options.committer.storeNow(partitions)
  }

  get isSated(): boolean {
    if (this.#outputs.hasEnough || this.#deadLetters.hasEnough) return true
    for (const queue of this.#sinks.values()) if (queue.hasEnough) return true
    return false
  }

  troubles(): { sink: string; sinceMs: number; reason: string }[] {
    return [this.#outputs, this.#deadLetters, ...this.#sinks.values()].flatMap((queue) =>
      queue.trouble === null ? [] : [{ sink: queue.name, ...queue.trouble }],
    )
  }

  /** Writes nothing more; what waits is handled again by the next owner. */
  close(): void {
    for (const queue of [this.#outputs, this.#deadLetters, ...this.#sinks.values()]) queue.close()
  }

  #queue<Output>(
    name: string,
    maxBatch: number,
    write: (batch: readonly SinkWrite<Output>[]) => Promise<readonly WriteAnswer[]>,
  ): SinkQueue<Output> {
    const { clock, log, stats } = this.#options
    const onWritten = (): void => {
      this.onWritten()
    }
    return new SinkQueue({ name, maxBatch, write, clock, log, stats: stats.sink(name), waits: stats.waits, onWritten })
  }
}

function recordWriter(
  producer: BrokerProducer,
): (batch: readonly SinkWrite<OutputRecord>[]) => Promise<readonly WriteAnswer[]> {
  return (batch) => producer.write(batch.map((write) => write.output))
}
