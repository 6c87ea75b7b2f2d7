/** How far the state of partitions has come back from their changelogs: of each restore under way, and of all that were. */

/** One restore of one partition: from its assignment until its actor may begin. */
export class RestoreProgress {
  readonly actor: string
  readonly partition: number
  /** Clock time. */
  readonly startedAtMs: number
  /** Records of the changelog that were taken, and the bytes of their keys and values. */
  records = 0
  bytes = 0
  /** Where reading began, where it stands, and where it ends; null: the brokers have not said yet. */
  from: number | null = null
  position: number | null = null
  end: number | null = null
  #trouble: { readonly reason: string; readonly sinceMs: number } | null = null

  constructor(actor: string, partition: number, startedAtMs: number) {
    this.actor = actor
    this.partition = partition
    this.startedAtMs = startedAtMs
  }

  /** Why it cannot get on just now, and since when (clock time); null: it does. */
  get trouble(): { readonly reason: string; readonly sinceMs: number } | null {
    return this.#trouble
  }

  noteTrouble(reason: string, nowMs: number): void {
    this.#trouble = { reason, sinceMs: this.#trouble?.sinceMs ?? nowMs }
  }

  noteGettingOn(): void {
    this.#trouble = null
  }

  describe(nowMs: number): RestoreDescription {
    const { actor, bytes, end, from, partition, position, records, trouble } = this
    const forMs = Math.max(0, nowMs - this.startedAtMs)
    const offsetsLeft = end === null || position === null ? null : Math.max(0, end - position)
    const offsetsRead = position === null || from === null ? 0 : position - from
    const canTell = offsetsLeft !== null && offsetsRead > 0 && forMs > 0
    return {
      actor,
      partition,
      records,
      bytes,
      recordsPerSecond: forMs > 0 ? Math.round((records / forMs) * 1000) : null,
      offsetsLeft,
      leftMs: offsetsLeft === 0 ? 0 : canTell ? Math.round((offsetsLeft / offsetsRead) * forMs) : null,
      forMs: Math.round(forMs),
      trouble: trouble?.reason ?? null,
    }
  }
}

export interface RestoreDescription {
  readonly actor: string
  readonly partition: number
  readonly records: number
  readonly bytes: number
  readonly recordsPerSecond: number | null
  /** Offsets of the changelog between where reading stands and its end: records, and the gaps that compaction leaves. null: not known yet. */
  readonly offsetsLeft: number | null
  /** As long as it will take by what it took so far; null: nobody can tell yet. */
  readonly leftMs: number | null
  readonly forMs: number
  /** Why it cannot get on just now; null: it does. */
  readonly trouble: string | null
}

/** Of one actor: all restores that have ended, whichever way. They only grow. */
export interface ActorRestores {
  restores: number
  records: number
  bytes: number
}

export class RestoreStats {
  readonly #open = new Set<RestoreProgress>()
  readonly #ended = new Map<string, ActorRestores>()

  begin(actor: string, partition: number, nowMs: number): RestoreProgress {
    const progress = new RestoreProgress(actor, partition, nowMs)
    this.#open.add(progress)
    return progress
  }

  /** It has ended: restored, given up with its partition, or failed. */
  end(progress: RestoreProgress): void {
    if (!this.#open.delete(progress)) return
    const ended = this.#ended.get(progress.actor) ?? { restores: 0, records: 0, bytes: 0 }
    this.#ended.set(progress.actor, ended)
    ended.restores += 1
    ended.records += progress.records
    ended.bytes += progress.bytes
  }

  /** The one under way for this partition; null: there is none. */
  of(actor: string, partition: number): RestoreProgress | null {
    for (const each of this.#open) if (each.partition === partition && each.actor === actor) return each
    return null
  }

  /** Restores under way. */
  open(): Iterable<RestoreProgress> {
    return this.#open
  }

  /** By actor, what is under way included: a counter must not wait for the end. */
  totals(): ReadonlyMap<string, Readonly<ActorRestores>> {
    const totals = new Map([...this.#ended].map(([actor, ended]) => [actor, { ...ended }]))
    for (const { actor, bytes, records } of this.#open) {
      const total = totals.get(actor) ?? { restores: 0, records: 0, bytes: 0 }
      totals.set(actor, total)
      total.records += records
      total.bytes += bytes
    }
    return totals
  }
}
