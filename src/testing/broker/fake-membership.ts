/**
 * A consumer's side of its group: joins, tells the application what is taken and given, and waits
 * for its answers.
 *
 * - OUTSIDE   not in the group (not subscribed yet, or it has left).
 * - JOINING   waits for an assignment; cooperative members go on reading what they have.
 * - AWAITING  the application has to answer; nothing is delivered.
 * - STEADY    has its assignment.
 *
 * A member that was expelled learns it from its next heartbeat, unless it awaits an answer: then it
 * sees nothing until it has that answer, and what it stored by then is refused.
 */
import type { RebalanceEvent } from '../../streams/broker-port.ts'
import { partitionName, type TopicPartition } from '../../streams/record.ts'
import type { FakeGroup, GroupClient } from './fake-group.ts'

export interface FakeMembershipOptions {
  readonly name: string
  readonly process: object
  readonly instanceId: string | null
  readonly group: FakeGroup
  readonly strategy: 'cooperative-sticky' | 'eager'
  /** Sends something to the coordinator. */
  readonly send: (request: () => void) => void
  /** Something from the coordinator arrives. */
  readonly receive: (message: () => void) => void
  /** Runs at the next heartbeat. */
  readonly atHeartbeat: (work: () => void) => void
  /** The application gets this at its next poll. */
  readonly tell: (event: RebalanceEvent) => void
  /** Commits what is stored of these partitions on their way out, then goes on. */
  readonly commitOnTheWayOut: (partitions: readonly TopicPartition[], then: () => void) => void
  readonly onFenced: () => void
}

type Phase = 'outside' | 'joining' | 'awaiting' | 'steady'

export class FakeMembership implements GroupClient {
  readonly name: string
  readonly process: object
  readonly instanceId: string | null
  readonly #options: FakeMembershipOptions
  #topics: readonly string[] = []
  #phase: Phase = 'outside'
  #hasEnded = false
  #memberId: string | null = null
  #generation = -1
  readonly #owned = new Map<string, TopicPartition>()
  #eventId = 0
  #pending: { readonly event: RebalanceEvent; readonly then: () => void } | null = null
  #isLost = false
  /** It has joined again while a revoke waits for its answer. */
  #hasParkedJoin = false
  /** What the heartbeat said while the application had to answer. */
  #afterAnswer: 'nothing' | 'heartbeat' | 'rejoin' | 'expelled' = 'nothing'

  constructor(options: FakeMembershipOptions) {
    this.#options = options
    this.name = options.name
    this.process = options.process
    this.instanceId = options.instanceId
  }

  get memberId(): string | null {
    return this.#memberId
  }

  /** As its last assignment told. */
  get generation(): number {
    return this.#generation
  }

  /** While the application has to answer, every partition is paused, those it keeps as well. */
  get isAwaiting(): boolean {
    return this.#phase === 'awaiting'
  }

  /** The client knows that its partitions belong to others. */
  get isLost(): boolean {
    return this.#isLost
  }

  join(topics: readonly string[]): void {
    this.#topics = topics
    this.#join()
  }

  /** Says nothing to the application and to the group any more, whatever is on its way. */
  end(): void {
    this.#hasEnded = true
    this.#phase = 'outside'
    this.#pending = null
  }

