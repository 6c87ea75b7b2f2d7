/**
 * How outputs, state and positions become durable, and the only door to it: nobody else knows who writes or commits. One
 * interface for two kinds: at least once (outputs first, then the position), and checkpoints (one transaction makes all of
 * it durable).
 */
import type { BrokerConsumer, CommitReport, WriteResult } from '../broker-port.ts'
import type { EncodedEffect } from '../flows/effect-encoder.ts'
import type { CompletionSnapshot } from '../positions/completion-map.ts'
import type { OffsetTracker } from '../positions/offset-tracker.ts'
import type { TopicOrigin } from '../positions/topic-origin.ts'
import type { OutputRecord, TopicPartition } from '../record.ts'
import type { DeadLetter } from './dead-letter.ts'
import type { OutputOwner, Ticket } from './sink-queue.ts'

/** A partition whose positions are committed: one input of an actor, for one epoch. */
export interface CommittedPartition extends TopicPartition, OutputOwner {
  readonly tracker: OffsetTracker
  /** Of which topic its positions are: goes with each of them. null or missing: not known. */
  readonly origin?: TopicOrigin | null
  /** The intake of this partition stops while its completion map is near the limit. */
  setIntakeBlocked(isBlocked: boolean): void
  /** The position goes without its completion map, which is too long: after a crash what is finished beyond it is handled again. */
  setMapLeftOut(isLeftOut: boolean): void
}

/** The same, of an owner whose inputs are committed together. */
export interface OwnedPartition extends CommittedPartition {
  readonly owner: CheckpointOwner
  /** Its position is a part of its owner's state: the group commits none. */
  readonly isCompanion?: boolean
  /** So far it stands by now; told where the group commits none. */
  noteCommitted?(position: number): void
}

/** Whose outputs, state and positions become durable together: a partition actor, for one epoch. */
export interface CheckpointOwner extends OutputOwner {
  readonly inputs: readonly OwnedPartition[]
  /** null: its handler keeps none. */
  readonly state: CheckpointedState | null
  /** What is settled within `settle` is of one checkpoint: what came of it is told once. */
  settleTogether(settle: () => void): void
  /** A checkpoint of it stands. */
  noteStanding(): void
}

/**
 * The state of a partition, as a checkpoint sees it. Changes of handled records gather in the next generation; a freeze makes
 * it the frozen one, which stays as it is, and readable, until it is committed.
 */
export interface CheckpointedState {
  /** It was restored: before that nothing of its partition is part of a checkpoint. */
  readonly isReady: boolean
  /** Something has changed since the last freeze. */
  readonly hasChanges: boolean
  /** Synchronous. Only while nothing is frozen. Also where nothing has changed: the position gets the same number. */
  freeze(checkpoint: number): void
  /**
   * Makes the bytes of the frozen generation. False: something in it cannot be written, and nobody knows any more which record it
   * is of: all since the last checkpoint has to be handled again, of whatever comes from `rewound`, which knows it at once.
   */
  encodeFrozen(): Promise<boolean>
  /** What the changelog gets of the frozen generation: each key once, and always the meta record. Again the same at each call. */
  frozenRecords(): Iterable<OutputRecord>
  /** The frozen generation stands in the changelog: it is the base now. Resolves when the store has it as well. */
  commit(): Promise<void>
  /** The same as it was at the last checkpoint: what has changed since is no part of it. Nothing is asked of this one any more. */
  rewound(): CheckpointedState
}

export interface Refusal {
  /** What the destination has said. */
  readonly error: Error
  /** Not an output, but the record's dead letter: which is the end of the line. */
  readonly isOfLetter: boolean
}

/** Records of which a destination has refused something for good, by `topic/partition/offset`. */
export type Refusals = ReadonlyMap<string, Refusal>

/** The outputs of a record, which a checkpoint makes durable together: it answers once for all of them. */
export interface HandledTicket extends Ticket {
  readonly owner: CheckpointOwner
  /** That of its record. Made each time it is asked for, which few do. */
  readonly id: string
  /** What its record, and what that has set, counts against the intake's budget. */
  readonly bytes: number
  /** What is kept of it beside its record until it is settled, set by who keeps that: it counts as well. */
  keptBytes: number
  settleAll(result: WriteResult): void
}

