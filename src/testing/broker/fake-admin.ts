/** Topics and groups of the fake broker, as an operator sees them. */
import { TroupeError } from '../../errors.ts'
import type { BrokerAdmin, MissingRight, NewTopic } from '../../streams/admin-port.ts'
import type { TopicDescription } from '../../streams/broker-port.ts'
import type { FakeCluster } from './fake-cluster.ts'
import type { FakeConnection } from './fake-connection.ts'

export interface FakeAdminOptions {
  readonly connection: FakeConnection
  readonly cluster: FakeCluster
}

export class FakeAdmin implements BrokerAdmin {
  readonly #cluster: FakeCluster
  readonly #connection: FakeConnection
  #state: 'new' | 'connected' | 'ended' = 'new'

  constructor({ cluster, connection }: FakeAdminOptions) {
    this.#cluster = cluster
    this.#connection = connection
  }

  async connect(): Promise<void> {
    await this.#connection.ask(() => undefined)
    if (this.#state === 'new') this.#state = 'connected'
  }

  keepsTransactions(): Promise<boolean> {
    return this.#ask(() => this.#cluster.options.keepsTransactions)
  }

  verifyTransactions(): Promise<void> {
    return this.#ask(() => {
      if (!this.#cluster.faults.areBrokersOld) return
      throw new TroupeError('TRANSACTIONS_UNSUPPORTED', 'these brokers are too old (a fault of the test)')
    })
  }

  describeTopics(topics: readonly string[]): Promise<ReadonlyMap<string, TopicDescription>> {
    return this.#ask(() => this.#cluster.describeTopics(topics))
  }

  topicSettings(topic: string, names: readonly string[]): Promise<ReadonlyMap<string, string> | null> {
    return this.#ask(() => {
      const settings = this.#cluster.settings.get(topic)
      if (settings === undefined) throw new TroupeError('TOPIC_MISSING', `there is no topic ${topic}`)
      return new Map(
        names.flatMap((name) => {
          const value = settings[name]
          return value === undefined ? [] : [[name, value] as const]
        }),
      )
    })
  }

  createTopic({ partitions, settings, topic }: NewTopic): Promise<boolean> {
    return this.#ask(() => {
      if (this.#cluster.topics.has(topic)) return false
      this.#requireRight(topic)
      this.#cluster.createTopic(topic, partitions, {}, settings)
      return true
    })
  }

  missingRights(): Promise<readonly MissingRight[]> {
    return this.#ask(() => [])
  }

  deleteTopics(topics: readonly string[]): Promise<void> {
    return this.#ask(() => {
      for (const topic of topics) {
        if (!this.#cluster.topics.has(topic)) continue
        this.#requireRight(topic)
        this.#cluster.deleteTopic(topic)
      }
    })
  }

  groupMembers(groupId: string): Promise<readonly string[]> {
    return this.#ask(() => this.#cluster.group(groupId).memberIds)
  }

  committedPositions(
    groupId: string,
    topics: readonly string[],
  ): Promise<readonly { readonly topic: string; readonly partition: number; readonly position: number }[]> {
    return this.#ask(() =>
      this.#cluster
        .group(groupId)
        .positions.filter(({ topic }) => topics.includes(topic))
        .map(({ topic, partition, position }) => ({ topic, partition, position })),
    )
  }

  deleteGroup(groupId: string): Promise<void> {
    return this.#ask(() => {
      const group = this.#cluster.group(groupId)
      const members = group.memberIds.length
      if (members > 0) throw new Error(`the group ${groupId} has members: ${members}`)
      group.forgetPositions()
    })
  }

  disconnect(): Promise<void> {
    this.#state = 'ended'
    return Promise.resolve()
  }

  async #ask<Answer>(serve: () => Answer): Promise<Answer> {
    if (this.#state !== 'connected') throw new TroupeError('BROKER_UNREACHABLE', 'the admin is not connected')
    return await this.#connection.ask(serve)
  }

  #requireRight(topic: string): void {
    if (this.#cluster.faults.mayChangeTopics) return
    throw new TroupeError('TOPIC_NOT_ALLOWED', `there is no right to make or delete the topic ${topic}`)
  }
}
