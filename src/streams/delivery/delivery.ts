/**
 * How outputs and positions become durable. One interface for two kinds: at least once (outputs
 * first, then the position), and transactions (later: one commit makes both durable).
 */
import type { TroupeError } from '../../errors.ts'
import type { WriteResult } from '../broker-port.ts'
import type { EncodedEffect } from '../flows/flow.ts'
import type { OffsetTracker } from '../positions/offset-tracker.ts'
import type { OutputRecord, TopicPartition } from '../record.ts'
import type { OutputOwner } from './sink-queue.ts'

/** A partition whose positions are committed: one actor's, for one epoch. */
export interface CommittedPartition extends TopicPartition, OutputOwner {
  readonly tracker: OffsetTracker
  /** Of which topic its positions are (`topic-origin.ts`): goes with each of them, when it is known. */
  readonly originText?: string
  /** The intake of this partition stops while its completion map is near the limit. */
  setIntakeBlocked(isBlocked: boolean): void
  /** The position goes without its completion map, which is too long: after a crash what is finished beyond it is handled again. */
  setMapLeftOut(isLeftOut: boolean): void
}

export interface Delivery {
  readonly kind: 'at-least-once' | 'transactions'
  /**
   * Takes the outputs of one handled record, in the order of its lane; each sink keeps that order.
   * `settle` is called once per output, in no particular order among sinks.
   */
  deliver(
    owner: OutputOwner,
    id: string,
    effects: readonly EncodedEffect[],
    settle: (result: WriteResult) => void,
  ): void
  /** Takes a record for the dead-letter topic, through a producer of its own. */
  deadLetter(owner: OutputOwner, id: string, record: OutputRecord, settle: (result: WriteResult) => void): void
  /** Something finished in this partition: its position goes with one of the next commits. */
  noteProgress(partition: CommittedPartition): void
  /** Hands the positions of these partitions to the client at once, for a revoke or a stop. */
  storeNow(partitions: readonly CommittedPartition[]): void
  /** A destination has so much to write that more outputs would only wait. */
  readonly isSated: boolean
  /** Called when some outputs were written. Set by who brings records. */
  onWritten: () => void
  /** Why outputs wait, by sink. Empty: nothing does. */
  troubles(): readonly { readonly sink: string; readonly sinceMs: number; readonly reason: string }[]
}

/** What a delivery tells its supervisor. */
export interface DeliveryEvents {
  /** The broker says that these partitions are not ours: fence them. */
  onRefused(partitions: readonly TopicPartition[]): void
  onTrouble(error: TroupeError): void
}
