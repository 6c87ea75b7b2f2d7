/** How long a consumer's end may take, with a client and a clock that are driven by hand. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { systemClock } from '../../../../src/clock.ts'
import { KafkaBrokerConsumer } from '../../../../src/streams/kafka/consumer/consumer.ts'
import type { NativeConsumeDone, NativeKafka, NativeTopicPartition } from '../../../../src/streams/kafka/native.ts'

const PROMISED_MS = 15_000
const ASSIGN = { message: 'assign', code: -175 }
const place = { topic: 't', partition: 0 }

// Fake timers leave these alone.
vi.mock('node:timers/promises', () => ({
  setTimeout: (ms: number) => new Promise((resolve) => setTimeout(resolve, ms)),
}))

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A consumer with a stored position, whose client takes so long for what a disconnect asks of it. */
async function makeConsumer(client: {
  readonly commitMs: number
  readonly metadataMs: number
  readonly closeMs: number
  /** What it has been told to do, as it comes. */
  readonly calls?: string[]
  /** What is said of it. */
  readonly said?: string[]
  readonly topicsMs?: number
  readonly consumeMs?: number
  /** After so long metadata comes at once. */
  readonly awayMs?: number
  /** Whether a question about metadata ends by itself. */
  readonly givesUp?: boolean
}): Promise<KafkaBrokerConsumer> {
  let noteRebalance: (error: object, list: readonly NativeTopicPartition[]) => void = () => undefined
  let noteCommit: (error: null, list: readonly NativeTopicPartition[]) => void = () => undefined
  let metadataMs = 0
  class KafkaConsumer {
    constructor(config: Readonly<Record<string, unknown>>) {
      noteRebalance = config['rebalance_cb'] as typeof noteRebalance
      noteCommit = config['offset_commit_cb'] as typeof noteCommit
    }
    on(): void {}
    connect(_options: object, done: (error: null) => void): void {
      done(null)
    }
    getMetadata({ timeout }: { readonly timeout: number }, done: (error: object | null) => void): void {
      setTimeout(
        () => done(metadataMs > timeout ? { code: -185 } : null),
        client.givesUp === false ? metadataMs : Math.min(metadataMs, timeout),
      )
    }
    subscribe(): void {}
    rebalanceProtocol(): string {
      return 'COOPERATIVE'
    }
    assignmentLost(): boolean {
      return false
    }
    incrementalAssign(): void {}
    incrementalUnassign(): void {}
    position(list: readonly NativeTopicPartition[]): readonly NativeTopicPartition[] {
      return list
    }
    offsetsStore(): void {}
    commit(list: readonly NativeTopicPartition[]): void {
      client.calls?.push('commit')
      setTimeout(() => noteCommit(null, list), client.commitMs)
    }
    disconnect(done: () => void): void {
      client.calls?.push('leave')
      setTimeout(done, client.closeMs)
    }
    getClient() {
      return {
        consume: (_timeoutMs: number, _count: number, _waits: boolean, done: NativeConsumeDone) => {
          client.calls?.push('consume')
          setTimeout(() => done(null, [], []), client.consumeMs ?? 1)
        },
      }
    }
  }
  const AdminClient = {
    createFrom: () => ({
      describeTopics: (_topics: readonly string[], _options: object, done: (error: null, found: readonly []) => void) =>
        setTimeout(() => done(null, []), client.topicsMs ?? 1),
    }),
  }
  const consumer = new KafkaBrokerConsumer({ KafkaConsumer, AdminClient } as unknown as NativeKafka, {
    brokers: ['fake:9092'],
    groupId: 'group',
    groupProtocol: 'classic',
    client: {},
    commitIntervalMs: 1_000_000,
    maxPollIntervalMs: 300_000,
    clock: systemClock,
    log: (_level, _fields, message) => client.said?.push(message),
  })
  await consumer.connect()
  consumer.subscribe(['t'], {
    onRebalance: ({ id }) => void consumer.assign(id, [{ ...place, position: 0 }]),
    onCommit: () => undefined,
    onTrouble: () => undefined,
    onEndOfPartition: () => undefined,
  })
  noteRebalance(ASSIGN, [place])
  consumer.storePositions([{ ...place, position: 7, metadata: '' }])
  metadataMs = client.metadataMs
  if (client.awayMs !== undefined) setTimeout(() => (metadataMs = 1), client.awayMs)
  return consumer
}

