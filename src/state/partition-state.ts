/**
 * The state of one partition of one actor, for one epoch: what its handled records made of it, in three layers.
 *
 *     next      what they have changed since the last freeze
 *     frozen    what a checkpoint is about to make durable; it stays as it is, and readable, meanwhile
 *     store     what is committed, and nothing else
 *
 * A read finds the newest. An attempt changes nothing here: what it sets comes with its verdict. After a refusal the
 * partition begins again with another one of these, on the same store.
 *
 * **How far the store has come in the changelog** (`StoreMark.changelogPosition`) is not told by the client: a transaction
 * has no offsets. Counting is wrong (markers, aborted records). So the mark keeps what is certain, the end up to which the
 * changelog was restored, and a later start reads from there what it has already: values are whole, so that only costs
 * time. A mark that is too far would be silent loss: the next owner's checkpoint has a number that fits, whatever lies before
 * it. Where the store outlives the process, the mark moves by two proofs that all below an end is of this epoch, or older:
 *
 * - The end was told before a transaction began, and that stands: with its positions the group has said that nobody else had
 *   the partition until then. So every few seconds, and a crash leaves a short tail.
 * - In order (`end`), with no generation on its way, the end was told, and then the group's last commit is still of our checkpoint.
 *   A restart finds nothing to restore.
 */
import type { Clock } from '../clock.ts'
import { TroupeError, describeError } from '../errors.ts'
import type { Said } from '../operators/regroup/source-header.ts'
import type { CheckpointedState } from '../streams/delivery/delivery.ts'
import type { OutputRecord } from '../streams/record.ts'
import {
  encodeMeta,
  entryKey,
  inputKey,
  metaKey,
  rowsKey,
  sourcesKey,
  statePrefix,
  timerPrefix,
} from './changelog-format.ts'
import type { RecordLimit } from './changelog-topic.ts'
import { Expiry } from './expiry.ts'
import { encodeInputMark } from './input-marks.ts'
import { InputTimes, type Pruned, type FollowedInput, type FollowedPosition } from './input-times.ts'
import { Cell, StateCells } from './state-cells.ts'
import type { StateShape } from './state-shape.ts'
import { Slices } from './stores/slices.ts'
import { SMALL_VALUE_BYTES, StateValue, hasManyBytes, type StateChange } from './state-value.ts'
import type { Change, StateStore, StoreEntry } from './store.ts'
import { timerShapes } from './timers.ts'
import { KeyedTimers, timerKeys, type KeptTimer } from './keyed-timers.ts'

export interface PartitionStateOptions {
  /** In the order in which the handler declares them. */
  readonly shapes: readonly StateShape[]
  /** Names of its timers; none unless given. With no states there is one at least. */
  readonly timers?: readonly string[]
  /** Partitions of the input whose records are regrouped in its own: each has a time of its own. null: it is none of a repartition topic. */
  readonly sources?: number | null
  readonly changelogTopic: string
  /** Of one record of it; whatever a state takes, unless given. */
  readonly limit?: RecordLimit
  readonly partition: number
  /** Short ids of the topics; 0: not known. */
  readonly inputId: number
  readonly changelogId: number
  /**
   * How far the changelog's partition is decided now: below that no transaction is open. null: the store does not outlive
   * the process, so nobody will begin at its mark.
   */
  readonly changelogEnd: (() => Promise<number>) | null
  readonly clock: Clock
}

/** Where an actor's handler finds the state of its records, wherever it runs. */
export interface StateReader {
  /** null: the key has none. It may be too old for the record. `key`: its bytes as latin-1. */
  read(at: number, key: string): StateValue | null
}

/** A value, for operators. */
export interface StoredState {
  /** What the codec has written. */
  readonly payload: Uint8Array
  /** Stream time when it was set; null: its state forgets nothing. */
  readonly timeMs: number | null
}

interface NewMark {
  readonly topic: string
  readonly bytes: Uint8Array
  readonly isTable: boolean
}

