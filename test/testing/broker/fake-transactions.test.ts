/** Transactions of the fake broker, beyond what its contract says: its faults, its crashes, and what only a clock can show. */
import { beforeEach, describe, expect, test } from 'vitest'
import type { BrokerConsumer } from '../../../src/streams/broker-port.ts'
import type { TransactionalProducer, TransactionFault } from '../../../src/streams/transaction-port.ts'
import { FakeBroker } from '../../../src/testing/broker/fake-broker.ts'
import type { FakeClient } from '../../../src/testing/broker/fake-client.ts'
import type { CrashStep } from '../../../src/testing/broker/transactions/crash-step.ts'
import type { FakeBrokerEvent } from '../../../src/testing/broker/fake-events.ts'
import type { TransactionStep } from '../../../src/testing/broker/fake-faults.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'

const topic = 'changes'
const at = { topic, partition: 0 }
const transactionTimeoutMs = 10_000
let clock: ManualClock
let broker: FakeBroker
let events: FakeBrokerEvent[]

beforeEach(() => {
  clock = new ManualClock()
  events = []
  broker = new FakeBroker({ clock, observe: (event) => events.push(event) })
  broker.createTopic(topic, 2)
})

/** What a promise came to, with the clock moved until it does. */
async function outcome(work: Promise<unknown>): Promise<unknown> {
  let result: { readonly value: unknown } | undefined
  work.then(
    (value) => (result = { value }),
    (error: unknown) => (result = { value: (error as { fault?: string; code?: string }).fault ?? error }),
  )
  await clock.runUntil(() => result !== undefined)
  return result!.value
}

async function connected(client: FakeClient): Promise<TransactionalProducer> {
  const producer = client.transactionalProducer({ transactionalId: 'id', transactionTimeoutMs })
  expect(await outcome(producer.connect())).toBeUndefined()
  return producer
}

/** A member that polls, and answers events at once until told otherwise. */
class Member {
  readonly client: FakeClient
  readonly consumer: BrokerConsumer
  isAssigned = false

  constructor(name: string) {
    this.client = broker.client(name)
    this.consumer = this.client.consumer()
  }

  static async join(name: string): Promise<Member> {
    const member = new Member(name)
    void member.#run()
    await clock.runUntil(() => member.isAssigned)
    // Nothing of the assignment is on its way any more.
    await clock.advance(1000)
    return member
  }

  async #run(): Promise<void> {
    await this.consumer.connect()
    this.consumer.subscribe([topic], {
      onRebalance: (event) => {
        if (event.type === 'revoke') {
          this.consumer.unassign(event.id, event.partitions)
          return
        }
        this.consumer.assign(
          event.id,
          event.partitions.map((partition) => ({ ...partition, position: 'earliest' })),
        )
        this.isAssigned = true
      },
      onCommit: () => undefined,
      onTrouble: () => undefined,
      onEndOfPartition: () => undefined,
    })
    for (;;) await this.consumer.poll(100, 100)
  }
}

const record = (value: string, partition = 0) => ({ topic, partition, key: null, value: Buffer.from(value) })
const position = (number: number) => ({ ...at, position: number, metadata: '' })
const visible = (): string[] => broker.committedRecords(topic).map(({ value }) => String(value))
const committed = (): number | undefined => broker.committed(at)?.position

/** One transaction with a record and a position. */
async function transact(producer: TransactionalProducer, consumer: BrokerConsumer, number: number): Promise<void> {
  producer.begin()
  await producer.send([record(`${number}`, 0), record(`${number}`, 1)])
  await producer.sendPositions(consumer, [position(number)])
  await producer.commit()
}

