/** What a fake broker does wrong, as plain switches: set them when it should begin, unset them when it should end. */
import type { CommitReport, StoredPosition } from '../../streams/broker-port.ts'
import type { OutputRecord } from '../../streams/record.ts'
import type { TransactionFault } from '../../streams/transaction-port.ts'

/** What a transactional producer asks of the brokers. */
export type TransactionStep = 'connect' | 'write' | 'positions' | 'commit' | 'abort' | 'try'

export class FakeFaults {
  /** Nothing gets through: no fetch, no query, no commit, no write. Members stay members. */
  areBrokersAway = false
  /** Nothing is delivered of these partitions (`topic/partition`), though their logs have more. */
  readonly silentPartitions = new Set<string>()
  /** Writes reject with SINK_UNAVAILABLE. Some records of the batch may be durable nevertheless, as with the real client. */
  isProducingUnavailable = false
  /** Share (0..1) of writes that become durable and reject all the same, because the acknowledgement is lost. */
  lostAcknowledgements = 0
  /** Refuses single records for good. Returns the reason, or null. */
  refuseRecord: (record: OutputRecord) => string | null = () => null
  /** Answers a commit otherwise than by taking it; null takes it. `fenced` expels the member. */
  answerCommit: (client: string, positions: readonly StoredPosition[]) => CommitReport['result'] | null = () => null

  // --- transactions

  /** Refuses a batch of a transaction as a whole, though each of its records is taken alone when it is tried. */
  refuseTogether: (batch: readonly OutputRecord[]) => boolean = () => false
  /**
   * Answers a step of a transaction otherwise than by taking it; null takes it. `fenced` is as if somebody had taken the
   * id; `not-a-member` expels the member whose positions they are; `unknown` to a commit that has never arrived.
   */
  answerTransaction: (step: TransactionStep, client: string, transactionalId: string) => TransactionFault | null = () =>
    null
  /** Share (0..1) of commits that stand and fail as `unknown` all the same, because the answer is lost. */
  lostCommitAnswers = 0
  /** How long the brokers take over a step. */
  transactionDelayMs: (step: TransactionStep, client: string) => number = () => 0
  /**
   * What ended transactions leave here is not written, because a broker is away in the middle of it: partitions
   * (`topic/partition`), and groups, whose positions stay pending.
   */
  readonly heldMarkers = new Set<string>()
  /** They take transactions, and look at no member's generation in them. */
  areBrokersOld = false
  /** Topics can be seen, and neither made nor deleted. */
  mayChangeTopics = true
}
