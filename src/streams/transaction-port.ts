/**
 * Transactions on Kafka, as the engine asks for them: outputs, changelog and positions that become visible together or
 * not at all. `kafka/` has the real one, `troupe/testing` a fake; one contract suite runs against both.
 *
 * Nothing here decides anything. What a step failed of is said as data (`TransactionFault`); whoever runs the
 * transaction aborts, sends the same again, or ends.
 */
import type { BrokerConsumer, StoredPosition, WriteResult } from './broker-port.ts'
import type { OutputRecord } from './record.ts'

/**
 * - `stale-generation` the group has moved on while this member kept its partitions (errors 22, 113): abort, the same
 *                      again with fresh group metadata.
 * - `not-a-member`     the group does not know this member any more (25, 82): the epoch has ended.
 * - `fenced`           somebody has taken the id, or the broker has ended the transaction for its time-out (-144, 47, 90):
 *                      this client can do nothing more until `connect` was called again.
 * - `refused`          a record is refused for good (too large, unknown topic): abort; `tryRecords` says which.
 * - `metadata-too-long` these brokers keep less text with a position than was sent (error 12): abort, and
 *                      begin again with less to tell.
 * - `not-allowed`      no right on a topic, on the group, or on the id. The message names it.
 * - `unknown`          the commit was asked for and not answered: `connect` again, which settles it one way or the
 *                      other, then `committed()` of the consumer tells which.
 * - `unavailable`      brokers are away, or slow: abort, later again.
 */
export type TransactionFault =
  | 'stale-generation'
  | 'not-a-member'
  | 'fenced'
  | 'refused'
  | 'metadata-too-long'
  | 'not-allowed'
  | 'unknown'
  | 'unavailable'

export class TransactionError extends Error {
  readonly fault: TransactionFault

  constructor(fault: TransactionFault, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = 'TransactionError'
    this.fault = fault
  }
}

export interface TransactionalProducerOptions {
  /** One for each live process: whoever connects with it fences whoever had it before. */
  readonly transactionalId: string
  /** The brokers abort what was left open after so long, milliseconds. */
  readonly transactionTimeoutMs: number
}

/** The calls of one transaction are made one after the other, each awaited: begin, send, sendPositions, commit or abort. */
export interface TransactionalProducer {
  /**
   * Connects and takes the id: what an earlier client of it left open is ended by then. Again after `fenced` or
   * `unknown`, with a client made anew. Rejects with a TroupeError that names the cause: BROKER_UNREACHABLE,
   * TRANSACTION_NOT_ALLOWED (no right on the id), TRANSACTIONS_UNSUPPORTED (brokers that are too old).
   */
  connect(): Promise<void>
  /** Opens a transaction. Nothing crosses to the brokers before the first record. */
  begin(): void
  /**
   * Hands records over; those of a partition keep their order. Resolves when the client has taken all of them, and gives
   * way to the event loop meanwhile. Whether they were written is for `commit` to say. Rejects with a TransactionError.
   */
  send(records: readonly OutputRecord[]): Promise<void>
  /** Positions become the group's with the commit. As this consumer's member of the group: its generation is asked for anew at each call. */
  sendPositions(consumer: BrokerConsumer, positions: readonly StoredPosition[]): Promise<void>
  /** Resolves when everything stands. Rejects with a TransactionError: `unknown` where nobody can say whether it does. */
  commit(): Promise<void>
  /** Nothing of it will be seen by anybody who reads what is committed. Resolves as well when none was open. */
  abort(): Promise<void>
  /** Which of these the brokers refuse: each is sent, with a report of its own, in a transaction that is then aborted. */
  tryRecords(records: readonly OutputRecord[]): Promise<readonly WriteResult[]>
  /**
   * Records go over in smaller batches from the next `connect` on: a topic may take less at once than a batch, and then
   * refuses together what it takes alone. False: each goes alone already.
   */
  sendSmaller(): boolean
  /** An open transaction is aborted. Idempotent. Resolves within 15 s. */
  disconnect(): Promise<void>
}
