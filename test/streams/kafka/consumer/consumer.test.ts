/** The consumer of the port, with a client that is driven by hand. */
import { expect, test } from 'vitest'
import { systemClock } from '../../../../src/clock.ts'
import { KafkaBrokerConsumer } from '../../../../src/streams/kafka/consumer/consumer.ts'
import type { NativeConsumeDone, NativeKafka, NativeTopicPartition } from '../../../../src/streams/kafka/native.ts'

const ASSIGN = { message: 'assign', code: -175 }
const REVOKE = { message: 'revoke', code: -174 }
const at = (partition: number) => ({ topic: 't', partition })

type RebalanceCallback = (error: object, list: readonly NativeTopicPartition[]) => void

async function makeConsumer() {
  const stored: string[] = []
  const consumes: NativeConsumeDone[] = []
  let rebalance: RebalanceCallback = () => undefined
  let isLost = false
  const unanswered: number[] = []
  class KafkaConsumer {
    constructor(config: Readonly<Record<string, unknown>>) {
      rebalance = config['rebalance_cb'] as RebalanceCallback
    }
    on(): void {}
    getMetadata(_options: object, done: (error: null) => void): void {
      done(null)
    }
    committed(
      list: readonly NativeTopicPartition[],
      _ms: number,
      done: (error: object | null, list: object) => void,
    ): void {
      const code = unanswered.shift()
      if (code === undefined)
        done(
          null,
          list.map((each) => ({ ...each, offset: 7, metadata: 'm' })),
        )
      else done({ code, message: 'Local: Timed out' }, [])
    }
    connect(_options: object, done: (error: null) => void): void {
      done(null)
    }
    disconnect(done: () => void): void {
      done()
    }
    subscribe(): void {}
    rebalanceProtocol(): string {
      return 'COOPERATIVE'
    }
    assignmentLost(): boolean {
      return isLost
    }
    incrementalAssign(): void {}
    incrementalUnassign(): void {}
    pause(): void {}
    resume(): void {}
    commit(): void {}
    position(list: readonly NativeTopicPartition[]): readonly NativeTopicPartition[] {
      return list
    }
    offsetsStore(positions: readonly NativeTopicPartition[]): void {
      for (const { offset, partition } of positions) stored.push(`${partition}@${offset}`)
    }
    getClient() {
      return {
        consume: (_timeoutMs: number, _count: number, _waits: boolean, done: NativeConsumeDone) => consumes.push(done),
      }
    }
  }
  const consumer = new KafkaBrokerConsumer({ KafkaConsumer } as unknown as NativeKafka, {
    brokers: ['fake:9092'],
    groupId: 'group',
    groupProtocol: 'classic',
    client: {},
    commitIntervalMs: 1_000_000,
    maxPollIntervalMs: 300_000,
    clock: systemClock,
    log: () => undefined,
  })
  let newest = 0
  await consumer.connect()
  consumer.subscribe(['t'], {
    onRebalance: ({ id }) => {
      newest = id
    },
    onCommit: () => undefined,
    onTrouble: () => undefined,
    onEndOfPartition: () => undefined,
  })
  return {
    consumer,
    stored,
    unanswered,
    grant: (...partitions: number[]): void => {
      rebalance(ASSIGN, partitions.map(at))
      consumer.assign(
        newest,
        partitions.map((partition) => ({ ...at(partition), position: 0 })),
      )
    },
    lose: (...partitions: number[]): void => {
      isLost = true
      rebalance(REVOKE, partitions.map(at))
      consumer.unassign(newest, partitions.map(at))
      isLost = false
    },
    endConsume: (): void => {
      for (const done of consumes.splice(0)) done(null, [], [])
    },
  }
}

// While an assignment waits for a `consume` to end, so do the positions that are stored.
test.each([
  ['of what is still ours', [], ['0@7', '2@7']],
  ['but not of what was lost meanwhile', [0], ['2@7']],
])('positions that were put off are stored later, %s', async (_of, lost, expected) => {
  const { consumer, endConsume, grant, lose, stored } = await makeConsumer()
  grant(0, 2)
  const polled = consumer.poll(10, 0)
  await Promise.resolve()
  grant(1)
  const refused = consumer.storePositions([0, 2].map((partition) => ({ ...at(partition), position: 7, metadata: '' })))
  expect([refused, stored]).toEqual([[], []])
  if (lost.length > 0) lose(...lost)
  endConsume()
  await polled
  expect(stored).toEqual(expected)
})

// An open transaction with positions of a partition: the client asks until its time is over, and says no more than that.
test('what is committed is asked for again while the client says no more than that it took too long, and brokers are there', async () => {
  const { consumer, unanswered } = await makeConsumer()
  unanswered.push(-185, 88)
  expect(await consumer.committed([at(0)])).toEqual([{ ...at(0), position: 7, metadata: 'm' }])
  unanswered.push(30)
  await expect(consumer.committed([at(0)])).rejects.toThrow()
})
