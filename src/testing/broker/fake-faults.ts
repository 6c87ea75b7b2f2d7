/** What a fake broker does wrong, as plain switches: set them when it should begin, unset them when it should end. */
import type { CommitReport, StoredPosition } from '../../streams/broker-port.ts'
import type { OutputRecord } from '../../streams/record.ts'

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
}
