/**
 * The state of a member's partitions, from their assignment to their end: opens the store of each, brings it up to the end of
 * its changelog, sees that it belongs to the committed position, and lets its actor begin. Meanwhile the partition is ours and
 * its intake is stopped; nothing here holds up the group, or another partition. It ends at once with its partition.
 *
 * A store is of one epoch and closed at its end. Where the same partition comes back, the next one is opened after that.
 */
import type { Clock } from '../clock.ts'
import { TroupeError, describeError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { RestoreProgress } from '../metrics/restore-stats.ts'
import type { EngineStats } from '../metrics/stats.ts'
import { outgrown, type Changelog } from '../state/changelog-topic.ts'
import { PartitionState } from '../state/partition-state.ts'
import { findMismatch, hasMovedOn, type CommittedCheckpoint } from '../state/restore/judgement.ts'
import { Restorer } from '../state/restore/restorer.ts'
import { changedShapes, newShapes } from '../state/shape-records.ts'
import type { CompanionTopic } from '../state/restore/companion-starts.ts'
import type { StateShape } from '../state/state-shape.ts'
import type { StateStore, StorePlace, Stores } from '../state/store.ts'
import type { BrokerReader } from '../streams/broker-port.ts'
import { shortId } from '../streams/positions/topic-origin.ts'
import { partitionName, type TopicPartition } from '../streams/record.ts'
import { findCompanionStarts, type CompanionStarts } from './companion-starts.ts'
import { RestoreLines } from './restore-lines.ts'

/** What an app keeps state with, from one membership to the next. */
export interface StateKeeping {
  readonly groupId: string
  /** By actor: those that keep state. */
  readonly changelogs: ReadonlyMap<string, Changelog>
  readonly shapes: ReadonlyMap<string, readonly StateShape[]>
  /** Names of the timers of each of them. */
  readonly timers: ReadonlyMap<string, readonly string[]>
  /** By actor: of how many partitions is the input whose records are regrouped in its own. Missing: in none. */
  readonly sources?: ReadonlyMap<string, number>
  /** Further topics that each of them reads; none for who has none. */
  readonly companions: ReadonlyMap<string, readonly string[]>
  readonly stores: Stores
  readonly openReader: (name: string) => BrokerReader
  /** Brokers that keep none cannot commit a position and its state at once: that they differ is only told there. */
  readonly keepsTransactions: boolean
}

export interface RestoringOptions extends StateKeeping {
  readonly clock: Clock
  readonly log: Log
  readonly stats: Pick<EngineStats, 'restores' | 'stores'>
  /** How far this log is decided: its last stable offset. */
  readonly decidedEnd: (at: TopicPartition) => Promise<number>
  /** What the group's last commit says by now. */
  readonly committed: (at: TopicPartition) => Promise<CommittedCheckpoint>
  /** The partition has had another owner since it began here, and the group has not said so yet. */
  readonly onOvertaken: (at: TopicPartition) => void
  /** What no retry changes. */
  readonly onFailure: (error: unknown) => void
}

/** A partition that begins. */
export interface BeginningState extends CommittedCheckpoint {
  readonly actor: string
  readonly at: TopicPartition
  /** Short id of the input topic; 0: not known. */
  readonly inputId: number
  readonly companions: readonly CompanionTopic[]
}

interface Kept {
  readonly actor: string
  readonly place: StorePlace
  state: PartitionState
  readonly abort: AbortController
  readonly progress: RestoreProgress
  store: StateStore | null
  /** Its size is shown no more. */
  endSize: () => void
  /** Settles when nothing is restored any more. */
  restored: Promise<void>
}

const END_TIMEOUT_MS = 2_000
/** Not in the way of the restores of a start. */
const FIRST_SWEEP_MS = 60_000
const SWEEP_INTERVAL_MS = 60 * 60 * 1000

export class Restoring {
  readonly #options: RestoringOptions
  readonly #restorer: Restorer
  readonly #lines: RestoreLines
  readonly #kept = new Map<string, Kept>()
  /** Stores of ended epochs, until they are closed. */
  readonly #closing = new Map<string, Promise<void>>()
  #cancelSweep: () => void = () => undefined

  constructor(options: RestoringOptions) {
    this.#options = options
    this.#lines = new RestoreLines(options.clock, options.log, options.stores.kind)
    this.#sweepLater(FIRST_SWEEP_MS)
    this.#restorer = new Restorer({
      clock: options.clock,
      log: options.log,
      openReader: () => options.openReader('restore'),
    })
  }

  /** The state of a partition that begins, which is not restored yet; null: its actor keeps none. Throws CHANGELOG_UNFIT. */
  stateOf({ actor, at, inputId }: BeginningState): PartitionState | null {
    const { changelogs, clock, decidedEnd, shapes, sources, stores, timers } = this.#options
    const changelog = changelogs.get(actor)
    if (changelog === undefined) return null
    // The input has grown since the start.
    if (at.partition >= changelog.partitions) throw outgrown(changelog, at.partition + 1)
    const place = { topic: changelog.topic, partition: at.partition }
    return new PartitionState({
      shapes: shapes.get(actor) ?? [],
      timers: timers.get(actor) ?? [],
      sources: sources?.get(actor) ?? null,
      changelogTopic: changelog.topic,
      limit: changelog.limit,
      partition: at.partition,
      inputId,
      changelogId: shortId(changelog.id),
      changelogEnd: stores.kind === 'disk' ? () => decidedEnd(place) : null,
      clock,
    })
  }

  /** In the background. `onRestored` is called when the state has begun, unless its epoch ends before. */
  begin(beginning: BeginningState, state: PartitionState, onRestored: (starts: CompanionStarts) => void): void {
    const { clock, groupId, stats } = this.#options
    const changelog = this.#changelogOf(beginning.actor)
    const { actor, at } = beginning
    const kept: Kept = {
      actor,
      place: {
        groupId,
        actor,
        partition: at.partition,
        changelogId: changelog.id,
        deleteRetentionMs: changelog.deleteRetentionMs,
      },
      state,
      abort: new AbortController(),
      progress: stats.restores.begin(actor, at.partition, clock.now()),
      store: null,
      endSize: () => undefined,
      restored: Promise.resolve(),
    }
    this.#kept.set(partitionName(at), kept)
    this.#lines.begin(actor, at.partition)
    kept.restored = this.#bring(kept, beginning, onRestored).catch((error: unknown) => {
      if (!kept.abort.signal.aborted) this.#options.onFailure(error)
    })
    void kept.restored.then(() => {
      stats.restores.end(kept.progress)
      this.#lines.end()
    })
  }

  /** The state that this partition goes on with after it was rewound: on the same store. */
  takeOver(at: TopicPartition, state: PartitionState): void {
    const kept = this.#kept.get(partitionName(at))
    if (kept === undefined) throw new TroupeError('INTERNAL', `${partitionName(at)} was rewound and keeps no state`)
    kept.state = state
  }

  /** What stands of these partitions by now is the last, and as far as the group has said nobody else has them yet. Never rejects. */
  async atEnd(partitions: readonly TopicPartition[]): Promise<void> {
    await Promise.all(
      partitions.map(async (at) => {
        const kept = this.#kept.get(partitionName(at))
        if (kept?.state.isReady !== true) return
        try {
          await this.#withinLimit(kept.state.end((checkpoint) => this.#isLast(at, checkpoint)))
        } catch (error) {
          const told = { actor: kept.actor, partition: kept.place.partition, error: describeError(error) }
          this.#options.log.warn(told, 'a store could not note where its changelog ends: its next restore is longer')
        }
      }),
    )
  }

  /** The epoch of whom this state is of is over. One that was taken over lives on. */
  end(at: TopicPartition, state: PartitionState): void {
    const kept = this.#kept.get(partitionName(at))
    if (kept?.state === state) this.#giveUp(partitionName(at), kept)
  }

  #giveUp(name: string, kept: Kept): void {
    this.#kept.delete(name)
    kept.abort.abort()
    const closing = kept.restored
      .then(() => {
        kept.endSize()
        return kept.store?.close()
      })
      .catch((error: unknown) => {
        const told = { actor: kept.actor, partition: kept.place.partition, error: describeError(error) }
        this.#options.log.warn(told, 'a store of state could not be closed')
      })
      .then(() => {
        if (this.#closing.get(name) === closing) this.#closing.delete(name)
      })
    this.#closing.set(name, closing)
  }

  /** The membership is over: all that is still kept is given up. Resolves when the stores are closed. Never rejects. */
  async close(): Promise<void> {
    this.#cancelSweep()
    for (const [name, kept] of this.#kept) this.#giveUp(name, kept)
    await Promise.all(this.#closing.values())
    await this.#restorer.close()
  }

  /** What is kept here of this actor, by partition. */
  *partitionsOf(actor: string): Generator<KeptPartition> {
    for (const { place, progress, state, store, ...kept } of this.#kept.values()) {
      if (kept.actor === actor)
        yield { partition: place.partition, state, store: state.isReady ? store : null, progress }
    }
  }

  /** Of partitions that are others' by now nobody here would ever open, and so wipe, what is left. */
  #sweepLater(delayMs: number): void {
    const { clock, log, stores } = this.#options
    this.#cancelSweep = clock.after(delayMs, () => {
      // Before it is waited for: an end that comes meanwhile has to find the next one.
      this.#sweepLater(SWEEP_INTERVAL_MS)
      stores.sweep([...this.#kept.values()].map(({ place }) => place)).catch((error: unknown) => {
        log.warn(
          { error: describeError(error) },
          'stores of partitions that others have by now could not be thrown away',
        )
      })
    })
  }

  async #bring(kept: Kept, beginning: BeginningState, onRestored: (starts: CompanionStarts) => void): Promise<void> {
    const { stats, stores } = this.#options
    const { abort, actor, place, progress, state } = kept
    await this.#closing.get(partitionName(beginning.at))
    if (abort.signal.aborted) return
    const store = await stores.open(place)
    kept.store = store
    for (const prefix of state.ordered) store.order(prefix)
    kept.endSize = stats.stores.begin({ actor, partition: place.partition, kind: stores.kind, size: store })
    if (!(await this.#bringTo(kept, store, beginning))) return
    const starts = await findCompanionStarts({
      ...this.#options,
      ...{ actor, store, partition: place.partition, companions: beginning.companions, shapes: state.shapes },
      openReader: () => this.#options.openReader('companion-starts'),
      signal: abort.signal,
    })
    if (starts === null) return
    const shapes = newShapes(store, state.shapes.filter(isOwn))
    if (!(await state.begin(store, shapes, abort.signal))) return
    const { bytes, records } = progress
    this.#lines.restored(actor, place.partition, { bytes, records, keys: store.keyCount })
    onRestored(starts)
  }

  /** False: the epoch has ended. Rejects where state and position do not belong together. */
  async #bringTo(kept: Kept, store: StateStore, beginning: BeginningState): Promise<boolean> {
    const { keepsTransactions, log, shapes } = this.#options
    const { abort, actor, place, progress } = kept
    const changelog = this.#changelogOf(actor)
    const order = { changelog: { topic: changelog.topic, partition: place.partition }, store, progress }
    const ids = { inputId: beginning.inputId, changelogId: shortId(changelog.id) }
    const wasLocal = store.mark !== null
    let restored = await this.#restorer.restore(order, abort.signal)
    if (restored === null) return false
    let mismatch = findMismatch(beginning, restored.meta, ids)
    if (mismatch !== null && (await this.#isOvertaken(kept, beginning))) return false
    if (mismatch !== null && wasLocal) {
      // Others may have had the partition since: what they have changed is not in this store, wherever its mark stands.
      log.info(
        { actor, partition: place.partition },
        `${describe(kept)}: the local store is begun anew: ${mismatch.reason}`,
      )
      await store.wipe()
      restored = await this.#restorer.restore(order, abort.signal)
      if (restored === null) return false
      mismatch = findMismatch(beginning, restored.meta, ids)
      if (mismatch !== null && (await this.#isOvertaken(kept, beginning))) return false
    }
    if (mismatch !== null) {
      const message = `${describe(kept)} and its committed position do not belong together: ${mismatch.reason}`
      if (mismatch.isOfOtherTopic || keepsTransactions) throw new TroupeError('CHANGELOG_LOST', message)
      log.warn({ actor, partition: place.partition }, `${message}; these brokers keep no transactions, so it goes on`)
    }
    const changed = changedShapes(store, (shapes.get(actor) ?? []).filter(isOwn))
    if (changed.length > 0) throw new TroupeError('STATE_CHANGED', `${describe(kept)}: ${changed.join('; ')}`)
    return true
  }

  /**
   * A process that stood still, or restored for long, may hear last that its partition is another's: what that has committed is
   * in the changelog then, and was not when the position was asked for. True also where its epoch has ended by now.
   */
  async #isOvertaken(kept: Kept, beginning: BeginningState): Promise<boolean> {
    const { committed, keepsTransactions, log, onOvertaken } = this.#options
    // There a position and its state come one after the other, also those of an owner.
    if (!keepsTransactions) return false
    const now = await committed(beginning.at)
    if (kept.abort.signal.aborted) return true
    if (!hasMovedOn(beginning, now)) return false
    log.info(
      { actor: kept.actor, partition: kept.place.partition },
      `${describe(kept)}: another member has gone on with it while it was restored here`,
    )
    onOvertaken(beginning.at)
    return true
  }

  /** Whoever takes the partition over waits for this, and it only saves time at a restart. */
  async #withinLimit(ending: Promise<void>): Promise<void> {
    let cancel: () => void = () => undefined
    const late = new Promise<void>((_, reject) => {
      cancel = this.#options.clock.after(END_TIMEOUT_MS, () => {
        reject(new Error(`no broker has said within ${END_TIMEOUT_MS} ms where it ends`))
      })
    })
    try {
      await Promise.race([ending, late])
    } finally {
      cancel()
    }
  }

  /** Whoever stood still may have lost the partition long ago. */
  async #isLast(at: TopicPartition, checkpoint: number): Promise<boolean> {
    const { committed, keepsTransactions } = this.#options
    // There positions come later than their state.
    return !keepsTransactions || (await committed(at)).checkpoint === checkpoint
  }

  #changelogOf(actor: string): Changelog {
    const changelog = this.#options.changelogs.get(actor)
    if (changelog === undefined) throw new TroupeError('INTERNAL', `actor ${actor} has no changelog`)
    return changelog
  }
}

/** What a process keeps of one partition. */
export interface KeptPartition {
  readonly partition: number
  readonly state: PartitionState
  /** null: not restored yet. */
  readonly store: StateStore | null
  readonly progress: RestoreProgress
}

/** Not of a table, whose rows are as its topic has them. */
function isOwn({ table }: StateShape): boolean {
  return table === undefined
}

function describe({ actor, place }: Kept): string {
  return `the state of actor ${actor}, partition ${place.partition},`
}