describe('faults', () => {
  const steps: readonly (readonly [TransactionStep, TransactionFault, unknown])[] = [
    ['write', 'unavailable', 'unavailable'],
    ['write', 'not-allowed', 'not-allowed'],
    ['write', 'refused', 'refused'],
    ['write', 'fenced', 'fenced'],
    ['positions', 'stale-generation', 'stale-generation'],
    ['positions', 'not-a-member', 'not-a-member'],
    ['positions', 'metadata-too-long', 'metadata-too-long'],
    ['positions', 'not-allowed', 'not-allowed'],
    ['positions', 'fenced', 'fenced'],
    ['commit', 'unavailable', 'unavailable'],
    ['commit', 'fenced', 'fenced'],
    ['commit', 'unknown', 'unknown'],
  ]

  test.each(steps)(
    'an answer of its own at %s, %s, leaves nothing behind, and the next transaction stands',
    async (step, fault, expected) => {
      const member = await Member.join('a')
      const producer = await connected(member.client)
      broker.faults.answerTransaction = (asked) => (asked === step ? fault : null)
      expect(await outcome(transact(producer, member.consumer, 1))).toBe(expected)
      broker.faults.answerTransaction = () => null
      if (fault === 'fenced' || fault === 'unknown') expect(await outcome(producer.connect())).toBeUndefined()
      else expect(await outcome(producer.abort())).toBeUndefined()
      await clock.advance(5_000)
      expect([visible(), committed()]).toEqual([[], undefined])
      expect(await outcome(transact(producer, member.consumer, 2))).toBeUndefined()
      await clock.advance(1000)
      expect([visible(), committed()]).toEqual([['2', '2'], 2])
    },
  )

  test('a commit whose answer is lost stands, and who connects again finds it settled', async () => {
    const member = await Member.join('a')
    const producer = await connected(member.client)
    broker.faults.lostCommitAnswers = 1
    expect(await outcome(transact(producer, member.consumer, 1))).toBe('unknown')
    expect(() => producer.begin()).toThrow(/not answered/)
    expect(await outcome(producer.connect())).toBeUndefined()
    expect([visible(), committed()]).toEqual([['1', '1'], 1])
  })

  test.each([
    ['the id', 'connect', 'TRANSACTION_NOT_ALLOWED', 'not-allowed'],
    ['the brokers', 'connect', 'BROKER_UNREACHABLE', 'unavailable'],
  ] as const)('a client that may not have %s is told why it is not connected', async (_what, step, code, fault) => {
    broker.faults.answerTransaction = (asked) => (asked === step ? fault : null)
    const producer = broker.transactionalProducer({ transactionalId: 'id', transactionTimeoutMs })
    expect(await outcome(producer.connect())).toMatchObject({ code })
    broker.faults.answerTransaction = () => null
    expect(await outcome(producer.connect())).toBeUndefined()
  })

  test('while brokers are away no step gets through; when they are back the transaction can be aborted and made again', async () => {
    const member = await Member.join('a')
    const producer = await connected(member.client)
    producer.begin()
    await outcome(producer.send([record('open')]))
    await clock.advance(1000)
    broker.faults.areBrokersAway = true
    expect(await outcome(producer.sendPositions(member.consumer, [position(1)]))).toBe('unavailable')
    expect(await outcome(producer.abort())).toBe('unavailable')
    broker.faults.areBrokersAway = false
    expect(await outcome(producer.abort())).toBeUndefined()
    expect(await outcome(transact(producer, member.consumer, 2))).toBeUndefined()
    await clock.advance(1000)
    expect([visible(), committed()]).toEqual([['2', '2'], 2])
  })

  test('a step that takes longer than the time-out finds its transaction ended', async () => {
    const member = await Member.join('a')
    const producer = await connected(member.client)
    broker.faults.transactionDelayMs = (step) => (step === 'commit' ? transactionTimeoutMs + 1 : 0)
    expect(await outcome(transact(producer, member.consumer, 1))).toBe('fenced')
    await clock.advance(1000)
    expect([visible(), committed()]).toEqual([[], undefined])
    expect(events.filter(({ type }) => type === 'transaction')).toMatchObject([
      { outcome: 'aborted', reason: 'timed-out', positions: [position(1)] },
    ])
  })
})

describe('markers', () => {
  test('a commit stands before others see it: the positions may be told while records are held back, and the last stable offset lies below them', async () => {
    const member = await Member.join('a')
    const producer = await connected(member.client)
    broker.faults.heldMarkers.add(`${topic}/1`)
    expect(await outcome(transact(producer, member.consumer, 1))).toBeUndefined()
    const onlooker = broker.client('b').consumer()
    await outcome(onlooker.connect())
    expect(await outcome(onlooker.committed([at]))).toMatchObject([{ position: 1 }])
    const { stableEnd, end } = broker.log({ topic, partition: 1 })
    expect([stableEnd, end]).toEqual([0, 1])
    const next = transact(producer, member.consumer, 2)
    broker.faults.heldMarkers.clear()
    expect(await outcome(next)).toBeUndefined()
    await clock.advance(1000)
    expect(visible()).toEqual(['1', '2', '1', '2'])
  })

  test('positions are held back while the marker of the group is, and the question gives up after a while', async () => {
    const member = await Member.join('a')
    const producer = await connected(member.client)
    broker.faults.heldMarkers.add('group')
    expect(await outcome(transact(producer, member.consumer, 1))).toBeUndefined()
    const asked = member.consumer.committed([at])
    expect(await outcome(asked)).toMatchObject({ code: 'BROKER_UNREACHABLE' })
    broker.faults.heldMarkers.clear()
    expect(await outcome(member.consumer.committed([at]))).toMatchObject([{ position: 1 }])
  })
})