  /** The event if it is the newest and waits for an answer of this type. Takes it. */
  answer(eventId: number, type: RebalanceEvent['type']): { event: RebalanceEvent; proceed: () => void } | null {
    const pending = this.#pending
    if (pending === null || pending.event.id !== eventId || pending.event.type !== type) return null
    this.#pending = null
    const { event, then } = pending
    if (type === 'assign' && this.#options.strategy === 'eager') this.#owned.clear()
    for (const partition of event.partitions) {
      if (type === 'assign') this.#owned.set(partitionName(partition), partition)
      else this.#owned.delete(partitionName(partition))
    }
    return { event, proceed: then }
  }

  /** The application has not polled for too long: the client leaves by itself and says so at the next poll. */
  giveUp(): void {
    if (this.#phase === 'outside' || this.#memberId === null) return
    const id = this.#memberId
    this.#options.send(() => {
      this.#options.group.leave(id)
    })
    this.#isLost = true
    if (this.#phase === 'awaiting') this.#afterAnswer = 'expelled'
    else this.#lose()
  }

  // --- what the coordinator says

  noteRebalance(): void {
    if (this.#hasEnded) return
    this.#options.atHeartbeat(() => {
      if (this.#memberId === null || !this.#options.group.awaits(this.#memberId)) return
      switch (this.#phase) {
        case 'outside':
          break
        case 'steady':
          this.#rejoin()
          break
        case 'joining':
          // Its request, or the answer to it, is still on its way.
          this.noteRebalance()
          break
        case 'awaiting':
          if (this.#afterAnswer === 'nothing') this.#afterAnswer = 'heartbeat'
          break
      }
    })
  }

  noteMetadataChange(): void {
    if (this.#hasEnded) return
    this.#options.atHeartbeat(() => {
      if (this.#phase === 'steady') {
        this.#rejoin()
      } else if (
        this.#phase === 'awaiting' &&
        this.#options.strategy === 'eager' &&
        this.#pending?.event.type === 'revoke'
      ) {
        // The parked revoke: a client that sees its topics change rejoins at once, although its
        // application has not given anything back yet. A new assignment then overtakes the revoke.
        if (this.#isLost || this.#hasParkedJoin) return
        this.#hasParkedJoin = true
        this.#send()
      } else if (this.#phase === 'awaiting' && this.#afterAnswer === 'nothing') {
        this.#afterAnswer = 'rejoin'
      }
    })
  }

  noteAssignment(memberId: string, generation: number, partitions: readonly TopicPartition[]): void {
    if (this.#hasEnded) return
    this.#options.receive(() => {
      // Only what was asked for: an answer to a membership that has ended since means nothing.
      const isAwaited = this.#phase === 'joining' || this.#hasParkedJoin
      if (!isAwaited || memberId !== this.#memberId) return
      this.#hasParkedJoin = false
      this.#generation = generation
      if (this.#options.strategy === 'eager') {
        this.#raise('assign', partitions, false, this.#settle)
        return
      }
      const granted = new Set(partitions.map(partitionName))
      const revoked = [...this.#owned.values()].filter((partition) => !granted.has(partitionName(partition)))
      const added = partitions.filter((partition) => !this.#owned.has(partitionName(partition)))
      if (revoked.length === 0) {
        this.#raise('assign', added, false, this.#settle)
        return
      }
      // Two phases: what goes is given back, what was added is taken, and only then everybody joins
      // again to share out what was given back.
      this.#raise('revoke', revoked, false, () => {
        this.#options.commitOnTheWayOut(revoked, () => {
          if (this.#afterAnswer === 'expelled') {
            this.#lose()
            return
          }
          this.#raise('assign', added, false, () => {
            if (this.#afterAnswer !== 'expelled') this.#afterAnswer = 'rejoin'
            this.#settle()
          })
        })
      })
    })
  }

  noteExpelled(memberId: string): void {
    if (this.#hasEnded) return
    this.#options.atHeartbeat(() => {
      if (this.#phase === 'outside' || this.#memberId !== memberId) return
      if (this.#phase === 'awaiting') this.#afterAnswer = 'expelled'
      else this.#lose()
    })
  }

  noteFenced(): void {
    if (this.#hasEnded) return
    this.#options.atHeartbeat(() => {
      if (this.#hasEnded) return
      this.end()
      this.#options.onFenced()
    })
  }

  // --- steps

  /** The last event of a round was answered. */
  readonly #settle = (): void => {
    const next = this.#afterAnswer
    this.#afterAnswer = 'nothing'
    if (this.#hasEnded) return
    this.#phase = 'steady'
    if (next === 'expelled') this.#lose()
    else if (next === 'rejoin') this.#rejoin()
    else if (next === 'heartbeat') this.noteRebalance()
  }

  #rejoin(): void {
    const owned = [...this.#owned.values()]
    if (this.#options.strategy === 'cooperative-sticky' || owned.length === 0) {
      this.#join()
      return
    }
    this.#raise('revoke', owned, false, () => {
      const answered = this.#eventId
      this.#options.commitOnTheWayOut(owned, () => {
        // The answer to a parked join may have come while the last commit was on its way.
        if (this.#eventId !== answered) return
        if (this.#afterAnswer === 'expelled') this.#lose()
        else this.#join()
      })
    })
  }

  /** Everything belongs to others: the application is told, and a new membership begins. */
  #lose(): void {
    this.#hasParkedJoin = false
    this.#afterAnswer = 'nothing'
    const owned = [...this.#owned.values()]
    const rejoin = (): void => {
      this.#isLost = false
      this.#memberId = null
      this.#generation = -1
      this.#join()
    }
    if (owned.length === 0) {
      rejoin()
      return
    }
    this.#isLost = true
    this.#raise('revoke', owned, true, () => {
      this.#options.commitOnTheWayOut(owned, rejoin)
    })
  }

  #raise(type: RebalanceEvent['type'], partitions: readonly TopicPartition[], lost: boolean, then: () => void): void {
    if (this.#hasEnded) return
    this.#phase = 'awaiting'
    this.#eventId += 1
    const event: RebalanceEvent = { id: this.#eventId, type, partitions, lost }
    this.#pending = { event, then }
    this.#options.tell(event)
  }

  #join(): void {
    if (this.#hasEnded) return
    this.#phase = 'joining'
    this.#afterAnswer = 'nothing'
    if (!this.#hasParkedJoin) this.#send()
  }

  #send(): void {
    const { group, send, strategy } = this.#options
    const memberId = this.#memberId
    const owned = strategy === 'eager' ? [] : [...this.#owned.values()]
    send(() => {
      const id = group.join(this, { memberId, topics: this.#topics, owned })
      if (id !== null) this.#memberId = id
    })
  }
}
