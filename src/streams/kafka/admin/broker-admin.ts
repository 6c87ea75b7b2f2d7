/** The admin port: on a connection of the native client, and another client for what that cannot be asked. */
import { sleep, sleepInBackground } from '../../../clock.ts'
import { TroupeError, isTroupeError } from '../../../errors.ts'
import { OpenWaits } from '../../../metrics/open-waits.ts'
import type { BrokerAdmin, MissingRight, NeededRights, NewTopic } from '../../admin-port.ts'
import type { TopicDescription } from '../../broker-port.ts'
import type { KafkaBrokerOptions } from '../broker-options.ts'
import { adminConfig } from '../client-config.ts'
import { codeOf, configurationError, connectClient, countPartitions } from '../connection.ts'
import { isMissing } from '../consumer/consumer-errors.ts'
import type {
  NativeAdmin,
  NativeError,
  NativeGroup,
  NativeKafka,
  NativeProducer,
  NativeTopicDescription,
} from '../native.ts'
import { ClientLog } from '../trouble.ts'
import {
  AdminError,
  CLUSTER_NOT_ALLOWED,
  NO_SUCH_GROUP,
  TOPIC_NOT_ALLOWED,
  groupError,
  notConnected,
  outage,
  topicNotAllowed,
} from './admin-errors.ts'
import { askCommitted } from './group-positions.ts'
import { ProtocolClient, looksAtGenerations } from './protocol-client.ts'

const CONNECT_TIMEOUT_MS = 15_000
const REQUEST_TIMEOUT_MS = 15_000
const ASK_AGAIN_MS = 50
/** Brokers take a while until all of them have forgotten a topic. */
const DELETE_TIMEOUT_MS = 30_000
const DISCONNECT_TIMEOUT_MS = 14_000

const UNSUPPORTED = -165
const TOPIC_EXISTS = 36
const AGAINST_POLICY = 44
/** As the client counts operations. */
const [READ, WRITE] = [3, 4]
const NO_ID = Buffer.alloc(16).toString('base64')

type Done<Value> = (error: NativeError | null | undefined, value: Value) => void

export class KafkaBrokerAdmin implements BrokerAdmin {
  readonly #native: NativeKafka
  readonly #options: KafkaBrokerOptions
  readonly #waits: OpenWaits
  readonly #protocol: ProtocolClient
  readonly #leaving = new AbortController()
  readonly #asking = new Set<Promise<unknown>>()
  #opening: Promise<NativeProducer> | undefined
  #admin: NativeAdmin | undefined
  #client: NativeProducer | undefined
  #ending: Promise<void> | undefined
  #isComplete: Promise<boolean> | undefined

  constructor(native: NativeKafka, options: KafkaBrokerOptions) {
    this.#native = native
    this.#options = options
    this.#waits = options.waits ?? new OpenWaits()
    this.#protocol = new ProtocolClient(options)
  }

  async connect(): Promise<void> {
    this.#refuseWhenLeaving()
    this.#opening ??= this.#open()
    try {
      const client = await this.#opening
      this.#refuseWhenLeaving()
      this.#client = client
      this.#admin ??= this.#native.AdminClient.createFrom(client)
    } catch (error) {
      this.#opening = undefined
      throw error
    }
  }

  #refuseWhenLeaving(): void {
    if (this.#leaving.signal.aborted) throw notConnected()
  }

