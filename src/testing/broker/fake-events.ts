/** What happened at a fake broker, for checkers. In the order it happened. */
import type { CommitReport, RebalanceEvent, StartPosition, StoredPosition } from '../../streams/broker-port.ts'
import type { OutputRecord, SourceRecord, TopicPartition } from '../../streams/record.ts'

export type FakeBrokerEvent =
  /** A record stands in a log, and can be seen by who reads what is committed. `client`: the producer's process; null: the test put it there. */
  | { readonly type: 'appended'; readonly client: string | null; readonly record: SourceRecord }
  /**
   * A transaction has ended: it stands from now on, or never will. `appended` and `committed` follow when others can see it.
   * `asked` by its client, `fenced` by another one of its id, or `timed-out`.
   */
  | {
      readonly type: 'transaction'
      readonly client: string
      readonly transactionalId: string
      readonly outcome: 'committed' | 'aborted'
      readonly reason: 'asked' | 'fenced' | 'timed-out'
      readonly records: readonly SourceRecord[]
      readonly positions: readonly StoredPosition[]
    }
  /** An application called `write`. What of it becomes durable, `appended` says. */
  | { readonly type: 'write'; readonly client: string; readonly records: readonly OutputRecord[] }
  /** The application was told. */
  | { readonly type: 'rebalance'; readonly client: string; readonly event: RebalanceEvent }
  /** The application answered, and the answer counted. */
  | {
      readonly type: 'assigned'
      readonly client: string
      readonly eventId: number
      readonly starts: readonly StartPosition[]
    }
  | {
      readonly type: 'unassigned'
      readonly client: string
      readonly eventId: number
      readonly partitions: readonly TopicPartition[]
      readonly lost: boolean
    }
  | { readonly type: 'stored'; readonly client: string; readonly positions: readonly StoredPosition[] }
  /** The group's committed position is this from now on. */
  | { readonly type: 'committed'; readonly client: string; readonly position: StoredPosition }
  /** A client got the answer to a commit. */
  | {
      readonly type: 'commit'
      readonly client: string
      readonly positions: readonly StoredPosition[]
      readonly report: CommitReport
    }
  /** The coordinator does not count this client among the members any more. */
  | { readonly type: 'expelled'; readonly client: string }
  | { readonly type: 'crashed'; readonly client: string }
  | { readonly type: 'disconnected'; readonly client: string }
