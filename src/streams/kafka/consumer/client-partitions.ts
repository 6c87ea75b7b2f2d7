/** Which partitions are ours, which of them are paused, and the answers to rebalance events. */
import type { RebalanceEvent, StartPosition } from '../../broker-port.ts'
import { messageOf } from '../connection.ts'
import type { NativeConsumer, NativeTopicPartition } from '../native.ts'
import type { TopicPartition } from '../../record.ts'
import { partitionName } from '../../record.ts'

const OFFSET_BEGINNING = -2
const OFFSET_END = -1

export interface ClientPartitionsOptions {
  readonly client: NativeConsumer
  /** Commits what is stored of these partitions; resolves when that is done or was waited for long enough. */
  readonly settle: (names: ReadonlySet<string>) => Promise<unknown>
  /** The epoch of these partitions is over. */
  readonly onForgotten: (names: readonly string[]) => void
  readonly onProblem: (message: string) => void
}

export class ClientPartitions {
  readonly #options: ClientPartitionsOptions
  readonly #client: NativeConsumer
  readonly #assigned = new Map<string, StartPosition>()
  readonly #pausedByUser = new Set<string>()
  readonly #pausedByHold = new Set<string>()
  /** What the client was told to pause and not to resume. It remembers that of partitions that went away, and come back. */
  readonly #pausedInClient = new Set<string>()

  /** An answer to an older event does nothing: it would throw away what a newer one granted. */
  #newestId = 0
  /** The newest event, while nobody has answered it. */
  #open: RebalanceEvent | undefined
  /** A revoke that was answered; the client hears of it when what was stored of these partitions is committed. */
  #leaving: { readonly event: RebalanceEvent; readonly names: readonly string[] } | undefined

  #isConsuming = false
  readonly #afterConsume: (() => void)[] = []
  /** Partitions of which the `consume` in flight may hold records of an epoch that is over. */
  #stale: Set<string> | 'all' | undefined

  constructor(options: ClientPartitionsOptions) {
    this.#options = options
    this.#client = options.client
  }

  /** The client waits for an answer, and all partitions with it. */
  get isChanging(): boolean {
    return this.#open !== undefined || this.#leaving !== undefined
  }