interface Generation {
  /** How far its companion inputs have come, where that is new. */
  readonly marks: readonly NewMark[]
  readonly number: number
  readonly cells: readonly Cell[]
  /** Of its cells, as far as somebody has asked: changelog and store both do. */
  readonly keys: Uint8Array[]
  readonly checkpoint: number
  readonly streamTime: number | null
  /** How far the times of its sources have come; null: as before, or it has none. */
  readonly sources: Uint8Array | null
  /** Of the cells, those that were only deleted because they are too old. */
  readonly expired: number
  /** Its transaction has a position. */
  readonly hasPosition: boolean
  /** Times of which only this need be known once it stands. */
  readonly pruned: readonly Pruned[]
  /** Some of its values have no bytes yet. */
  isUnwritten: boolean
  /** As it was told before its last transaction began; null: it was not. */
  end: number | null
}

/** Of its store at once, when its timers are read. */
const ENTRIES_A_STEP = 256
/** How often the changelog's end is asked for. */
const MARK_INTERVAL_MS = 10_000
/** After a value that cannot be written each is looked at when it is set, for so many checkpoints. */
const CHECKED_COMMITS = 64

export class PartitionState implements CheckpointedState, StateReader {
  /** What it is for may begin. Set by who hands out records. */
  onReady: () => void = () => undefined
  readonly shapes: readonly StateShape[]
  /** null: its handler has none. */
  readonly timers: KeyedTimers | null
  readonly #options: PartitionStateOptions
  readonly #prefixes: readonly Uint8Array[]
  readonly #cells: readonly StateCells[]
  readonly #expiry: Expiry
  #store: StateStore | null = null
  #isReady = false
  readonly #times = new InputTimes(() => this.#committed?.streamTime ?? null)
  /** Of each companion input, by its topic, what the last freeze has written. */
  readonly #written = new Map<string, Uint8Array>()
  #generation = 1
  #next: Cell[] = []
  /** How states are declared that its changelog does not know yet. */
  #newShapes: readonly Change[] = []
  /** Of those in `#next`, how many were only deleted because they are too old. */
  #expired = 0
  /** The search for values that are too old, behind the last checkpoint. */
  #expiring: Promise<void> = Promise.resolve()
  /** Values were set since the last freeze whose bytes are not made. */
  #hasUnwritten = false
  /** For so many commits more the bytes of a value are made when its record is handled. */
  #checkedCommits = 0
  #frozen: Generation | null = null
  #changelogPosition = 0
  /** The changelog's end that was told last. */
  #toldEnd: number | null = null
  #askedAtMs: number
  /** What was written last, so that `end` writes it again with another mark. */
  #committed: { readonly checkpoint: number; readonly streamTime: number | null } | null = null

