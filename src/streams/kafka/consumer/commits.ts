/**
 * Commits what was stored, one request at a time.
 *
 * The client's own timer is not used. It commits a partition only when its position has grown, so that what is
 * finished beyond a stuck record would never be written down. And while no broker answers it queues one
 * more request at each interval, without limit. Here one request is on its way; what is stored
 * meanwhile waits, the newest of each partition.
 *
 * A request whose answer has not come by the deadline counts as lost: what it carried, or what is newer, goes in
 * another one. Its report may still come, and then speaks for nobody: what it has changed at the broker is put right.
 */
import { sleep, type Clock } from '../../../clock.ts'
import { waitTable, type OpenWaits } from '../../../metrics/open-waits.ts'
import type { CommitReport, StoredPosition } from '../../broker-port.ts'
import { commitResult } from './consumer-errors.ts'
import type { NativeError, NativeTopicPartition } from '../native.ts'
import { partitionName, type TopicPartition } from '../../record.ts'

/** A commit is one batch in the brokers' log: well below its limit of a megabyte, or nothing of it is committed. */
const MAX_COMMIT_BYTES = 500_000
const RETRY_MS = 200
/** How often `settle` looks whether the answer has come. */
const SETTLE_STEP_MS = 5
/** So many lost requests are remembered; each makes the wait for the next answer longer, so that they stay few. */
const MAX_LOST = 8

export interface CommitQueueOptions {
  readonly clock: Clock
  readonly intervalMs: number
  readonly waits: OpenWaits
  /** Sends a commit; its outcome comes by `noteReport`. May throw. */
  readonly commit: (positions: readonly NativeTopicPartition[]) => void
  readonly onReport: (report: CommitReport) => void
}

/** One request on its way. */
interface Commit {
  /** As sent: how its report is recognised. */
  readonly offsets: ReadonlyMap<string, number>
  /** What of it still belongs to a living epoch. */
  readonly positions: Map<string, StoredPosition>
}

/** A request that counts as lost: it may have been taken, may yet be, or never. */
interface LostCommit extends Commit {
  /** What was taken after it; should it be taken after all, behind these, they have to go again. */
  readonly takenSince: Map<string, StoredPosition>
}

export class CommitQueue {
  readonly #options: CommitQueueOptions
  /** The newest of each partition that no request carries yet. */
  readonly #waiting = new Map<string, StoredPosition>()
  /** Some metadata of a commit was too long: these go one by one and at once, to learn which; that one's position then goes alone. */
  #suspects: StoredPosition[] = []
  readonly #sent: Commit[] = []
  /** Those whose answer has not come in time, the oldest first. */
  readonly #lost: LostCommit[] = []
  #sentAt: number
  #cancelTimer: (() => void) | undefined
  #cancelDeadline: (() => void) | undefined
  /** Open from the first request that is not answered on, through those sent in its place. */
  #endWait: (() => void) | undefined
  #isStopped = false

  constructor(options: CommitQueueOptions) {
    this.#options = options
    this.#sentAt = options.clock.now() - options.intervalMs
  }

  put(positions: readonly StoredPosition[]): void {
    for (const position of positions) this.#waiting.set(partitionName(position), position)
    this.#schedule(0)
  }