  get names(): ReadonlySet<string> {
    return new Set(this.#assigned.keys())
  }

  /** Those that are being given back as well: the last of what was stored of them may still be on its way. */
  get namesToSettle(): ReadonlySet<string> {
    return new Set([...this.#assigned.keys(), ...(this.#leaving?.event.lost === false ? this.#leaving.names : [])])
  }

  get partitions(): readonly TopicPartition[] {
    return [...this.#assigned.values()]
  }

  has(name: string): boolean {
    return this.#assigned.has(name)
  }

  startOf(name: string): StartPosition['position'] | undefined {
    return this.#assigned.get(name)?.position
  }

  /** Takes note of an event; the answer comes later. */
  open(type: RebalanceEvent['type'], list: readonly NativeTopicPartition[], lost: boolean): RebalanceEvent {
    this.#newestId += 1
    const partitions = list.map(({ topic, partition }) => ({ topic, partition }))
    this.#open = { id: this.#newestId, type, partitions, lost }
    return this.#open
  }

  assign(eventId: number, starts: readonly StartPosition[]): boolean {
    if (this.#take(eventId, 'assign') === undefined) return false
    const incremental = this.#isIncremental()
    this.#forget(incremental ? starts.map(partitionName) : [...this.#assigned.keys()])
    for (const start of starts) this.#assigned.set(partitionName(start), start)
    const list = starts.map(({ topic, partition, position }) => ({ topic, partition, offset: offsetOf(position) }))
    this.#change(incremental ? starts : 'all', () => {
      if (incremental) this.#client.incrementalAssign(list)
      else this.#client.assign(list)
      this.#tellPauses(starts)
    })
    return true
  }

  /** Of a client in no group: these as well. */
  add(starts: readonly StartPosition[]): void {
    const again = starts.filter((start) => this.#assigned.has(partitionName(start))).map(bare)
    this.#forget(starts.map(partitionName))
    for (const start of starts) this.#assigned.set(partitionName(start), start)
    const list = starts.map(({ topic, partition, position }) => ({ topic, partition, offset: offsetOf(position) }))
    this.#change(starts, () => {
      if (again.length > 0) this.#client.incrementalUnassign(again)
      this.#client.incrementalAssign(list)
      this.#tellPauses(starts)
    })
  }

  /** Of a client in no group: these no more. */
  remove(partitions: readonly TopicPartition[]): void {
    const gone = partitions.filter((partition) => this.#assigned.has(partitionName(partition))).map(bare)
    this.#forget(gone.map(partitionName))
    if (gone.length > 0) this.#change(gone, () => this.#client.incrementalUnassign(gone))
  }

  unassign(eventId: number): boolean {
    const event = this.#take(eventId, 'revoke')
    if (event === undefined) return false
    // From here on nothing more of them can be stored; what was, is committed before anybody else may own them.
    const names = this.#isIncremental() ? event.partitions.map(partitionName) : [...this.#assigned.keys()]
    for (const name of names) this.#assigned.delete(name)
    this.#leaving = { event, names }
    void this.#giveBack(event, names)
    return true
  }

  async #giveBack(event: RebalanceEvent, names: readonly string[]): Promise<void> {
    if (!event.lost) await this.#options.settle(new Set(names))
    if (this.#leaving?.event !== event) return
    this.#leaving = undefined
    this.#forget(names.filter((name) => !this.#assigned.has(name)))
    if (this.#isIncremental()) {
      const gone = event.partitions.filter((partition) => !this.#assigned.has(partitionName(partition)))
      this.#change(gone, () => this.#client.incrementalUnassign(gone))
    } else if (event.id === this.#newestId) {
      this.#change('all', () => this.#client.unassign())
    }
  }

  /** The newest event, once, if the answer is to it. */
  #take(eventId: number, type: RebalanceEvent['type']): RebalanceEvent | undefined {
    const event = this.#open
    if (event === undefined || event.id !== eventId || event.type !== type) return undefined
    this.#open = undefined
    return event
  }

  #isIncremental(): boolean {
    return this.#client.rebalanceProtocol() === 'COOPERATIVE'
  }

  #forget(names: readonly string[]): void {
    for (const name of names) {
      this.#assigned.delete(name)
      this.#pausedByUser.delete(name)
      this.#pausedByHold.delete(name)
    }
    this.#options.onForgotten(names)
  }

  // --- changes and the `consume` in flight

  /**
   * Changes the assignment once no `consume` runs. One that runs may hold records of a partition that
   * goes away; they would surface after the change, and if the partition came back at once, as records of its
   * new epoch. The call takes a millisecond or two, so that is how long the change waits.
   */
  #change(partitions: readonly TopicPartition[] | 'all', change: () => void): void {
    const run = (): void => {
      try {
        change()
      } catch (error) {
        this.#options.onProblem(`the client refused to change the assignment: ${messageOf(error)}`)
      }
    }
    if (!this.#isConsuming) return run()
    this.#afterConsume.push(run)
    if (partitions === 'all' || this.#stale === 'all') this.#stale = 'all'
    else this.#stale = new Set([...(this.#stale ?? []), ...partitions.map(partitionName)])
  }

  beginConsume(): void {
    this.#isConsuming = true
  }

  /** To be called when what `consume` brought has been judged by `isCurrent`. */
  endConsume(): void {
    this.#isConsuming = false
    this.#stale = undefined
    for (const run of this.#afterConsume.splice(0)) run()
  }

  /** True when every record that `consume` brings is current, so that none needs to be looked at. */
  get isSteady(): boolean {
    return this.#stale === undefined && this.#leaving === undefined
  }

  /** Whether what the `consume` in flight brings of a partition belongs to its present epoch. */
  isCurrent(partition: TopicPartition): boolean {
    const name = partitionName(partition)
    return this.#assigned.has(name) && this.#stale !== 'all' && this.#stale?.has(name) !== true
  }

  /** Runs this when the change that waits has been made. False when none waits, and nothing was done. */
  afterChange(run: () => void): boolean {
    if (this.#afterConsume.length === 0) return false
    this.#afterConsume.push(run)
    return true
  }

  // --- pausing

  pause(partitions: readonly TopicPartition[]): void {
    const ours = partitions.filter((partition) => this.#assigned.has(partitionName(partition)))
    for (const partition of ours) this.#pausedByUser.add(partitionName(partition))
    this.#pauseInClient(ours)
  }

  resume(partitions: readonly TopicPartition[]): void {
    const paused = partitions.filter((partition) => this.#pausedByUser.delete(partitionName(partition)))
    this.#resumeInClient(paused.filter((partition) => !this.#pausedByHold.has(partitionName(partition))))
  }

  /** Pauses all that runs, until `release`. */
  hold(): void {
    const running = this.running
    for (const name of running.keys()) this.#pausedByHold.add(name)
    this.#pauseInClient([...running.values()])
  }

  release(): void {
    const held = [...this.#pausedByHold].filter((name) => !this.#pausedByUser.has(name))
    this.#pausedByHold.clear()
    this.#resumeInClient(held.flatMap((name) => this.#assigned.get(name) ?? []))
  }

  #pauseInClient(partitions: readonly TopicPartition[]): void {
    if (partitions.length === 0) return
    this.#client.pause(partitions.map(bare))
    for (const partition of partitions) this.#pausedInClient.add(partitionName(partition))
  }

  #resumeInClient(partitions: readonly TopicPartition[]): void {
    if (partitions.length === 0) return
    this.#client.resume(partitions.map(bare))
    for (const partition of partitions) this.#pausedInClient.delete(partitionName(partition))
  }

  /**
   * Tells the client which of these new partitions are paused. It may remember a pause of an epoch before,
   * and one that came after `assign` and before the change it did not know what to do with.
   */
  #tellPauses(partitions: readonly TopicPartition[]): void {
    const running = this.running
    const ours = partitions.filter((partition) => this.#assigned.has(partitionName(partition)))
    this.#pauseInClient(ours.filter((partition) => !running.has(partitionName(partition))))
    const mayRun = ours.filter((partition) => running.has(partitionName(partition)))
    this.#resumeInClient(mayRun.filter((partition) => this.#pausedInClient.has(partitionName(partition))))
  }

  get isHeld(): boolean {
    return this.#pausedByHold.size > 0
  }

  /** Assigned partitions that should bring records. */
  get running(): ReadonlyMap<string, TopicPartition> {
    const isPaused = (name: string): boolean => this.#pausedByUser.has(name) || this.#pausedByHold.has(name)
    return new Map([...this.#assigned].filter(([name]) => !isPaused(name)))
  }

  // --- the end

  /** Answers what nobody has answered, taking nothing: an open event would keep the client from leaving. */
  answerOpen(): void {
    const event = this.#leaving?.event ?? this.#open
    this.#leaving = undefined
    this.#open = undefined
    if (event !== undefined) this.#change('all', () => this.decline(event.type, event.partitions))
  }

  /** Gives back what is revoked and takes nothing of what is granted. Throws what the client throws. */
  decline(type: RebalanceEvent['type'], partitions: readonly NativeTopicPartition[]): void {
    const incremental = this.#isIncremental()
    if (type === 'revoke') {
      if (incremental) this.#client.incrementalUnassign(partitions.map(bare))
      else this.#client.unassign()
    } else if (incremental) this.#client.incrementalAssign([])
    else this.#client.assign([])
  }

  clear(): void {
    this.#assigned.clear()
    this.#pausedByUser.clear()
    this.#pausedByHold.clear()
  }
}

function bare({ topic, partition }: TopicPartition): TopicPartition {
  return { topic, partition }
}

function offsetOf(position: StartPosition['position']): number {
  if (position === 'earliest') return OFFSET_BEGINNING
  return position === 'latest' ? OFFSET_END : position
}
