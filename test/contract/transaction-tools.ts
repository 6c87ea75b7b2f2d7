/** What the tests of transactions are given, and how they look at what has become of one. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestContext } from 'vitest'
import type { Broker } from '../../src/streams/broker.ts'
import type { BrokerConsumer, BrokerReader, StoredPosition } from '../../src/streams/broker-port.ts'
import type { OutputRecord } from '../../src/streams/record.ts'
import type { TransactionalProducer } from '../../src/streams/transaction-port.ts'
import type { BrokerWorld, LoggedRecord } from './contract-world.ts'
import { Member, bytesOf, textOf, until } from './contract-world.ts'

type Ending = Pick<TestContext, 'onTestFinished'>

interface Given {
  readonly topic: string
  readonly groupId: string
  readonly broker: Broker
  readonly transactionalId: string
  readonly producer: TransactionalProducer
  /** Another client of the same id. */
  readonly successor: () => TransactionalProducer
  /** A consumer of the group that joins nothing. */
  readonly onlooker: () => Promise<BrokerConsumer>
  readonly record: (value: string, partition?: number) => OutputRecord & { readonly partition: number }
  readonly positionAt: (position: number, metadata?: string, partition?: number) => StoredPosition
}

interface Wanted {
  readonly partitions?: number
  readonly timeoutMs?: number
  readonly config?: Readonly<Record<string, string>>
}

export interface TransactionTools {
  readonly given: (test: Ending, wanted?: Wanted) => Promise<Given>
  readonly joined: (test: Ending, broker: Broker, topic: string) => Promise<Member>
  /** A member that has all partitions of the topic. */
  readonly owner: (test: Ending, given: Given, partitions?: number) => Promise<Member>
  readonly readerOf: (test: Ending, broker: Broker) => Promise<BrokerReader>
  /** What others see, once it is so many: markers are written soon after a transaction has ended. */
  readonly visible: (topic: string, count: number) => Promise<readonly LoggedRecord[]>
}

export function transactionTools(currentWorld: () => BrokerWorld): TransactionTools {
  const given = async (test: Ending, wanted: Wanted = {}): Promise<Given> => {
    const { config = {}, partitions = 1, timeoutMs = 60_000 } = wanted
    const topic = currentWorld().uniqueName('changes')
    const groupId = currentWorld().uniqueName('group')
    const transactionalId = currentWorld().uniqueName('id')
    await currentWorld().createTopic(topic, partitions, config)
    const broker = currentWorld().broker(groupId)
    const successor = (): TransactionalProducer => {
      const made = currentWorld()
        .broker(groupId)
        .transactionalProducer({ transactionalId, transactionTimeoutMs: timeoutMs })
      test.onTestFinished(() => made.disconnect())
      return made
    }
    const producer = successor()
    await producer.connect()
    return {
      topic,
      groupId,
      broker,
      transactionalId,
      producer,
      successor,
      onlooker: async () => {
        const consumer = currentWorld().broker(groupId).consumer()
        test.onTestFinished(() => consumer.disconnect())
        await consumer.connect()
        return consumer
      },
      record: (value, partition = 0) => ({ topic, partition, key: bytesOf('k'), value: bytesOf(value) }),
      positionAt: (position, metadata = '', partition = 0) => ({ topic, partition, position, metadata }),
    }
  }

  const joined = async (test: Ending, broker: Broker, topic: string, change?: (m: Member) => void): Promise<Member> => {
    const member = await Member.join(broker, [topic], change)
    test.onTestFinished(() => member.leave())
    return member
  }

  /** A member that has all partitions of the topic. */
  const owner = async (test: Ending, { broker, topic }: Given, partitions = 1): Promise<Member> => {
    const member = await joined(test, broker, topic)
    await until('all partitions', () => member.assigned.size === partitions)
    return member
  }

  const readerOf = async (test: Ending, broker: Broker): Promise<BrokerReader> => {
    const reader = broker.reader('restore')
    test.onTestFinished(() => reader.disconnect())
    await reader.connect()
    return reader
  }

  /** What others see, once it is so many: markers are written soon after a transaction has ended. */
  const visible = async (topic: string, count: number): Promise<readonly LoggedRecord[]> => {
    const deadline = Date.now() + 60_000
    for (;;) {
      const records = await currentWorld().read(topic)
      if (records.length >= count) return records
      if (Date.now() > deadline) throw new Error(`${topic} shows ${records.length} records, not ${count}`)
      await sleep(20)
    }
  }

  return { given, joined, owner, readerOf, visible }
}

export function valuesOf(records: readonly LoggedRecord[]): string[] {
  return records.map(({ value }) => textOf(value))
}

/** One transaction, the same again for as long as the group moves on meanwhile; any other fault fails the test. */
export async function again(producer: TransactionalProducer, work: () => Promise<void>): Promise<void> {
  const deadline = Date.now() + 60_000
  for (;;) {
    try {
      producer.begin()
      await work()
      await producer.commit()
      return
    } catch (error) {
      if ((error as { fault?: string }).fault !== 'stale-generation' || Date.now() > deadline) throw error
      await producer.abort()
      await sleep(10)
    }
  }
}

/** Asks until the answer is yes. */
export async function untilTold(what: string, ask: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000
  while (!(await ask())) {
    if (Date.now() > deadline) throw new Error(`not so after a minute: ${what}`)
    await sleep(20)
  }
}
