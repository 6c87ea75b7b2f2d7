/** Topics and a group as an operator sees them, held by hand. */
import { TroupeError } from '../../src/errors.ts'
import type { BrokerAdmin, NewTopic } from '../../src/streams/admin-port.ts'
import type { TopicDescription } from '../../src/streams/broker-port.ts'

export class FakeAdmin implements BrokerAdmin {
  readonly topics = new Map<string, TopicDescription>()
  readonly settings = new Map<string, ReadonlyMap<string, string>>()
  committed: { readonly topic: string; readonly partition: number; readonly position: number }[] = []
  members: string[] = []
  readonly done: string[] = []
  tellsSettings = true
  mayCreate = true
  /** What others do between a look and a creation. */
  onCreate: () => void = () => undefined
  isOpen = false

  connect(): Promise<void> {
    this.isOpen = true
    return Promise.resolve()
  }

  keepsTransactions(): Promise<boolean> {
    return Promise.resolve(true)
  }

  verifyTransactions(): Promise<void> {
    return Promise.resolve()
  }

  describeTopics(topics: readonly string[]): Promise<ReadonlyMap<string, TopicDescription>> {
    return Promise.resolve(new Map([...this.topics].filter(([topic]) => topics.includes(topic))))
  }

  topicSettings(topic: string, names: readonly string[]): Promise<ReadonlyMap<string, string> | null> {
    const known = this.settings.get(topic) ?? new Map<string, string>()
    return Promise.resolve(this.tellsSettings ? new Map([...known].filter(([name]) => names.includes(name))) : null)
  }

  missingRights(): Promise<null> {
    return Promise.resolve(null)
  }

  createTopic({ partitions, settings, topic }: NewTopic): Promise<boolean> {
    this.onCreate()
    if (!this.mayCreate) return Promise.reject(new TroupeError('TOPIC_NOT_ALLOWED', 'no right to create topics'))
    if (this.topics.has(topic)) return Promise.resolve(false)
    this.done.push(`create ${topic}`)
    this.topics.set(topic, { id: `${topic}-id`, partitions })
    this.settings.set(topic, new Map(Object.entries(settings)))
    return Promise.resolve(true)
  }

  deleteTopics(topics: readonly string[]): Promise<void> {
    for (const topic of topics) {
      this.topics.delete(topic)
      this.done.push(`delete ${topic}`)
    }
    return Promise.resolve()
  }

  groupMembers(): Promise<readonly string[]> {
    return Promise.resolve(this.members)
  }

  committedPositions(
    _groupId: string,
    topics: readonly string[],
  ): Promise<readonly { readonly topic: string; readonly partition: number; readonly position: number }[]> {
    return Promise.resolve(this.committed.filter(({ topic }) => topics.includes(topic)))
  }

  deleteGroup(groupId: string): Promise<void> {
    this.committed = []
    this.done.push(`delete group ${groupId}`)
    return Promise.resolve()
  }

  disconnect(): Promise<void> {
    this.isOpen = false
    return Promise.resolve()
  }
}