/** A dead letter on its way: answered once. */
export interface LetterTicket {
  readonly owner: CheckpointOwner
  readonly settle: (result: WriteResult) => void
}

/** What partition actors ask of it. */
export interface ActorDelivery {
  /**
   * When a record counts as finished in its tracker. `durable`: when its outputs are. `handled`: at once, since its outputs
   * become durable in one step with the position that says so; only its credit is kept until then.
   */
  readonly finishesWhen: 'durable' | 'handled'
  /**
   * Takes the outputs of one handled record, in the order of its lane; each sink keeps that order. An error: one of them
   * has no way to go, so none was taken, and nothing will be settled.
   */
  deliver(ticket: HandledTicket, effects: readonly EncodedEffect[]): Error | null
  /**
   * Takes a record for the dead-letter topic, through a producer of its own. One that is too large
   * goes again with less of what we have added to it; refused is what is too large alone.
   */
  deadLetter(ticket: LetterTicket, id: string, letter: DeadLetter): void
  /** Something finished in this partition: its position goes with one of the next commits. */
  noteProgress(partition: OwnedPartition): void
}

export interface Delivery extends ActorDelivery {
  readonly kind: 'at-least-once' | 'exactly-once'
  /** Connects to where outputs go. */
  connect(): Promise<void>
  /** Number of partitions of each topic; a topic that does not exist is absent. */
  partitionCounts(topics: readonly string[]): Promise<ReadonlyMap<string, number>>
  /** A member has joined: positions are committed through its consumer from now on, until `end`. */
  begin(consumer: BrokerConsumer): void
  end(): void
  /** Takes the broker's answer to a commit. */
  noteReport(report: CommitReport): void
  /**
   * Resolves when what these partitions have finished is on record, as far as this kind can within this time: the last step
   * before they are given back. What is unfinished, or fenced meanwhile, or was late, is no part of it.
   */
  makeDurable(partitions: readonly OwnedPartition[], withinMs: number): Promise<void>
  /** Of partitions that go on: what is known of them is on record as soon as may be, and nobody waits for it. */
  makeDurableSoon(partitions: readonly OwnedPartition[]): void
  /**
   * Resolves when nothing is under way that could still move a position: no transaction is open. Until then no revoke is
   * answered and no consumer disconnected, or it would come after the next owner's. Of fenced owners it is aborted.
   */
  atRest(): Promise<void>
  /** What of this partition stands, or is about to, whatever the brokers say just now. null: what they say. */
  recorded(partition: OwnedPartition): CompletionSnapshot | null
  /** The epoch of this partition has ended. */
  forget(partition: OwnedPartition): void
  /** A destination has so much to write that more outputs would only wait. */
  readonly isSated: boolean
  /** Called when some outputs were written. Set by who brings records. */
  onWritten: () => void
  /** Called when it cannot go on: with a TroupeError that says why, or else it is a bug. Set by who ends it, or begins anew. */
  onFailure: (error: unknown) => void
  /** Why outputs wait, by sink. Empty: nothing does. */
  troubles(): readonly { readonly sink: string; readonly sinceMs: number; readonly reason: string }[]
  /** Writes nothing more; what waits is handled again by the next owner. */
  close(): void
  /** Ends the connections of `connect`. */
  disconnect(): Promise<void>
}

/** What the broker says of positions. */
export interface CommitEvents {
  /** The broker says that these partitions are not ours: fence them. */
  onRefused(partitions: readonly TopicPartition[]): void
  /** The broker has accepted this position. */
  onCommitted(partition: TopicPartition, position: number): void
}

/** What a delivery tells its supervisor. */
export interface DeliveryEvents extends CommitEvents {
  /**
   * Some of what this owner has handled cannot be committed, because a destination refuses outputs of these records for
   * good. It has to begin again where its last checkpoint stands, and to give those records up instead of handling them.
   */
  onRefusedOutputs(owner: CheckpointOwner, refusals: Refusals, bases: readonly CheckpointBase[]): void
}

/** Where an input stood at the last checkpoint; null: where its epoch began. */
export interface CheckpointBase {
  readonly input: OwnedPartition
  readonly snapshot: CompletionSnapshot | null
}
