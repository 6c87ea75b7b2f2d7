/**
 * What happened in a simulated world, in order. The checkers read nothing else, so what they prove
 * does not depend on who wrote it.
 */

/** A record of an input topic. */
export interface Origin {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

export interface PartitionPlace {
  readonly topic: string
  readonly partition: number
}

/** `unfinished`: ascending runs `from, to, …` of what its map shows as unfinished below `frontier`. */
export interface Commit extends PartitionPlace {
  readonly position: number
  readonly frontier: number
  readonly unfinished: readonly number[]
  /** With which checkpoint it was committed; missing or null: it says none. */
  readonly checkpoint?: number | null
}

/** What a transaction has made of the state of one partition of an input. */
export interface StateCommit extends PartitionPlace {
  /** null: it does not say. */
  readonly checkpoint: number | null
  readonly streamTime: number | null
  readonly values: readonly StateEntry[]
}

/** `value` null: there is none any more. */
export interface StateEntry {
  readonly state: string
  readonly key: string
  readonly value: unknown
}

/** One output of a record: to a topic, a table, or the dead-letter topic. */
export interface OutputName {
  readonly origin: Origin
  /** Its place among the outputs of the record; `dead-letter` for a dead letter. */
  readonly index: number | 'dead-letter'
}

/** What a record of this world has to come to. */
export type Fate =
  { readonly type: 'outputs'; readonly count: number } | { readonly type: 'dead-letter' } | { readonly type: 'skip' }

/** `ignored`: it ended long after its abort signal. `died`: its thread ended under it. */
export type HandlerResult = 'done' | 'skip' | 'dead-letter' | 'retry' | 'threw' | 'aborted' | 'ignored' | 'died'

type EventBody =
  /** A record stands in an input topic. `key` null: it has none, and no order among others. */
  | ({
      readonly type: 'input'
      readonly key: string | null
      readonly fate: Fate
      readonly timestampMs?: number
    } & Origin)
  /** Retention or compaction took it: nobody has to handle it any more. */
  | ({ readonly type: 'removed' } & Origin)
  /** The member was told that these are its own; it asks for their commits and begins. */
  | { readonly type: 'offered'; readonly client: string; readonly partitions: readonly PartitionPlace[] }
  /** `position`: where the member begins. Begins an epoch of these partitions in this client. */
  | {
      readonly type: 'assigned'
      readonly client: string
      readonly starts: readonly (PartitionPlace & { readonly position: number })[]
    }
  /** Ends the epoch: the member gave them back, or was told that they are lost. */
  | {
      readonly type: 'fenced'
      readonly client: string
      readonly partitions: readonly PartitionPlace[]
      /** It has answered a revoke, or left the group: from here on others may have them. */
      readonly isAnswer?: true
    }
  /** The member begins again at its last checkpoint, in memory: a new epoch of the partition, without an assignment. */
  | ({ readonly type: 'rewound'; readonly client: string } & PartitionPlace)
  /** These went to a thread together. The end of an epoch does not call them back. */
  | { readonly type: 'handed'; readonly client: string; readonly batch: number; readonly records: readonly Origin[] }
  /** A thread has ended, and main does not know what became of these: they go again, each lane from its first. */
  | {
      readonly type: 'lost'
      readonly client: string
      readonly records: readonly (Origin & { readonly batch: number })[]
    }
  /** `batch`: on a thread, the one that it came with. `call`: of several records, by its number at its handler. */
  | ({
      readonly type: 'handle-begin'
      readonly client: string
      readonly attempt: number
      readonly batch?: number
      readonly call?: number
    } & Origin)
  | ({
      readonly type: 'handle-end'
      readonly client: string
      readonly attempt: number
      readonly batch?: number
      readonly call?: number
      readonly result: HandlerResult
    } & Origin)
  /** The member began to write these, in this order, to one sink. */
  | { readonly type: 'write'; readonly client: string; readonly sink: string; readonly outputs: readonly OutputName[] }
  /** This is durable in a sink, in the order of its log. */
  | { readonly type: 'durable'; readonly client: string; readonly sink: string; readonly output: OutputName }
  /** The group's commit stands at this. */
  | ({ readonly type: 'committed'; readonly client: string } & Commit)
  /** A transaction was decided. What is `durable` and `committed` with it follows at once. */
  | {
      readonly type: 'transaction'
      readonly client: string
      readonly outcome: 'committed' | 'aborted'
      readonly outputs: readonly OutputName[]
      readonly commits: readonly Commit[]
      readonly state: readonly StateCommit[]
    }
  /** What the handler of this record found for its key: records handled before it, and the last of them while it is not too old. */
  | ({
      readonly type: 'state-read'
      readonly client: string
      readonly handled: readonly number[]
      readonly recent: number | null
    } & Origin)
  /** The member's store of this partition says that it has come to this checkpoint. */
  | ({ readonly type: 'stored'; readonly client: string; readonly checkpoint: number } & PartitionPlace)
  /** In the end: what who reads what is committed makes of the changelog of this partition. */
  | ({ readonly type: 'changelog'; readonly values: readonly StateEntry[] } & PartitionPlace)
  /** A member as its status tells: what it has read and not finished. */
  | { readonly type: 'sample'; readonly client: string; readonly records: number }
  | { readonly type: 'started'; readonly client: string }
  /** The process is gone: by a crash, or because it ended. */
  | {
      readonly type: 'ended'
      readonly client: string
      readonly how: 'crashed' | 'stopped' | 'killed' | 'failed'
      /** Of the error that it failed with. */
      readonly code?: string | null
    }

export type JournalEvent = EventBody & { readonly atMs: number }

export class Journal {
  readonly events: JournalEvent[] = []
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  note(event: EventBody): void {
    this.events.push({ ...event, atMs: this.#now() })
  }
}

export function originOf({ topic, partition, offset }: Origin): Origin {
  return { topic, partition, offset }
}

export function nameOf(origin: Origin): string {
  return `${origin.topic}/${origin.partition}/${origin.offset}`
}

export function placeName(place: PartitionPlace): string {
  return `${place.topic}/${place.partition}`
}

export function outputName(output: OutputName): string {
  return `${nameOf(output.origin)}/${output.index}`
}
