/**
 * Reads the companion inputs of one actor's partitions: the same partition numbers of further topics, in no group, by whoever
 * owns that partition of the first input. So a rebalance never has to keep topics together, and needs no assignor of its own.
 *
 * A partition is read from when its state is known, where its mark stands, until its epoch ends. One loop for all of them; it
 * polls while the intake has room, and also without where records wait for the next one of a companion.
 */
import type { InputProgress } from '../actors/input-progress.ts'
import type { PartitionActor } from '../actors/partition-actor.ts'
import { sleep, type Clock } from '../clock.ts'
import { describeError, isTroupeError, TroupeError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { BrokerReader, Watermarks } from '../streams/broker-port.ts'
import type { Credit } from '../streams/credit.ts'
import { partitionName, type SourceRecord, type TopicPartition } from '../streams/record.ts'

export interface CompanionsOptions {
  readonly openReader: () => BrokerReader
  readonly credit: Pick<Credit, 'availableRecords'>
  readonly clock: Clock
  readonly log: Log
  /** Records of one partition were taken by its owner. */
  readonly onTaken: (actor: PartitionActor) => void
  readonly onFailure: (error: unknown) => void
}

const MAX_POLL_RECORDS = 500
const POLL_TIMEOUT_MS = 100
/** Without room it is looked again after so long. */
const ROOM_INTERVAL_MS = 20
const MIN_DELAY_MS = 200
const MAX_DELAY_MS = 5_000

interface Followed {
  readonly actor: PartitionActor
  readonly input: InputProgress
  /** Where reading stood when its owner was told last. */
  told: number | null
}

export class Companions {
  readonly #options: CompanionsOptions
  readonly #followed = new Map<string, Followed>()
  #reader: { readonly client: BrokerReader; readonly connected: Promise<void> } | null = null
  #isRunning = false
  #isClosed = false

  constructor(options: CompanionsOptions) {
    this.#options = options
  }

  /** Of this topic partition, whatever is followed; records of open transactions count. Rejects while no broker answers. */
  async watermarks(at: TopicPartition): Promise<Watermarks> {
    const client = await this.#connected()
    return await client.watermarks(at)
  }

  pause(partitions: readonly TopicPartition[]): void {
    const followed = this.#ours(partitions)
    if (followed.length > 0) this.#reader?.client.pause(followed)
  }

  resume(partitions: readonly TopicPartition[]): void {
    const followed = this.#ours(partitions)
    if (followed.length > 0) this.#reader?.client.resume(followed)
  }

  /** What was told before its client was connected, is told when it begins. */
  #ours(partitions: readonly TopicPartition[]): TopicPartition[] {
    return partitions.filter((each) => this.#followed.has(partitionName(each)))
  }

  /** From where they stand by now. Resolves when they are read. Never rejects. */
  async follow(actor: PartitionActor): Promise<void> {
    for (let delayMs = MIN_DELAY_MS; !this.#isOver(actor); delayMs = Math.min(2 * delayMs, MAX_DELAY_MS)) {
      try {
        const client = await this.#connected()
        if (!this.#isOver(actor)) this.#begin(actor, client)
        return
      } catch (error) {
        if (!isTroupeError(error) || !error.retryable) {
          this.#options.onFailure(error)
          return
        }
        this.#options.log.warn({ partition: actor.id }, `its companion inputs wait: ${describeError(error)}`)
        await sleep(this.#options.clock, delayMs)
      }
    }
  }

  unfollow(actor: PartitionActor): void {
    const gone = [...this.#followed.values()].filter((each) => each.actor === actor).map(({ input }) => placeOf(input))
    for (const each of gone) this.#followed.delete(partitionName(each))
    if (gone.length > 0 && !this.#isClosed) this.#reader?.client.unfollow(gone)
  }

  /** This owner goes on in the place of that one: nothing is read again. */
  handOn(from: PartitionActor, to: PartitionActor): void {
    let isRead = false
    for (const [name, { actor, told }] of this.#followed) {
      if (actor !== from) continue
      isRead = true
      const input = to.inputs.find((each) => partitionName(each) === name)
      if (input !== undefined) this.#followed.set(name, { actor: to, input, told })
    }
    if (!isRead) void this.follow(to)
  }

  /** Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#followed.clear()
    await this.#reader?.client.disconnect().catch(() => undefined)
  }

  #isOver(actor: PartitionActor): boolean {
    return this.#isClosed || actor.isFenced
  }

  async #connected(): Promise<BrokerReader> {
    if (this.#isClosed) throw new TroupeError('BROKER_UNREACHABLE', 'companion inputs are read no more')
    if (this.#reader === null) {
      const client = this.#options.openReader()
      this.#reader = { client, connected: client.connect() }
    }
    const reader = this.#reader
    try {
      await reader.connected
    } catch (error) {
      // Another one next time: a client does not connect twice. Nothing was followed by this one.
      if (this.#reader === reader) this.#reader = null
      await reader.client.disconnect().catch(() => undefined)
      throw error
    }
    return reader.client
  }

  #begin(actor: PartitionActor, reader: BrokerReader): void {
    const companions = actor.inputs.filter(({ isCompanion }) => isCompanion)
    for (const input of companions) this.#followed.set(partitionName(input), { actor, input, told: null })
    reader.follow(companions.map((input) => ({ ...placeOf(input), position: input.start.position ?? 'earliest' })))
    const paused = companions.filter(({ isPaused }) => isPaused)
    if (paused.length > 0) reader.pause(paused.map(placeOf))
    if (!this.#isRunning) void this.#run(reader)
  }

  /** Never rejects. */
  async #run(reader: BrokerReader): Promise<void> {
    const { clock, onFailure } = this.#options
    this.#isRunning = true
    try {
      while (this.#followed.size > 0 && !this.#isClosed) {
        if (!this.#hasRoom) {
          await sleep(clock, ROOM_INTERVAL_MS)
          continue
        }
        const records = await reader.poll(MAX_POLL_RECORDS, POLL_TIMEOUT_MS)
        this.#handOut(records)
        this.#tellPositions(reader)
      }
    } catch (error) {
      // Where they begin again is judged then: the log of one has moved on, or its topic is another one by now.
      const isOfLog = isTroupeError(error) && error.code === 'OFFSET_OUT_OF_RANGE'
      onFailure(isOfLog ? new Error(error.message) : error)
    }
    this.#isRunning = false
  }

  get #hasRoom(): boolean {
    if (this.#options.credit.availableRecords > 0) return true
    for (const { actor, input } of this.#followed.values()) if (actor.isAwaiting(input)) return true
    return false
  }

  /** A poll brings whole runs of partitions. */
  #handOut(records: readonly SourceRecord[]): void {
    for (let begin = 0, at = 1; at <= records.length; at += 1) {
      const first = records[begin]!
      const next = records[at]
      if (next?.partition === first.partition && next.topic === first.topic) continue
      const followed = this.#followed.get(partitionName(first))
      if (followed !== undefined) {
        followed.actor.offer(begin === 0 && at === records.length ? records : records.slice(begin, at))
        this.#options.onTaken(followed.actor)
      }
      begin = at
    }
  }

  /** Behind the records of a poll, and at the end of a log also behind what has none. */
  #tellPositions(reader: BrokerReader): void {
    for (const followed of this.#followed.values()) {
      const position = reader.position(followed.input)
      if (position === null || position === followed.told) continue
      followed.told = position
      followed.actor.noteEnd({ ...placeOf(followed.input), position })
    }
  }
}

function placeOf({ partition, topic }: TopicPartition): TopicPartition {
  return { topic, partition }
}