  constructor(options: PartitionStateOptions) {
    this.#options = options
    this.shapes = options.shapes
    const timers = timerShapes(options.timers ?? [])
    this.timers = timers.length === 0 ? null : new KeyedTimers(timers, options.shapes.length)
    this.#prefixes = [
      ...options.shapes.map(({ name }) => statePrefix(name)),
      ...timers.map(({ clock, name }) => timerPrefix(name, clock)),
    ]
    this.#cells = this.#prefixes.map((_, at) => new StateCells(() => this.#keptOf(at)))
    this.#expiry = new Expiry(this.shapes, this.#prefixes)
    this.#askedAtMs = options.clock.now()
  }

  /** What keys begin with that are asked for in ranges. */
  get ordered(): readonly Uint8Array[] {
    return this.timers === null ? [] : [timerKeys.from]
  }

  get stateCount(): number {
    return this.shapes.length
  }

  /** It was restored: false before that, and after its epoch. */
  get isReady(): boolean {
    return this.#isReady && this.#store !== null
  }

  /**
   * The store has what the last checkpoint left: it may be asked once its timers are known, which takes a turn of the loop or
   * more where it is large. `shapes` go with the next checkpoint. False: the epoch
   * was over before, and the store is let alone.
   */
  async begin(store: StateStore, shapes: readonly Change[] = [], epoch?: AbortSignal): Promise<boolean> {
    this.#beginOn(store, shapes)
    if (this.timers !== null) {
      const slices = new Slices(this.#options.clock)
      for (let from: Uint8Array | null = timerKeys.from; from !== null;) {
        const entries: readonly StoreEntry[] = store.scan({ ...timerKeys, from }, ENTRIES_A_STEP)
        this.timers.load(entries)
        const last = entries.at(-1)
        from = last === undefined || entries.length < ENTRIES_A_STEP ? null : Buffer.concat([last[0], Uint8Array.of(0)])
        if (slices.isOver) await slices.next()
        if (epoch?.aborted === true) return false
      }
    }
    this.#isReady = true
    this.onReady()
    return true
  }

  #beginOn(store: StateStore, shapes: readonly Change[]): void {
    const { mark } = store
    this.#store = store
    this.#newShapes = shapes
    const streamTime = mark?.streamTime ?? null
    const { sources: count = null } = this.#options
    this.#times.begin(streamTime, count === null ? null : { count, kept: store.get(sourcesKey) ?? null })
    this.#changelogPosition = mark?.changelogPosition ?? 0
    this.#committed = mark
  }

  /** Of the records so far, of all inputs; null: none had a time. */
  get streamTime(): number | null {
    return this.#times.current
  }

  /** Whose position it is to know at a freeze. */
  follow(position: FollowedPosition): void {
    this.#times.follow(position)
  }

  /** Whose positions go along with the changes. */
  followCompanions(inputs: readonly FollowedInput[]): void {
    this.#times.followCompanions(inputs)
  }

  /** Of a table: its records are rows, and no time passes with them. */
  hasRowsOf(topic: string): boolean {
    return this.#times.companions.length > 0 && this.shapes.some(({ table }) => table === topic)
  }

  /**
   * Takes the next record of an input, in offset order, also one that the completion map shows as finished. Returns its stream
   * time: the greatest of all inputs so far.
   */
  noteRecord(offset: number, timestamp: number, topic: string | null = null): number | null {
    return this.#times.note(offset, timestamp, topic)
  }

  /** What a record or a mark of a repartition topic says, in offset order. Returns the stream time as of it: the least of all sources. */
  noteSaid(offset: number, said: Said): number | null {
    return this.#times.noteSaid(offset, said)
  }

  /** Its stream time is what several sources say. */
  get hasSources(): boolean {
    return this.#times.hasSources
  }

  /** None of its sources has more to say for now. It has none itself: true. */
  get areSourcesIdle(): boolean {
    return this.#times.areSourcesIdle
  }

  /** The same of a record beyond the next, which nobody will come to in its turn. */
  noteAhead(offset: number, timestamp: number, topic: string | null = null): void {
    this.#times.noteAhead(offset, timestamp, topic)
  }

  /**
   * All records that have come so far have had their turn. `timeMs`: as far as stream time has come without any, at this
   * position; so it is of that position, and of all beyond.
   */
  noteAllTaken(position: number | null = null, timeMs = -1): void {
    this.#times.noteAllTaken(position, timeMs)
  }

  /**
   * In `partition` order: a timer was fired as of this stream time, and its end is kept. The record before which it came may be
   * beyond the positions of a checkpoint, and one that comes before that after a restart finds stream time no less far.
   */
  noteFired(timeMs: number): void {
    this.#times.noteFired(timeMs)
  }

  /** Of all below this position of an input; null: nothing had a time. */
  timeAt(position: number, topic: string | null = null): number | null {
    return this.#times.at(position, topic)
  }

  read(at: number, key: string): StateValue | null {
    return this.#cell(at, key).current
  }

  /** Why the changelog would not take what a record has changed; null: it will. Asked before the record counts as handled. */
  refusalOf(key: string | null, changes: readonly StateChange[]): TroupeError | null {
    for (const { at, key: own = key, value } of changes) {
      if (
        value === null ||
        own === null ||
        this.shapes[at]?.table !== undefined ||
        (value.isUnwritten && this.#checkedCommits === 0)
      )
        continue
      const unfit = this.#unfit(at, own, value)
      if (unfit !== null) return unfit
    }
    return null
  }

  #unfit(at: number, key: string, value: StateValue): TroupeError | null {
    const { limit } = this.#options
    const keyBytes = this.#prefixes[at]!.byteLength + key.length
    if (limit === undefined || (value.isSmall && keyBytes + SMALL_VALUE_BYTES <= limit.bytes)) return null
    try {
      const bytes = keyBytes + value.bytes.byteLength
      return bytes > limit.bytes ? this.#tooLarge(at, bytes, limit) : null
    } catch (cause) {
      const { codec, name } = this.shapes[at]!
      const message = `state ${name}: a value could not be encoded as ${codec}: ${describeError(cause)}`
      return new TroupeError('STATE_INVALID', message, { cause })
    }
  }

  /** Takes what a handled record has changed. */
  apply(key: string | null, changes: readonly StateChange[]): void {
    for (const { at, key: own = key, value } of changes) if (own !== null) this.#set(at, own, value)
  }

  /** The newest record of this key is no row: it was given up. */
  forgetRow(topic: string, key: string): void {
    for (const [at, { table }] of this.shapes.entries()) if (table === topic) this.#set(at, key, null)
  }

  get hasChanges(): boolean {
    return this.#next.length > 0
  }

  freeze(checkpoint: number): void {
    if (this.#frozen !== null) throw new TroupeError('INTERNAL', 'a generation of state was frozen upon another')
    const { position } = this.#times
    const streamTime = this.#times.atPositions()
    this.#frozen = {
      ...{ number: this.#generation, cells: this.#next, keys: [], checkpoint, streamTime, marks: this.#newMarks() },
      sources: position === null ? null : this.#times.encodeSourcesAt(position),
      ...{ expired: this.#expired, hasPosition: position !== null, isUnwritten: this.#hasUnwritten, end: null },
      pruned: this.#times.pruned(),
    }
    this.#next = []
    this.#hasUnwritten = false
    this.#expired = 0
    this.#generation += 1
    this.#askEnd()
  }

  async encodeFrozen(): Promise<boolean> {
    const frozen = this.#frozenGeneration()
    if (!frozen.isUnwritten) return true
    const slices = new Slices(this.#options.clock)
    for (const cell of frozen.cells) {
      const { at, key } = cell
      const value = cell.in(frozen.number)
      if (value?.isUnwritten !== true) continue
      if (this.#unfit(at, key, value) !== null) {
        this.#checkedCommits = CHECKED_COMMITS
        return false
      }
      this.#cells[at]!.noteBytes(value.bytes.byteLength)
      if (slices.step()) await slices.next()
    }
    frozen.isUnwritten = false
    return true
  }

  *frozenRecords(): Generator<OutputRecord> {
    const { changelogTopic: topic, partition } = this.#options
    const frozen = this.#frozenGeneration()
    frozen.end = this.#toldEnd
    for (const [key, value] of this.#changesOf(frozen, isOwn)) yield { topic, partition, key, value }
  }

  async commit(): Promise<void> {
    const frozen = this.#frozenGeneration()
    const store = this.#openStore()
    await this.#expiring
    const { checkpoint, end, hasPosition, streamTime } = frozen
    if (hasPosition && end !== null) this.#changelogPosition = Math.max(this.#changelogPosition, end)
    this.#committed = { checkpoint, streamTime }
    await store.write(this.#changesOf(frozen, isAny), {
      changelogPosition: this.#changelogPosition,
      checkpoint,
      streamTime,
    })
    for (const cell of frozen.cells) cell.frozen = null
    if (this.#checkedCommits > 0) this.#checkedCommits -= 1
    this.#newShapes = []
    this.#frozen = null
    for (const { end, position, time, unfinished } of frozen.pruned) time.forget(position, unfinished, end)
    // Whoever waits for the next one hears of what it fails of.
    this.#expiring = this.#deleteExpired(store, streamTime, frozen.cells.length - frozen.expired)
    this.#expiring.catch(() => undefined)
  }

  /**
   * The epoch ends: the store's mark moves to the end of the changelog where that is certain, and is as new as this. Nothing is
   * read or changed after this. `isLast`: whether the group's last commit is of this checkpoint; asked when the end is known.
   */
  async end(isLast: (checkpoint: number) => Promise<boolean>): Promise<void> {
    const store = this.#store
    this.#store = null
    const { changelogEnd } = this.#options
    if (store === null || this.#committed === null || changelogEnd === null) return
    // It may stand by now, below the end, and is not in the store.
    if (this.#frozen !== null) return
    const end = await changelogEnd()
    if (!(await isLast(this.#committed.checkpoint))) return
    await store.write([], { ...this.#committed, changelogPosition: Math.max(this.#changelogPosition, end) })
  }

  rewound(): PartitionState {
    const store = this.#openStore()
    this.#store = null
    const again = new PartitionState(this.#options)
    again.#beginOn(store, this.#newShapes)
    again.#checkedCommits = this.#checkedCommits
    if (this.timers !== null) again.timers?.takeOver(this.timers, this.#committedTimers(store))
    again.#isReady = true
    return again
  }

  /** Those that have changed since the last checkpoint, as that has left them. */
  *#committedTimers(store: StateStore): Generator<KeptTimer> {
    for (const cells of [this.#frozen?.cells ?? [], this.#next]) {
      for (const { at, key } of cells) {
        if (at < this.shapes.length) continue
        const bytes = store.get(this.#entryKey(at, key))
        yield { at, key, value: bytes === undefined ? null : StateValue.read(bytes) }
      }
    }
  }

  /** What is committed under this name for this key; null: nothing. For operators. */
  lookUp(name: string, key: Uint8Array): StoredState | null {
    const at = this.shapes.findIndex((shape) => shape.name === name)
    const prefix = this.#prefixes[at]
    if (prefix === undefined) return null
    const bytes = this.#openStore().get(entryKey(prefix, key))
    if (bytes === undefined) return null
    const { payload, timeMs } = StateValue.read(bytes)
    return { payload, timeMs }
  }

  #tooLarge(at: number, bytes: number, { bytes: most, setting }: RecordLimit): TroupeError {
    const name = this.shapes[at]?.name
    const what = name === undefined ? 'a timer' : `state ${name}`
    const text = `${what}: a value and its key take ${bytes} bytes, and its changelog ${this.#options.changelogTopic} takes ${most} (${setting})`
    return new TroupeError('STATE_INVALID', text)
  }

  #cell(at: number, key: string): Cell {
    const cells = this.#cells[at]!
    const found = cells.find(key)
    if (found !== undefined) return found
    const bytes = this.#openStore().get(this.#entryKey(at, key))
    const cell = new Cell(at, key, bytes === undefined ? null : StateValue.read(bytes))
    cells.add(cell, bytes?.byteLength ?? 0)
    return cell
  }

  #set(at: number, key: string, value: StateValue | null): void {
    const cell = this.#cell(at, key)
    if (value === null && cell.current === null) return
    if (cell.changedIn !== this.#generation) {
      if (cell.changedIn === this.#frozen?.number) {
        cell.frozen = cell.current
        cell.frozenOf = cell.changedIn
      }
      cell.changedIn = this.#generation
      this.#next.push(cell)
    }
    cell.current = value
    if (at >= this.shapes.length) this.timers?.note(at, key, value)
    if (value?.isUnwritten === true) this.#hasUnwritten = true
    else if (hasManyBytes(value)) this.#cells[at]!.noteBytes(value.bytes.byteLength)
  }

  /** In slices, while handlers go on: the deletions are of the next checkpoint. */
  async #deleteExpired(store: StateStore, streamTime: number | null, changed: number): Promise<void> {
    if (streamTime === null) return
    const slices = new Slices(this.#options.clock)
    // A timer that is held up finds what it would have found in time.
    const before = this.timers?.lookFrom(streamTime) ?? streamTime
    for (const keys of this.#expiry.find(store, before, changed)) {
      for (const { at, key } of keys) this.#deleteOne(at, key, before)
      if (slices.isOver) await slices.next()
      if (this.#store !== store) return
    }
  }

  /** Unless it was set again since it was written to the store. */
  #deleteOne(at: number, key: string, streamTime: number): void {
    const cell = this.#cell(at, key)
    if (cell.current === null || !this.#expiry.isExpired(at, cell.current, streamTime)) return
    if (cell.changedIn !== this.#generation) this.#expired += 1
    this.#set(at, key, null)
  }

  /** Each key once, then the meta record; the first time how they are declared before all. */
  *#changesOf(
    { cells, checkpoint, keys, marks, number, sources, streamTime }: Generation,
    isWanted: (shape: StateShape | undefined) => boolean,
  ): Generator<Change> {
    yield* this.#newShapes
    for (const { bytes, isTable, topic } of marks) {
      yield [inputKey(topic), bytes]
      if (isTable && isWanted === isAny) yield [rowsKey(topic), bytes]
    }
    const wanted = this.#prefixes.map((_, at) => isWanted(this.shapes[at]))
    for (let at = 0; at < cells.length; at += 1) {
      const cell = cells[at]!
      if (!wanted[cell.at]!) continue
      yield [(keys[at] ??= this.#entryKey(cell.at, cell.key)), cell.in(number)?.bytes ?? null]
    }
    if (sources !== null) yield [sourcesKey, sources]
    const { changelogId, inputId } = this.#options
    yield [metaKey, encodeMeta({ checkpoint, streamTime, inputId, changelogId })]
  }

  #newMarks(): NewMark[] {
    return this.#times.companions.flatMap(({ snapshot, topic, topicId }): NewMark[] => {
      const now = snapshot()
      if (now === null) return []
      const mark = encodeInputMark(topicId, now)
      const before = this.#written.get(topic)
      if (before !== undefined && Buffer.compare(before, mark) === 0) return []
      this.#written.set(topic, mark)
      return [{ topic, bytes: mark, isTable: this.shapes.some(({ table }) => table === topic) }]
    })
  }

  #entryKey(at: number, key: string): Uint8Array {
    const prefix = this.#prefixes[at]!
    const whole = Buffer.allocUnsafe(prefix.byteLength + key.length)
    whole.set(prefix)
    whole.write(key, prefix.byteLength, 'latin1')
    return whole
  }

  *#keptOf(at: number): Generator<Cell> {
    for (const cell of this.#next) if (cell.at === at) yield cell
    if (this.#frozen !== null) for (const cell of this.#frozen.cells) if (cell.at === at) yield cell
  }

  #frozenGeneration(): Generation {
    if (this.#frozen === null) throw new TroupeError('INTERNAL', 'no generation of state is frozen')
    return this.#frozen
  }

  #openStore(): StateStore {
    if (this.#store !== null) return this.#store
    throw new TroupeError('INTERNAL', 'the state of a partition was asked for before or after its epoch')
  }

  /** Nobody waits for it. Not answered, the mark stays where it is: then a restart reads more of the changelog. */
  #askEnd(): void {
    const { changelogEnd, clock } = this.#options
    if (changelogEnd === null || clock.now() - this.#askedAtMs < MARK_INTERVAL_MS) return
    this.#askedAtMs = clock.now()
    changelogEnd().then(
      (end) => (this.#toldEnd = end),
      () => undefined,
    )
  }
}

/** What the changelog has: the rows of tables have a topic of their own. */
function isOwn(shape: StateShape | undefined): boolean {
  return shape?.table === undefined
}

/** What the store has. */
function isAny(): boolean {
  return true
}

/** The bytes of a key as a text of as many characters. */
export function keyTextOf(key: Uint8Array): string {
  const bytes = Buffer.isBuffer(key) ? key : Buffer.from(key.buffer, key.byteOffset, key.byteLength)
  return bytes.toString('latin1')
}