describe('crashes', () => {
  const steps: readonly (readonly [CrashStep, boolean])[] = [
    ['id-taken', false],
    ['begun', false],
    ['written-open', false],
    ['positions-sent', false],
    ['commit-decided', true],
  ]

  test.each(steps)(
    'at %s: what is seen is all of the transaction or nothing, after its time-out',
    async (step, stands) => {
      const member = await Member.join('a')
      member.client.crashAt(step)
      const producer = member.client.transactionalProducer({ transactionalId: 'id', transactionTimeoutMs })
      void producer
        .connect()
        .then(() => transact(producer, member.consumer, 1))
        .catch(() => undefined)
      await clock.runUntil(() => member.client.isCrashed)
      await clock.advance(1000)
      expect([visible(), committed()]).toEqual(stands ? [['1', '1'], 1] : [[], undefined])
      broker.append(topic, { partition: 0, value: 'behind' })
      await clock.advance(transactionTimeoutMs)
      expect(visible()).toEqual(stands ? ['1', 'behind', '1'] : ['behind'])
    },
  )

  test('what a process that is gone would do next never comes to the brokers', async () => {
    const member = await Member.join('a')
    const producer = await connected(member.client)
    producer.begin()
    await outcome(producer.send([record('open')]))
    await clock.advance(1000)
    member.client.crash()
    // Whoever holds the promise goes on all the same: nothing ends what JavaScript has begun.
    void producer.commit()
    await clock.advance(1000)
    expect(visible()).toEqual([])
    await clock.advance(transactionTimeoutMs)
    expect([visible(), broker.log(at).stableEnd]).toEqual([[], 2])
  })

  test('in the middle of an abort: nothing is seen', async () => {
    const member = await Member.join('a')
    const producer = await connected(member.client)
    member.client.crashAt('aborted')
    producer.begin()
    await outcome(producer.send([record('aborted')]))
    await clock.advance(1000)
    void producer.abort()
    await clock.runUntil(() => member.client.isCrashed)
    await clock.advance(1000)
    expect([visible(), broker.log(at).stableEnd]).toEqual([[], 2])
  })

  test('what a crashed process left open is ended at once by who takes its id', async () => {
    const member = await Member.join('a')
    const producer = await connected(member.client)
    member.client.crashAt('positions-sent')
    void transact(producer, member.consumer, 1)
    await clock.runUntil(() => member.client.isCrashed)
    const onlooker = broker.client('b')
    const consumer = onlooker.consumer()
    await outcome(consumer.connect())
    let isTold = false
    const asked = consumer.committed([at]).finally(() => (isTold = true))
    await clock.advance(5_000)
    expect(isTold).toBe(false)
    await connected(onlooker)
    expect(await outcome(asked)).toMatchObject([{ position: null }])
    expect([visible(), broker.log(at).stableEnd]).toEqual([[], 2])
  })
})

describe('the group', () => {
  test('positions of a generation that has passed meanwhile are stale, though the member keeps its partitions', async () => {
    const member = await Member.join('a')
    const producer = await connected(member.client)
    // The group moves on between the question and its answer.
    broker.faults.transactionDelayMs = (step) => (step === 'positions' ? 500 : 0)
    const overtaken = transact(producer, member.consumer, 1)
    broker.group().rebalance()
    expect(await outcome(overtaken)).toBe('stale-generation')
    broker.faults.transactionDelayMs = () => 0
    expect(await outcome(producer.abort())).toBeUndefined()
    expect(await outcome(transact(producer, member.consumer, 2))).toBeUndefined()
    await clock.advance(1000)
    expect([visible(), committed()]).toEqual([['2', '2'], 2])
  })
})

describe('compaction by key', () => {
  test('keeps the last committed record of each key, and nothing that an open transaction holds', async () => {
    for (const [key, value] of [
      ['a', '1'],
      ['b', '1'],
      ['a', '2'],
      ['b', null],
    ] as const) {
      broker.append(topic, { partition: 0, key, value })
    }
    const producer = await connected(broker.client('a'))
    producer.begin()
    await outcome(producer.send([{ ...record('open'), key: Buffer.from('a') }]))
    await clock.advance(1000)
    broker.compactByKey(at)
    expect(broker.records(topic).map(({ offset }) => offset)).toEqual([2, 3, 4])
    broker.compactByKey(at, { dropsTombstones: true })
    expect(broker.records(topic).map(({ offset }) => offset)).toEqual([2, 4])
  })
})

describe('a broker that keeps no transactions', () => {
  test('shows what is aborted, forgets positions, and says so', async () => {
    broker = new FakeBroker({ clock, keepsTransactions: false })
    broker.createTopic(topic, 2)
    const member = await Member.join('a')
    const producer = await connected(member.client)
    expect(await outcome(transact(producer, member.consumer, 1))).toBeUndefined()
    producer.begin()
    await outcome(producer.send([record('aborted')]))
    await outcome(producer.abort())
    await clock.advance(1000)
    expect([visible(), committed()]).toEqual([['1', 'aborted', '1'], undefined])
    const admin = member.client.admin()
    await outcome(admin.connect())
    expect(await outcome(admin.keepsTransactions())).toBe(false)
  })
})

test('an admin without the right makes and deletes no topic', async () => {
  broker.faults.mayChangeTopics = false
  const admin = broker.admin()
  await outcome(admin.connect())
  const made = admin.createTopic({ topic: 'new', partitions: 1, settings: {} })
  expect(await outcome(made)).toMatchObject({ code: 'TOPIC_NOT_ALLOWED' })
  expect(await outcome(admin.deleteTopics([topic]))).toMatchObject({ code: 'TOPIC_NOT_ALLOWED' })
  expect(broker.partitions(topic)).toHaveLength(2)
})