  async #open(): Promise<NativeProducer> {
    const config = adminConfig(this.#options)
    let client: NativeProducer
    try {
      client = new this.#native.Producer(config)
    } catch (error) {
      throw configurationError(error, config)
    }
    const { brokers, clock, connectTimeoutMs = CONNECT_TIMEOUT_MS, log } = this.#options
    client.on('error', (error) => log('warn', {}, error.message))
    await connectClient(client, config, brokers, connectTimeoutMs, this.#leaving.signal, clock)
    const lines = new ClientLog(log, String(config['client.id']), clock)
    client.on('event.log', (event) => lines.note(event))
    return client
  }

  /** The answer, or what the client called back. The client must not end while it is open. */
  async #ask<Value>(what: string, ask: (admin: NativeAdmin, done: Done<Value>) => void): Promise<Value> {
    const admin = this.#admin
    if (admin === undefined || this.#leaving.signal.aborted) throw notConnected()
    const asked = new Promise<Value>((resolve, reject) => {
      ask(admin, (error, value) => {
        if (error == null) resolve(value)
        else reject(new AdminError(error.code, `${what}: ${error.message}`))
      })
    })
    this.#asking.add(asked)
    const forget = (): void => {
      this.#asking.delete(asked)
    }
    asked.then(forget, forget)
    return await this.#waits.answer('topics', what, asked)
  }

  keepsTransactions(): Promise<boolean> {
    this.#isComplete ??= this.#knowsGroups()
    // What was not answered is asked again.
    this.#isComplete.catch(() => {
      this.#isComplete = undefined
    })
    return this.#isComplete
  }

  /** The embedded broker knows what members of groups ask, and nothing that only an operator does. */
  async #knowsGroups(): Promise<boolean> {
    try {
      const { errors } = await this.#ask<{ errors: readonly NativeError[] }>(
        'which groups there are',
        (admin, done) => {
          admin.listGroups({ timeout: REQUEST_TIMEOUT_MS }, done)
        },
      )
      return !errors.some(({ code }) => code === UNSUPPORTED)
    } catch (error) {
      if (codeOf(error) === UNSUPPORTED) return false
      throw outage(error)
    }
  }

  async verifyTransactions(): Promise<void> {
    const versions = await this.#protocol.requestVersions()
    if (versions === null || looksAtGenerations(versions)) return
    throw new TroupeError(
      'TRANSACTIONS_UNSUPPORTED',
      `The brokers at ${this.#options.brokers.join(', ')} are older than Kafka 2.5: in a transaction they take the positions of a ` +
        'member that the group has given up, over those of its successor.',
    )
  }

  // --- topics

  async describeTopics(topics: readonly string[]): Promise<ReadonlyMap<string, TopicDescription>> {
    if (topics.length === 0) return new Map()
    // The embedded broker tells no ids, and never answers for a topic that it does not have.
    if (!(await this.keepsTransactions())) return await this.#countedTopics(topics)
    const found = await this.#ask<readonly NativeTopicDescription[]>('which topics there are', (admin, done) => {
      admin.describeTopics([...topics], { timeout: REQUEST_TIMEOUT_MS }, done)
    }).catch(throwOutage)
    const descriptions = new Map<string, TopicDescription>()
    for (const { name, topicId, partitions, error } of found) {
      const code = error?.code ?? 0
      if (code === TOPIC_NOT_ALLOWED) throw topicNotAllowed('see', name, 'Describe')
      if (code !== 0 && !isMissing(code)) throw outage(new AdminError(code, `topic ${name}: ${String(error?.message)}`))
      if (partitions.length === 0) continue
      const id = topicId.base64 === NO_ID ? null : topicId.base64
      descriptions.set(name, { id, partitions: partitions.length })
    }
    return descriptions
  }

  async #countedTopics(topics: readonly string[]): Promise<ReadonlyMap<string, TopicDescription>> {
    const client = this.#client
    if (client === undefined) throw notConnected()
    const counts = await countPartitions(client, topics, REQUEST_TIMEOUT_MS, this.#waits)
    return new Map([...counts].map(([topic, partitions]) => [topic, { id: null, partitions }]))
  }

  async topicSettings(topic: string, names: readonly string[]): Promise<ReadonlyMap<string, string> | null> {
    if (!(await this.keepsTransactions())) return null
    return await this.#protocol.topicSettings(topic, names)
  }

  async createTopic({ topic, partitions, settings }: NewTopic): Promise<boolean> {
    if (!(await this.keepsTransactions())) return await this.#touchTopic(topic)
    try {
      await this.#ask<undefined>(`topic ${topic}`, (admin, done) => {
        const wanted = { topic, num_partitions: partitions, replication_factor: -1, config: settings }
        admin.createTopic(wanted, REQUEST_TIMEOUT_MS, done)
      })
      return true
    } catch (error) {
      switch (codeOf(error)) {
        case TOPIC_EXISTS:
          return false
        case TOPIC_NOT_ALLOWED:
        case CLUSTER_NOT_ALLOWED:
        case AGAINST_POLICY:
          throw topicNotAllowed('make', topic, 'Create', error)
        default:
          throw outage(error)
      }
    }
  }

  /** The embedded broker makes a topic when it is asked for, with as many partitions as all there have. */
  async #touchTopic(topic: string): Promise<boolean> {
    const client = this.#client
    if (client === undefined) throw notConnected()
    if ((await this.describeTopics([topic])).has(topic)) return false
    await new Promise<void>((resolve, reject) => {
      client.getMetadata({ timeout: REQUEST_TIMEOUT_MS, topic }, (error) => {
        if (error == null) resolve()
        else reject(new AdminError(error.code, error.message))
      })
    }).catch(throwOutage)
    return true
  }

  async deleteTopics(topics: readonly string[]): Promise<void> {
    if (!(await this.keepsTransactions())) {
      throw new TroupeError('TOPIC_NOT_ALLOWED', `The embedded broker deletes no topics: ${topics.join(', ')}`)
    }
    await Promise.all(topics.map((topic) => this.#deleteTopic(topic)))
    const endsAt = this.#options.clock.now() + DELETE_TIMEOUT_MS
    while ((await this.describeTopics(topics)).size > 0) {
      if (this.#options.clock.now() > endsAt) {
        throw new TroupeError('BROKER_UNREACHABLE', `The brokers have not deleted ${topics.join(', ')}.`)
      }
      await sleep(this.#options.clock, ASK_AGAIN_MS)
    }
  }

  async #deleteTopic(topic: string): Promise<void> {
    try {
      await this.#ask<undefined>(`topic ${topic}`, (admin, done) => {
        admin.deleteTopic(topic, REQUEST_TIMEOUT_MS, done)
      })
    } catch (error) {
      const code = codeOf(error)
      if (isMissing(code)) return
      if (code === TOPIC_NOT_ALLOWED || code === CLUSTER_NOT_ALLOWED) {
        throw topicNotAllowed('delete', topic, 'Delete')
      }
      throw outage(error)
    }
  }

  /** Topics and group tell what this user may do with them; that a topic may be made shows a request that makes none. */
  async missingRights({ groupId, read, write, create }: NeededRights): Promise<readonly MissingRight[] | null> {
    if (!(await this.keepsTransactions())) return null
    const missing: MissingRight[] = []
    const allowed = await this.#allowedOperations([...new Set([...read, ...write])])
    for (const topic of read) if (lacks(allowed.get(topic), READ)) missing.push({ right: 'Read', on: `topic ${topic}` })
    for (const topic of write)
      if (lacks(allowed.get(topic), WRITE)) missing.push({ right: 'Write', on: `topic ${topic}` })
    const ofGroup = await this.#groupOperations(groupId)
    if (lacks(ofGroup, READ)) missing.push({ right: 'Read', on: `group ${groupId}` })
    for (const topic of create) {
      if ((await this.#protocol.mayCreate(topic)) === false)
        missing.push({ right: 'Create', on: `topic ${topic.topic}` })
    }
    return missing
  }

  /** Absent: no such topic. Empty: it is hidden from this user. */
  async #allowedOperations(topics: readonly string[]): Promise<ReadonlyMap<string, readonly number[] | undefined>> {
    if (topics.length === 0) return new Map()
    const found = await this.#ask<readonly NativeTopicDescription[]>('rights on topics', (admin, done) => {
      admin.describeTopics([...topics], { timeout: REQUEST_TIMEOUT_MS, includeAuthorizedOperations: true }, done)
    }).catch(throwOutage)
    return new Map(
      found.map(({ name, error, authorizedOperations }) => [
        name,
        error?.code === TOPIC_NOT_ALLOWED ? [] : authorizedOperations,
      ]),
    )
  }

  async #groupOperations(groupId: string): Promise<readonly number[] | undefined> {
    try {
      await this.#requireSight(groupId)
    } catch (error) {
      if (isTroupeError(error) && error.code === 'NOT_AUTHORIZED') return []
      throw error
    }
    const { groups } = await this.#ask<{ groups: readonly NativeGroup[] }>('rights on the group', (admin, done) => {
      admin.describeGroups([groupId], { timeout: REQUEST_TIMEOUT_MS, includeAuthorizedOperations: true }, done)
    }).catch(throwOutage)
    const [group] = groups
    return group?.authorizedOperations
  }

  // --- groups

  /**
   * Rejects with NOT_AUTHORIZED. Asked before the client is asked for the members of a group: where this user may not see
   * it, or nobody coordinates it yet, that question ends the process (the binding makes a text of a null).
   */
  async #requireSight(groupId: string): Promise<void> {
    await this.committedPositions(groupId, [])
  }

  async groupMembers(groupId: string): Promise<readonly string[]> {
    await this.#requireSight(groupId)
    const { groups } = await this.#ask<{ groups: readonly NativeGroup[] }>(`group ${groupId}`, (admin, done) => {
      admin.describeGroups([groupId], { timeout: REQUEST_TIMEOUT_MS }, done)
    }).catch(throwOutage)
    const [group] = groups
    refuse(groupId, group?.error)
    return (group?.members ?? []).map(({ memberId }) => memberId)
  }

  async committedPositions(
    groupId: string,
    topics: readonly string[],
  ): Promise<readonly { readonly topic: string; readonly partition: number; readonly position: number }[]> {
    this.#refuseWhenLeaving()
    const question = { native: this.#native, options: this.#options, groupId, signal: this.#leaving.signal }
    const asked = askCommitted(question)
    this.#asking.add(asked)
    const partitions = await this.#waits.answer('topics', `group ${groupId}`, asked).finally(() => {
      this.#asking.delete(asked)
    })
    const wanted = new Set(topics)
    return partitions.flatMap(({ topic, partition, offset }) =>
      wanted.has(topic) && offset !== undefined && offset >= 0 ? [{ topic, partition, position: offset }] : [],
    )
  }

  async deleteGroup(groupId: string): Promise<void> {
    const [group] = await this.#ask<readonly { error?: NativeError }[]>(`group ${groupId}`, (admin, done) => {
      admin.deleteGroups([groupId], { timeout: REQUEST_TIMEOUT_MS }, done)
    }).catch(throwOutage)
    refuse(groupId, group?.error)
  }

  // --- the end

  disconnect(): Promise<void> {
    this.#ending ??= this.#disconnect()
    return this.#ending
  }

  async #disconnect(): Promise<void> {
    // The default reason, an error, would keep whoever called this reachable through its stack.
    this.#leaving.abort('the admin is disconnected')
    await Promise.race([this.#close(), sleepInBackground(DISCONNECT_TIMEOUT_MS)])
  }

  async #close(): Promise<void> {
    const protocol = this.#protocol.end()
    await Promise.allSettled(this.#asking)
    const client = await this.#opening?.catch(() => undefined)
    if (client !== undefined) {
      await new Promise<void>((resolve) => {
        client._disconnect(resolve)
      })
    }
    await protocol
  }
}

function throwOutage(error: unknown): never {
  throw outage(error)
}

/** A group that nobody has heard of has no members and no positions, which is no error. */
function refuse(groupId: string, error: NativeError | undefined): void {
  if (error !== undefined && error.code !== 0 && error.code !== NO_SUCH_GROUP) throw groupError(groupId, error)
}

/** What is not told counts as allowed. */
function lacks(allowed: readonly number[] | undefined, operation: number): boolean {
  return allowed !== undefined && !allowed.includes(operation)
}