const withoutConsume = (calls: readonly string[]): string[] => calls.filter((call) => call !== 'consume')

test.each([
  ['an answer to the last commit that just comes in time, then none to anything else', 4900, 900, 60_000],
  ['no answer to the last commit', 60_000, 60_000, 60_000],
  ['brokers that go away after the last commit', 4900, 60_000, 60_000],
  ['a group that never forms', 1, 1, 60_000],
  ['a question about topics that is never answered', 1, 1, 1, { topicsMs: 1e9 }],
  ['a client that does not come back with what was taken', 1, 1, 1, { consumeMs: 1e9 }],
  ['a client that never says whether brokers are there', 1, 1e9, 1, { givesUp: false }],
])('%s: ended within what the port promises', async (_case, commitMs, metadataMs, closeMs, rest: object = {}) => {
  const consumer = await makeConsumer({ commitMs, metadataMs, closeMs, ...rest })
  let hasEnded = false
  void consumer.disconnect().then(() => (hasEnded = true))
  await vi.advanceTimersByTimeAsync(PROMISED_MS)
  expect(hasEnded).toBe(true)
})

test('a leave that takes some seconds is waited for', async () => {
  const consumer = await makeConsumer({ commitMs: 1, metadataMs: 1, closeMs: 9_000 })
  let hasEnded = false
  void consumer.disconnect().then(() => (hasEnded = true))
  await vi.advanceTimersByTimeAsync(8_500)
  expect(hasEnded).toBe(false)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(hasEnded).toBe(true)
})

test('an open question about topics holds up the leave, which must not come before, and not the last commit', async () => {
  const calls: string[] = []
  const consumer = await makeConsumer({ commitMs: 1, metadataMs: 1, closeMs: 1, topicsMs: 3_000, calls })
  await vi.advanceTimersByTimeAsync(100)
  calls.length = 0
  consumer.storePositions([{ ...place, position: 9, metadata: '' }])
  void consumer.disconnect()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(withoutConsume(calls)).toEqual(['commit'])
  await vi.advanceTimersByTimeAsync(3_000)
  expect(withoutConsume(calls)).toEqual(['commit', 'leave'])
})

test('a report that is lost keeps nobody a member: the client is not polled for ever', async () => {
  const calls: string[] = []
  const consumer = await makeConsumer({ commitMs: 1e9, metadataMs: 1, closeMs: 1, calls })
  void consumer.disconnect()
  await vi.advanceTimersByTimeAsync(100_000)
  calls.length = 0
  await vi.advanceTimersByTimeAsync(10_000)
  expect(calls).toContain('consume')
  await vi.advanceTimersByTimeAsync(60_000)
  calls.length = 0
  await vi.advanceTimersByTimeAsync(100_000)
  // Nor is it told to leave: its call would wait for that report, and with it the end of the process.
  expect(calls).toEqual([])
})

test('brokers that are away for long are waited for, and then the group is left', async () => {
  const calls: string[] = []
  const consumer = await makeConsumer({ commitMs: 1_000_000, metadataMs: 1e9, awayMs: 900_000, closeMs: 1, calls })
  void consumer.disconnect()
  await vi.advanceTimersByTimeAsync(950_000)
  expect(calls).not.toContain('leave')
  await vi.advanceTimersByTimeAsync(60_000)
  expect(calls).toContain('leave')
})

test.each([
  ['no broker answers', 60_000, /^no broker answers: the last positions may not be committed/],
  [
    'the coordinator waits for a member that has gone',
    1,
    /^the group's coordinator does not answer, as while the group is rebalanced: the last positions may not be committed/,
  ],
])(
  '%s: a last commit without an answer is told of, and not blamed on anybody else',
  async (_case, metadataMs, words) => {
    const said: string[] = []
    const consumer = await makeConsumer({ commitMs: 60_000, metadataMs, closeMs: 60_000, said })
    void consumer.disconnect()
    await vi.advanceTimersByTimeAsync(PROMISED_MS)
    expect(said).toEqual([expect.stringMatching(words)])
  },
)
