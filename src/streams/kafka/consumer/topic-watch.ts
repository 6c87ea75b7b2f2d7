/**
 * Asks the brokers for the ids and partitions of the input topics, and whether one of them was deleted and made again
 * while its partitions are assigned: the client then reads on in the new log as if nothing had happened.
 */
import type { Clock } from '../../../clock.ts'
import type { OpenWaits } from '../../../metrics/open-waits.ts'
import type { TopicDescription } from '../../broker-port.ts'
import { partitionName, type TopicPartition } from '../../record.ts'
import type { NativeAdmin, NativeTopicDescription } from '../native.ts'

/** Brokers answer within milliseconds. A cluster that does not has no controller, like the embedded one. */
const TIMEOUT_MS = 2000
/** After that, and while nothing is known, it is asked this often. */
const SILENCE_MS = 60_000
const INTERVAL_MS = 5000
const NO_ID = 'AAAAAAAAAAAAAAAAAAAAAA'

export interface TopicWatchOptions {
  readonly clock: Clock
  readonly waits: OpenWaits
  /** Made when it is needed: only then is the client connected. */
  readonly admin: () => NativeAdmin
  /** Partitions of each topic, where ids are not told. */
  readonly count: (topics: readonly string[]) => Promise<ReadonlyMap<string, number>>
  readonly onReplaced: (partition: TopicPartition, message: string) => void
}

export class TopicWatch {
  readonly #options: TopicWatchOptions
  #admin: NativeAdmin | undefined
  /** Ids as they were told last. */
  #ids: ReadonlyMap<string, string> = new Map()
  /** Of which topic each assigned partition is; null until it is told. */
  readonly #assigned = new Map<string, { readonly at: TopicPartition; readonly id: string | null }>()
  /** One question at a time: each takes one of the few threads that all of the client's calls share. */
  #asking: Promise<unknown> = Promise.resolve()
  #askedAtMs: number
  #silentUntilMs = Number.NEGATIVE_INFINITY
  #isLooking = false
  #hasEnded = false

  constructor(options: TopicWatchOptions) {
    this.#options = options
    this.#askedAtMs = options.clock.now()
  }

  async describe(topics: readonly string[]): Promise<ReadonlyMap<string, TopicDescription>> {
    const found = await this.#ask(topics)
    if (found === null) {
      const counts = await this.#options.count(topics)
      return new Map([...counts].map(([topic, partitions]) => [topic, { id: null, partitions }]))
    }
    const existing = found.filter(({ partitions }) => partitions.length > 0)
    const ids = idsIn(existing)
    this.#ids = new Map([...this.#ids, ...ids])
    return new Map(
      existing.map(({ name, partitions }) => [name, { id: ids.get(name) ?? null, partitions: partitions.length }]),
    )
  }

  noteAssigned(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) {
      const id = this.#ids.get(topic) ?? null
      this.#assigned.set(partitionName({ topic, partition }), { at: { topic, partition }, id })
    }
  }

  forget(names: Iterable<string>): void {
    for (const name of names) this.#assigned.delete(name)
  }

  /** Checks once per interval, and sooner when there is a hint, whether assigned partitions are still of the same topics. */
  look(isSuspicious = false): void {
    const now = this.#options.clock.now()
    if (this.#isLooking || this.#assigned.size === 0) return
    if (now - this.#askedAtMs < (isSuspicious ? INTERVAL_MS / 10 : INTERVAL_MS)) return
    this.#isLooking = true
    void this.#look().finally(() => (this.#isLooking = false))
  }

  async #look(): Promise<void> {
    const found = await this.#ask([...new Set([...this.#assigned.values()].map(({ at }) => at.topic))])
    const ids = idsIn(found ?? [])
    for (const [name, { at, id }] of this.#assigned) {
      const now = ids.get(at.topic)
      // One that is away may be the same when it is back.
      if (now === undefined || now === id || this.#hasEnded) continue
      if (id === null) {
        this.#assigned.set(name, { at, id: now })
        continue
      }
      this.#options.onReplaced(at, `Topic ${at.topic} was deleted and made again: its id was ${id} and is ${now}`)
      return
    }
  }

  /** null: not told. */
  #ask(topics: readonly string[]): Promise<readonly NativeTopicDescription[] | null> {
    const answer = this.#asking.then(async () => {
      if (this.#hasEnded || topics.length === 0 || this.#options.clock.now() < this.#silentUntilMs) return null
      this.#askedAtMs = this.#options.clock.now()
      const found = await this.#request(topics)
      if (found === null || found.some(hidesItsId)) this.#silentUntilMs = this.#options.clock.now() + SILENCE_MS
      return found
    })
    this.#asking = answer
    return answer
  }

  async #request(topics: readonly string[]): Promise<readonly NativeTopicDescription[] | null> {
    const answer = new Promise<readonly NativeTopicDescription[] | null>((resolve, reject) => {
      this.#admin ??= this.#options.admin()
      this.#admin.describeTopics([...topics], { timeout: TIMEOUT_MS }, (error, found) => {
        if (error == null) resolve(found)
        else reject(new Error(error.message))
      })
    })
    try {
      return await this.#options.waits.answer('topics', 'which topics there are', answer)
    } catch {
      return null
    }
  }

  /** Resolves when nothing is asked any more: the client must not end before. */
  async end(): Promise<void> {
    this.#hasEnded = true
    await this.#asking
  }
}

/** Brokers before 2.8: there is nothing to compare. */
function hidesItsId({ partitions, topicId }: NativeTopicDescription): boolean {
  return partitions.length > 0 && topicId.base64 === NO_ID
}

function idsIn(found: readonly NativeTopicDescription[]): ReadonlyMap<string, string> {
  return new Map(
    found.filter(({ topicId }) => topicId.base64 !== NO_ID).map(({ name, topicId }) => [name, topicId.base64]),
  )
}
