/**
 * The positions a client has stored and not committed yet. One commit is on its way at a time; what is
 * stored meanwhile waits for the next interval, the newest of each partition. A commit that was
 * refused for a while is made again, unless a newer one has taken its place; one whose metadata is
 * too long is made again without it.
 */
import type { Clock } from '../../clock.ts'
import type { CommitReport, StoredPosition } from '../../streams/broker-port.ts'
import { partitionName, type TopicPartition } from '../../streams/record.ts'
import type { FakeConnection } from './fake-connection.ts'

export interface CommitAnswer {
  readonly result: CommitReport['result']
  readonly positions: readonly StoredPosition[]
}

export interface FakePositionsOptions {
  readonly clock: Clock
  readonly connection: FakeConnection
  readonly intervalMs: number
  readonly memberId: () => string | null
  /** The coordinator's answers, at the coordinator: one, or one for those it takes and one for those too large. */
  readonly commit: (memberId: string | null, positions: readonly StoredPosition[]) => readonly CommitAnswer[]
  /** The client has an answer. */
  readonly onAnswer: (memberId: string | null, answer: CommitAnswer) => void
}

const RETRY_MS = 200
/** How long a client that gives partitions back waits for its last commit of them. */
const LAST_COMMIT_TIMEOUT_MS = 5_000

export class FakePositions {
  readonly #options: FakePositionsOptions
  readonly #waiting = new Map<string, StoredPosition>()
  /** What a commit on its way carries, as far as it is still wanted. */
  readonly #sent = new Map<string, StoredPosition>()
  #isSending = false
  #sentAtMs = -Infinity
  #cancelTimer: (() => void) | null = null
  /** Partitions that are given back go when neither waits nor is on its way what was stored of them. */
  readonly #departures = new Set<{ readonly names: readonly string[]; readonly go: () => void }>()

  constructor(options: FakePositionsOptions) {
    this.#options = options
  }

  store(positions: readonly StoredPosition[]): void {
    for (const position of positions) this.#waiting.set(partitionName(position), position)
    this.#schedule(0)
  }

  /** Commits what was stored of these partitions, then forgets it and goes on, whatever the answer. */
  giveBack(partitions: readonly TopicPartition[], then: () => void): void {
    const names = partitions.map(partitionName)
    if (!this.#concerns(names)) {
      then()
      return
    }
    const go = (): void => {
      if (!this.#departures.delete(departure)) return
      cancel()
      this.forget(names)
      then()
    }
    const departure = { names, go }
    this.#departures.add(departure)
    const cancel = this.#options.clock.after(LAST_COMMIT_TIMEOUT_MS, go)
    this.#cancelTimer?.()
    this.#cancelTimer = null
    this.#sentAtMs = -Infinity
    this.#schedule(0)
  }

  /** Commits all that was stored. */
  end(then: () => void): void {
    const all = [...this.#waiting.values(), ...this.#sent.values()]
    this.giveBack(all, then)
  }

  /** Nothing of these is committed any more, as far as it is not on its way. */
  forget(names: Iterable<string>): void {
    for (const name of names) {
      this.#waiting.delete(name)
      this.#sent.delete(name)
    }
  }

  #concerns(names: readonly string[]): boolean {
    return names.some((name) => this.#waiting.has(name) || this.#sent.has(name))
  }

  #schedule(minimumMs: number): void {
    if (this.#isSending || this.#cancelTimer !== null || this.#waiting.size === 0) return
    const { clock, intervalMs } = this.#options
    const dueMs = this.#sentAtMs + intervalMs - clock.now()
    this.#cancelTimer = clock.after(Math.max(0, minimumMs, dueMs), () => {
      this.#cancelTimer = null
      this.#send()
    })
  }

  #send(): void {
    const positions = [...this.#waiting.values()]
    if (positions.length === 0) return
    const { clock, commit, connection, memberId } = this.#options
    const id = memberId()
    this.#isSending = true
    this.#sentAtMs = clock.now()
    this.#waiting.clear()
    for (const position of positions) this.#sent.set(partitionName(position), position)
    connection.request(
      () => commit(id, positions),
      (answers) => {
        this.#isSending = false
        let isRefusedForNow = false
        for (const answer of answers) {
          isRefusedForNow ||= answer.result === 'deferred' || answer.result === 'failed'
          this.#note(answer)
          this.#options.onAnswer(id, answer)
        }
        for (const departure of [...this.#departures]) if (!this.#concerns(departure.names)) departure.go()
        this.#schedule(isRefusedForNow ? RETRY_MS : 0)
      },
    )
  }

  #note({ positions, result }: CommitAnswer): void {
    for (const position of positions) {
      const name = partitionName(position)
      const isWanted = this.#sent.get(name) === position
      this.#sent.delete(name)
      if (!isWanted || this.#waiting.has(name)) continue
      if (result === 'deferred' || result === 'failed') this.#waiting.set(name, position)
      if (result === 'too-large' && position.metadata !== '') this.#waiting.set(name, { ...position, metadata: '' })
    }
  }
}
