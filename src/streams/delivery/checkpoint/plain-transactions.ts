/**
 * What stands for transactions where brokers have none: the embedded one keeps no positions of a transaction, and shows what
 * was aborted. Outputs first, then the positions, as at least once: after a crash in between, outputs come again.
 */
import { TroupeError, isTroupeError } from '../../../errors.ts'
import type { BrokerConsumer, BrokerProducer, StoredPosition, WriteResult } from '../../broker-port.ts'
import type { OutputRecord } from '../../record.ts'
import { TransactionError, type TransactionalProducer } from '../../transaction-port.ts'
import type { CommitEvents } from '../delivery.ts'

/** One batch is in flight, so a batch is what a round trip is worth. */
const MAX_RECORDS_PER_BATCH = 2_000

export class PlainTransactions implements TransactionalProducer {
  readonly #producer: BrokerProducer
  readonly #events: Pick<CommitEvents, 'onRefused'>
  #consumer: BrokerConsumer | null = null
  #positions: StoredPosition[] = []
  #refused = new Map<OutputRecord, Error>()

  constructor(producer: BrokerProducer, events: Pick<CommitEvents, 'onRefused'>) {
    this.#producer = producer
    this.#events = events
  }

  connect(): Promise<void> {
    return this.#producer.connect()
  }

  begin(): void {
    this.#positions = []
    this.#refused = new Map()
  }

  async send(records: readonly OutputRecord[]): Promise<void> {
    for (let at = 0; at < records.length; at += MAX_RECORDS_PER_BATCH) {
      await this.#write(records.slice(at, at + MAX_RECORDS_PER_BATCH))
    }
    const [reason] = this.#refused.values()
    if (reason !== undefined) throw new TransactionError('refused', reason.message, { cause: reason })
  }

  async #write(batch: readonly OutputRecord[]): Promise<void> {
    for (let open = batch; open.length > 0;) {
      const answers = await this.#producer.write(open).catch((cause: unknown) => {
        if (!isTroupeError(cause) || !cause.retryable) throw cause
        throw new TransactionError('unavailable', cause.message, { cause })
      })
      const again: OutputRecord[] = []
      for (const [at, record] of open.entries()) {
        const answer = answers[at]
        if (answer === undefined) throw new TroupeError('INTERNAL', 'a producer gave no answer for a record')
        if (answer === 'again') again.push(record)
        else if (answer !== null) this.#refused.set(record, answer)
      }
      open = again
    }
  }

  sendPositions(consumer: BrokerConsumer, positions: readonly StoredPosition[]): Promise<void> {
    this.#consumer = consumer
    this.#positions.push(...positions)
    return Promise.resolve()
  }

  /** The client commits them on an interval of its own, and when partitions are given back. */
  commit(): Promise<void> {
    const refused = this.#consumer?.storePositions(this.#positions) ?? []
    if (refused.length > 0) this.#events.onRefused(refused)
    return Promise.resolve()
  }

  /** What was written stands. */
  abort(): Promise<void> {
    return Promise.resolve()
  }

  /** As they were answered for when they were sent. */
  tryRecords(records: readonly OutputRecord[]): Promise<readonly WriteResult[]> {
    return Promise.resolve(records.map((record) => this.#refused.get(record) ?? null))
  }

  /** Its producer sends what is refused again, each record alone. */
  sendSmaller(): boolean {
    return false
  }

  disconnect(): Promise<void> {
    return this.#producer.disconnect()
  }
}
