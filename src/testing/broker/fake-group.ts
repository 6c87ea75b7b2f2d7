/**
 * The coordinator of one consumer group: who is a member, who gets which partitions, what is
 * committed. Like Kafka's it checks a commit for membership only: never who owns the partition, nor
 * whether the position grows.
 *
 * - STABLE     everybody was told their assignment.
 * - PREPARING  waits for every member to join again; whoever has not at the deadline is expelled.
 */
import type { Clock } from '../../clock.ts'
import type { CommitReport, StoredPosition } from '../../streams/broker-port.ts'
import { partitionName, type TopicPartition } from '../../streams/record.ts'
import type { TransactionFault } from '../../streams/transaction-port.ts'
import { assignPartitions } from './fake-assignor.ts'
import type { CommitAnswer } from './fake-positions.ts'
import type { Random } from '../random.ts'

/** A member's client, as the coordinator reaches it. Nothing happens within these calls. */
export interface GroupClient {
  readonly name: string
  /** The process it runs in: a name may be used again after a crash. */
  readonly process: object
  readonly instanceId: string | null
  /** The heartbeat says: join again. */
  noteRebalance(): void
  /** Topics changed; a client finds that out by itself. */
  noteMetadataChange(): void
  noteAssignment(memberId: string, generation: number, partitions: readonly TopicPartition[]): void
  /** The heartbeat says: unknown member. */
  noteExpelled(memberId: string): void
  /** Another client with this instance id has taken over. */
  noteFenced(): void
}

/** Who sends positions in a transaction, as its client knows itself. */
export interface GroupMember {
  /** null: it has not joined again after a loss. The group asks nothing of somebody without an id. */
  readonly id: string | null
  readonly generation: number
}

export interface FakeGroupOptions {
  readonly id: string
  readonly clock: Clock
  readonly random: Random
  readonly strategy: 'cooperative-sticky' | 'eager'
  /** The longest that members may take to join again, answers of their applications included. */
  readonly rebalanceTimeoutMs: number
  /** UTF-16 units of metadata that are taken, the client's trailing NUL included. */
  readonly maxMetadataCharacters: number
  readonly partitionsOf: (topics: ReadonlySet<string>) => readonly TopicPartition[]
  /** A fault to answer a commit with; null: it is taken. */
  readonly commitFault: (client: string, positions: readonly StoredPosition[]) => CommitReport['result'] | null
  readonly onCommitted: (client: string, position: StoredPosition) => void
  readonly onExpelled: (client: string) => void
}

interface Member {
  readonly id: string
  client: GroupClient
  topics: readonly string[]
  owned: readonly TopicPartition[]
  assigned: readonly TopicPartition[]
  hasJoined: boolean
}

export interface JoinRequest {
  /** null: a new member. */
  readonly memberId: string | null
  readonly topics: readonly string[]
  readonly owned: readonly TopicPartition[]
}

export class FakeGroup {
  readonly #options: FakeGroupOptions
  readonly #members = new Map<string, Member>()
  readonly #committed = new Map<string, StoredPosition>()
  #state: 'stable' | 'preparing' = 'stable'
  #cancelDeadline: (() => void) | null = null
  #joins = 0
  /** Grows with each assignment to all. */
  #generation = 0
  /** Names of partitions with positions of a transaction that has not been settled here, by transactional id. */
  readonly #pending = new Map<string, Set<string>>()

  constructor(options: FakeGroupOptions) {
    this.#options = options
  }

  get id(): string {
    return this.#options.id
  }

