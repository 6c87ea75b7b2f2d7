/**
 * Delivery at least once: outputs are made durable by their sinks, then the record counts as
 * finished, then its position is stored. One queue per sink; dead letters have a producer of their
 * own, because a flush waits for everything its producer holds.
 */
import type { Clock } from '../../clock.ts'
import { isTroupeError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { EngineStats } from '../../metrics/stats.ts'
import type { Broker } from '../broker.ts'
import type { BrokerConsumer, BrokerProducer, CommitReport, WriteResult } from '../broker-port.ts'
import type { EncodedEffect } from '../flows/effect-encoder.ts'
import type { OutputRecord } from '../record.ts'
import { Committer } from './committer.ts'
import { smallerLetter, type DeadLetter } from './dead-letter.ts'
import type { CompletionSnapshot } from '../positions/completion-map.ts'
import type { CommittedPartition, Delivery, CommitEvents, HandledTicket } from './delivery.ts'
import { RowQueues } from './row-queues.ts'
import { SinkQueue, type Ticket } from './sink-queue.ts'
import type { Sink } from './sink.ts'

export interface AtLeastOnceOptions {
  readonly broker: Pick<Broker, 'producer'>
  readonly sinks: Readonly<Record<string, Sink>>
  /** Records for Kafka wait so long for others. Default 0. */
  readonly lingerMs?: number
  /** What is finished is committed within this time, milliseconds. */
  readonly commitIntervalMs: number
  /** How many partitions share one commit. */
  readonly assignedCount: () => number
  readonly events: CommitEvents
  readonly clock: Clock
  readonly log: Log
  readonly stats: EngineStats
}

/** Records per batch: one batch is in flight per producer, so a batch is what a round trip is worth. */
const MAX_RECORDS_PER_BATCH = 2_000

export class AtLeastOnceDelivery implements Delivery {
  readonly kind = 'at-least-once'
  readonly finishesWhen = 'durable'
  readonly #options: AtLeastOnceOptions
  readonly #outputProducer: BrokerProducer
  readonly #deadLetterProducer: BrokerProducer
  readonly #outputs: SinkQueue<OutputRecord>
  readonly #deadLetters: SinkQueue<OutputRecord>
  readonly #rows: RowQueues
  readonly #committer: Committer
  /** Producers that have begun to connect. */
  readonly #begun: BrokerProducer[] = []
  onWritten: () => void = () => undefined
  onFailure: (error: unknown) => void = () => undefined

  constructor(options: AtLeastOnceOptions) {
    this.#options = options
    const { broker, commitIntervalMs } = options
    this.#outputProducer = broker.producer('outputs')
    this.#deadLetterProducer = broker.producer('dead-letters')
    this.#outputs = this.#queue('kafka', this.#outputProducer)
    this.#deadLetters = this.#queue('dead-letters', this.#deadLetterProducer)
    this.#rows = new RowQueues({
      ...options,
      onWritten: () => {
        this.onWritten()
      },
      onFailure: (error) => {
        this.onFailure(error)
      },
    })
    // The consumer sends what it is given on an interval of its own: half and half make the whole.
    this.#committer = new Committer({ ...options, intervalMs: commitIntervalMs / 2 })
  }

  async connect(): Promise<void> {
    for (const producer of [this.#outputProducer, this.#deadLetterProducer]) {
      this.#begun.push(producer)
      await producer.connect()
    }
  }

  async disconnect(): Promise<void> {
    const { waits } = this.#options.stats
    const ends = this.#begun.splice(0).map((producer) => () => {
      const name = producer === this.#outputProducer ? 'outputs' : 'dead-letters'
      return waits.answer('producer-close', name, producer.disconnect())
    })
    await inTurn(ends)
  }

  partitionCounts(topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return this.#outputProducer.partitionCounts(topics)
  }

  begin(consumer: BrokerConsumer): void {
    this.#committer.begin(consumer)
  }

  end(): void {
    this.#committer.end()
  }

  noteReport(report: CommitReport): void {
    this.#committer.noteReport(report)
  }

  deliver(ticket: HandledTicket, effects: readonly EncodedEffect[]): Error | null {
    const lack = this.#rows.lackFor(effects)
    if (lack !== null) return lack
    const { id } = ticket
    let index = 0
    for (const effect of effects) {
      const outputId = `${id}/${index}`
      index += 1
      if (effect.type === 'record') this.#outputs.push({ id: outputId, output: effect.record, ticket })
      else this.#rows.push(effect.sink, { id: outputId, output: effect.row, ticket })
    }
    return null
  }

  deadLetter(ticket: Ticket, id: string, letter: DeadLetter): void {
    const settleOrShrink = (result: WriteResult): void => {
      // The last resort must not fail for what we have added to the record.
      const smaller = isTroupeError(result) && result.code === 'RECORD_TOO_LARGE' ? smallerLetter(letter) : null
      if (smaller === null) ticket.settle(result)
      else this.deadLetter(ticket, id, smaller)
    }
    this.#deadLetters.push({ id, output: letter, ticket: { owner: ticket.owner, settle: settleOrShrink } })
  }

  noteProgress(partition: CommittedPartition): void {
    this.#committer.noteProgress(partition)
  }

  /** Sinks have written by the end of the drain; what is left are the positions, which the consumer commits when the partitions are given back. */
  makeDurableSoon(partitions: readonly CommittedPartition[]): void {
    void this.makeDurable(partitions)
  }

  makeDurable(partitions: readonly CommittedPartition[]): Promise<void> {
    this.#committer.storeNow(partitions)
    return Promise.resolve()
  }

  /** A commit on its way carries what this member has stored, whoever is next. */
  atRest(): Promise<void> {
    return Promise.resolve()
  }

  recorded({ tracker }: CommittedPartition): CompletionSnapshot | null {
    return tracker.snapshot()
  }

  forget(partition: CommittedPartition): void {
    this.#committer.forget(partition)
  }

  get isSated(): boolean {
    return this.#outputs.hasEnough || this.#deadLetters.hasEnough || this.#rows.isSated
  }

  troubles(): { sink: string; sinceMs: number; reason: string }[] {
    return [this.#outputs, this.#deadLetters, ...this.#rows.all].flatMap((queue) =>
      queue.trouble === null ? [] : [{ sink: queue.name, ...queue.trouble }],
    )
  }

  close(): void {
    for (const queue of [this.#outputs, this.#deadLetters, ...this.#rows.all]) queue.close()
  }

  #queue(name: string, producer: BrokerProducer): SinkQueue<OutputRecord> {
    const { clock, lingerMs = 0, log, stats } = this.#options
    const queue = new SinkQueue<OutputRecord>({
      ...{ name, lingerMs, clock, log, maxBatch: MAX_RECORDS_PER_BATCH, stats: stats.sink(name), waits: stats.waits },
      write: (batch) => producer.write(batch.map(({ output }) => output)),
      onWritten: () => {
        this.onWritten()
      },
    })
    queue.onFailure = (error) => {
      this.onFailure(error)
    }
    return queue
  }
}

/** Each also after a failure of the one before; rejects with the first. */
async function inTurn([first, ...rest]: readonly (() => Promise<void>)[]): Promise<void> {
  try {
    await first?.()
  } finally {
    if (rest.length > 0) await inTurn(rest)
  }
}