  /** Nothing of these partitions is committed any more, as far as it is not on its way. */
  forget(names: Iterable<string>): void {
    for (const name of names) {
      this.#waiting.delete(name)
      this.#suspects = this.#suspects.filter((position) => partitionName(position) !== name)
      for (const commit of this.#sent) commit.positions.delete(name)
      for (const commit of this.#lost) {
        commit.positions.delete(name)
        commit.takenSince.delete(name)
      }
    }
  }

  /**
   * Commits what waits for these partitions and resolves with true when the broker has answered, with false
   * when it has not after `timeoutMs`. `serve` lets the client deliver its callbacks. A request before may still be on its way: both go over
   * one connection, so the broker sees them in order.
   */
  async settle(names: ReadonlySet<string>, timeoutMs: number, serve: () => Promise<void>): Promise<boolean> {
    const { clock } = this.#options
    const deadline = clock.now() + timeoutMs
    while (clock.now() < deadline && !this.#isStopped) {
      for (const suspect of this.#takeSuspects(names)) this.#send([suspect])
      const positions = [...this.#waiting].filter(([name]) => names.has(name)).map(([, position]) => position)
      while (positions.length > 0) this.#send(takeBatch(positions))
      await serve()
      if (!this.#concerns(names)) return true
      // A refusal has put its positions back: not at once again.
      await sleep(clock, SETTLE_STEP_MS)
    }
    return false
  }

  /** No request is on its way, not even one that counts as lost. */
  get isIdle(): boolean {
    return this.#sent.length === 0 && this.#lost.length === 0
  }

  /** Those of these partitions for which nothing newer waits. */
  #takeSuspects(names: ReadonlySet<string>): StoredPosition[] {
    const taken = this.#suspects.filter((position) => names.has(partitionName(position)))
    this.#suspects = this.#suspects.filter((position) => !names.has(partitionName(position)))
    return taken.filter((position) => !this.#waiting.has(partitionName(position)))
  }

  #concerns(names: ReadonlySet<string>): boolean {
    const has = (positions: ReadonlyMap<string, unknown>): boolean => [...names].some((name) => positions.has(name))
    const isSuspect = this.#suspects.some((position) => names.has(partitionName(position)))
    return isSuspect || has(this.#waiting) || this.#sent.some((commit) => has(commit.positions))
  }

  /** Sends nothing any more; what is on its way is still reported. */
  stop(): void {
    this.#cancelTimer?.()
    this.#cancelDeadline?.()
    this.#endWait?.()
    this.#isStopped = true
    this.#waiting.clear()
    this.#suspects = []
  }

  #schedule(minimumMs: number): void {
    if (this.#isStopped || this.#sent.length > 0 || this.#cancelTimer !== undefined) return
    if (this.#waiting.size === 0 && this.#suspects.length === 0) return
    const dueMs = this.#suspects.length > 0 ? 0 : this.#sentAt + this.#options.intervalMs - this.#options.clock.now()
    this.#cancelTimer = this.#options.clock.after(Math.max(0, minimumMs, dueMs), () => {
      this.#cancelTimer = undefined
      const suspect = this.#suspects.shift()
      this.#send(suspect === undefined ? takeBatch([...this.#waiting.values()]) : [suspect])
    })
  }

  #send(positions: readonly StoredPosition[]): void {
    if (positions.length === 0) return
    this.#sentAt = this.#options.clock.now()
    for (const position of positions) {
      const name = partitionName(position)
      if (this.#waiting.get(name) === position) this.#waiting.delete(name)
    }
    const commit: Commit = {
      offsets: new Map(positions.map((position) => [partitionName(position), position.position])),
      positions: new Map(positions.map((position) => [partitionName(position), position])),
    }
    try {
      this.#sent.push(commit)
      this.#options.commit(positions.map(toNative))
    } catch {
      this.#sent.splice(this.#sent.indexOf(commit), 1)
      this.#putBack(commit)
      this.#schedule(RETRY_MS)
      return
    }
    this.#awaitAnswer()
  }

  #awaitAnswer(): void {
    if (this.#isStopped) return
    const { clock, waits } = this.#options
    this.#endWait ??= waits.begin('commit')
    this.#cancelDeadline?.()
    const deadlineMs = waitTable.commit.deadlineMs * (1 + this.#lost.length)
    this.#cancelDeadline = clock.after(deadlineMs, () => {
      this.#giveUp()
    })
  }

  #noteAnswer(): void {
    this.#endWait?.()
    this.#endWait = undefined
    this.#cancelDeadline?.()
    this.#cancelDeadline = undefined
    if (this.#sent.length > 0) this.#awaitAnswer()
  }

  /** What is on its way counts as lost, and goes again. */
  #giveUp(): void {
    this.#cancelDeadline = undefined
    const lost = this.#sent.splice(0)
    for (const commit of lost.toReversed()) this.#putBack(commit)
    this.#lost.push(...lost.map((commit) => ({ ...commit, takenSince: new Map<string, StoredPosition>() })))
    this.#lost.splice(0, this.#lost.length - MAX_LOST)
    this.#schedule(0)
  }

  /** The late report of a lost request. */
  #noteLateReport({ takenSince }: LostCommit, wasTaken: boolean): void {
    if (!wasTaken) return
    for (const position of this.#newestOf(takenSince)) this.#waiting.set(partitionName(position), position)
    this.#schedule(0)
  }

  #putBack(commit: Commit): void {
    for (const position of this.#newestOf(commit.positions)) this.#waiting.set(partitionName(position), position)
  }

  /** What nothing newer speaks for: neither stored meanwhile, nor on its way in a later request, nor to go alone. */
  #newestOf(positions: ReadonlyMap<string, StoredPosition>): StoredPosition[] {
    const alone = new Set(this.#suspects.map(partitionName))
    const isNewest = (name: string): boolean =>
      !this.#waiting.has(name) && !alone.has(name) && !this.#sent.some(({ positions }) => positions.has(name))
    return [...positions].filter(([name]) => isNewest(name)).map(([, position]) => position)
  }

  /** Takes the client's report on a commit: ours, or one that it made by itself when partitions were given back. */
  noteReport(error: NativeError | null | undefined, list: readonly NativeTopicPartition[]): void {
    const result = commitResult(error)
    const commit = takeFrom(this.#sent, list)
    const late = commit === undefined ? takeFrom(this.#lost, list) : undefined
    // Of what is too long in part, the rest was taken.
    const wasTaken = result === 'accepted' || result === 'too-large'
    if (late !== undefined && result !== 'fenced') return this.#noteLateReport(late, wasTaken)
    if (commit !== undefined) {
      this.#noteAnswer()
      if (result === 'accepted') this.#noteTaken(commit)
    }
    const reason = error == null ? {} : { reason: error.message }
    if (commit !== undefined && result === 'too-large' && commit.offsets.size > 1) {
      // One error for all of them, and those that fit stand. Only alone each tells which it is.
      this.#suspects.push(...this.#newestOf(commit.positions))
      this.#schedule(0)
      return
    }
    if (result === 'deferred' || result === 'failed') if (commit !== undefined) this.#putBack(commit)
    const ours = commit ?? late
    const positions = list
      // An epoch that was forgotten meanwhile is not fenced by what became of its commit: it may be ours again.
      .filter((entry) => result !== 'fenced' || ours === undefined || ours.positions.has(partitionName(entry)))
      .map(({ topic, partition, offset = 0 }) => ({ topic, partition, position: offset }))
      .map((about) => (result === 'too-large' ? { ...about, ...lengthIn(commit, about) } : about))
    this.#options.onReport({ positions, result, ...reason })
    if (commit !== undefined && result === 'too-large') this.#suspects.unshift(...this.#alone(commit))
    this.#schedule(wasTaken ? 0 : RETRY_MS)
  }

  /** Without its map a position is never too long. */
  #alone(commit: Commit): StoredPosition[] {
    const refused = this.#newestOf(commit.positions).filter(({ metadata }) => metadata !== '')
    return refused.map((position) => ({ ...position, metadata: '' }))
  }

  #noteTaken({ positions }: Commit): void {
    for (const { offsets, takenSince } of this.#lost) {
      for (const [name, position] of positions) if (offsets.has(name)) takenSince.set(name, position)
    }
  }
}

/** Takes the oldest commit that names exactly these positions. */
function takeFrom<Each extends Pick<Commit, 'offsets'>>(
  commits: Each[],
  list: readonly NativeTopicPartition[],
): Each | undefined {
  const at = commits.findIndex(
    ({ offsets }) =>
      offsets.size === list.length && list.every((entry) => offsets.get(partitionName(entry)) === entry.offset),
  )
  return at < 0 ? undefined : commits.splice(at, 1)[0]
}

function lengthIn(commit: Commit | undefined, of: TopicPartition): { readonly metadataLength?: number } {
  const refused = commit?.positions.get(partitionName(of))
  return refused === undefined ? {} : { metadataLength: refused.metadata.length }
}

/** Takes from the front what one request may carry, one position at least. */
function takeBatch(positions: StoredPosition[]): StoredPosition[] {
  let bytes = 0
  const rest = positions.findIndex(({ metadata }, index) => {
    bytes += 100 + metadata.length * 3
    return bytes > MAX_COMMIT_BYTES && index > 0
  })
  return positions.splice(0, rest < 0 ? positions.length : rest)
}

function toNative({ topic, partition, position, metadata }: StoredPosition): NativeTopicPartition {
  return { topic, partition, offset: position, metadata }
}