  get memberIds(): readonly string[] {
    return [...this.#members.keys()]
  }

  get memberNames(): string[] {
    return [...this.#members.values()].map((member) => member.client.name)
  }

  /** True while members are asked to join again. */
  get isRebalancing(): boolean {
    return this.#state === 'preparing'
  }

  /** Expels whatever members a process has here. */
  expelProcess(process: object): void {
    for (const member of [...this.#members.values()]) if (member.client.process === process) this.expel(member.id)
  }

  /** True while this member is asked to join again and has not. */
  awaits(memberId: string): boolean {
    return this.#state === 'preparing' && this.#members.get(memberId)?.hasJoined === false
  }

  /** Returns the member's id; null: the group does not know the one it named. */
  join(client: GroupClient, request: JoinRequest): string | null {
    const { memberId, owned, topics } = request
    if (memberId !== null && !this.#members.has(memberId)) {
      client.noteExpelled(memberId)
      return null
    }
    const before = memberId === null ? this.#memberWithInstance(client.instanceId) : undefined
    const member = memberId === null ? this.#add(client, topics) : this.#members.get(memberId)!
    if (before !== undefined) {
      // A static member is back: it gets what it had, and the others notice nothing.
      this.#members.delete(before.id)
      if (before.client !== client) before.client.noteFenced()
      member.assigned = before.assigned
      // Unless a round is to follow, in which somebody gets what was given back for it.
      if (this.#state === 'stable' && this.#isAllAssigned()) {
        client.noteAssignment(member.id, this.#generation, member.assigned)
        return member.id
      }
    }
    member.hasJoined = true
    member.owned = owned
    member.topics = topics
    this.#prepare()
    this.#completeWhenAllJoined()
    return member.id
  }

  leave(memberId: string): void {
    if (this.#members.delete(memberId)) this.#goOnWithoutOne()
  }

  /** The member is out. Its partitions go to others at once; it finds out by itself. */
  expel(memberId: string): void {
    const member = this.#members.get(memberId)
    if (member === undefined) return
    this.#members.delete(memberId)
    this.#options.onExpelled(member.client.name)
    member.client.noteExpelled(memberId)
    this.#goOnWithoutOne()
  }

  /** This topic has come, has gone, or has other partitions. */
  noteMetadataChange(topic: string): void {
    for (const { client, topics } of this.#members.values()) if (topics.includes(topic)) client.noteMetadataChange()
  }

  /** A topic is deleted, and with it what was committed of it. */
  forgetTopic(topic: string): void {
    for (const [name, position] of this.#committed) if (position.topic === topic) this.#committed.delete(name)
  }

  /** Nothing is committed any more. */
  forgetPositions(): void {
    this.#committed.clear()
  }

  /** Everybody has to join again, for no reason. */
  rebalance(): void {
    if (this.#members.size > 0) this.#prepare()
  }

  commit(client: string, memberId: string | null, positions: readonly StoredPosition[]): readonly CommitAnswer[] {
    if (memberId === null || !this.#members.has(memberId)) return [{ result: 'fenced', positions }]
    const fault = this.#options.commitFault(client, positions)
    if (fault === 'fenced') this.expel(memberId)
    if (fault !== null && fault !== 'accepted') return [{ result: fault, positions }]
    // The client adds a NUL to the metadata, and the broker counts it.
    const fits = (position: StoredPosition): boolean =>
      position.metadata.length + 1 <= this.#options.maxMetadataCharacters
    const taken = positions.filter(fits)
    const tooLarge = positions.filter((position) => !fits(position))
    for (const position of taken) this.#set(client, position)
    return [
      ...(taken.length === 0 ? [] : [{ result: 'accepted' as const, positions: taken }]),
      ...(tooLarge.length === 0 ? [] : [{ result: 'too-large' as const, positions: tooLarge }]),
    ]
  }

  committed(of: TopicPartition): StoredPosition | undefined {
    return this.#committed.get(partitionName(of))
  }

  /** All that is committed. */
  get positions(): readonly StoredPosition[] {
    return [...this.#committed.values()]
  }

  // --- positions of transactions

  /**
   * Takes positions that a transaction may commit. Asks for membership alone, as with any commit; somebody who has just
   * been told that it has lost its partitions, and has answered, passes.
   */
  addPending(
    transactionalId: string,
    { id, generation }: GroupMember,
    positions: readonly StoredPosition[],
  ): TransactionFault | null {
    if (id !== null && !this.#members.has(id)) return 'not-a-member'
    if (id !== null && generation !== this.#generation) return 'stale-generation'
    if (positions.some(({ metadata }) => metadata.length + 1 > this.#options.maxMetadataCharacters)) {
      return 'metadata-too-long'
    }
    const pending = this.#pending.get(transactionalId) ?? new Set()
    for (const position of positions) pending.add(partitionName(position))
    this.#pending.set(transactionalId, pending)
    return null
  }

  /** The transaction has ended: its positions stand, or are dropped. */
  settlePending(
    client: string,
    transactionalId: string,
    positions: readonly StoredPosition[],
    isCommitted: boolean,
  ): void {
    this.#pending.delete(transactionalId)
    if (isCommitted) for (const position of positions) this.#set(client, position)
  }

  /** Nobody is told the position of this partition until the transactions with one of it have ended. */
  isPending(of: TopicPartition): boolean {
    const name = partitionName(of)
    return [...this.#pending.values()].some((names) => names.has(name))
  }

  /** Sets what is committed, as a tool would. null: nothing. */
  setCommitted(of: TopicPartition, position: number | null, metadata = ''): void {
    const { topic, partition } = of
    if (position === null) this.#committed.delete(partitionName(of))
    else this.#committed.set(partitionName(of), { topic, partition, position, metadata })
  }

  #set(client: string, position: StoredPosition): void {
    this.#committed.set(partitionName(position), position)
    this.#options.onCommitted(client, position)
  }

  #add(client: GroupClient, topics: readonly string[]): Member {
    this.#joins += 1
    const id = `${client.name}-${this.#joins}`
    const member: Member = { id, client, topics, owned: [], assigned: [], hasJoined: false }
    this.#members.set(id, member)
    return member
  }

  #isAllAssigned(): boolean {
    const members = [...this.#members.values()]
    const topics = new Set(members.flatMap((member) => member.topics))
    const assigned = new Set(members.flatMap((member) => member.assigned.map(partitionName)))
    return this.#options.partitionsOf(topics).every((partition) => assigned.has(partitionName(partition)))
  }

  #memberWithInstance(instanceId: string | null): Member | undefined {
    if (instanceId === null) return undefined
    return [...this.#members.values()].find((member) => member.client.instanceId === instanceId)
  }

  #prepare(): void {
    if (this.#state === 'preparing') return
    this.#state = 'preparing'
    for (const member of this.#members.values()) {
      if (!member.hasJoined) member.client.noteRebalance()
    }
    this.#cancelDeadline = this.#options.clock.after(this.#options.rebalanceTimeoutMs, () => {
      const late = [...this.#members.values()].filter((member) => !member.hasJoined)
      for (const member of late) this.expel(member.id)
    })
  }

  #goOnWithoutOne(): void {
    if (this.#members.size > 0) this.#prepare()
    this.#completeWhenAllJoined()
  }

  #completeWhenAllJoined(): void {
    if (this.#state !== 'preparing') return
    const members = [...this.#members.values()]
    if (members.some((member) => !member.hasJoined)) return
    this.#cancelDeadline?.()
    this.#cancelDeadline = null
    this.#state = 'stable'
    this.#generation += 1
    const topics = new Set(members.flatMap((member) => member.topics))
    const target = assignPartitions(members, this.#options.partitionsOf(topics), this.#options.random)
    const ownerOf = new Map(members.flatMap((member) => member.owned.map((each) => [partitionName(each), member.id])))
    for (const member of members) {
      // Cooperative: what another member still owns comes in the next round, when it has been given back.
      member.assigned = target.get(member.id)!.filter((partition) => {
        const owner = ownerOf.get(partitionName(partition))
        return this.#options.strategy === 'eager' || owner === undefined || owner === member.id
      })
      member.hasJoined = false
    }
    for (const member of members) member.client.noteAssignment(member.id, this.#generation, member.assigned)
  }
}
