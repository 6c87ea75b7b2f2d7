import { beforeEach, describe, expect, test } from 'vitest'
import type {
  BrokerConsumer,
  BrokerTrouble,
  CommitReport,
  RebalanceEvent,
  StartPosition,
} from '../../../src/streams/broker-port.ts'
import { partitionName, type SourceRecord } from '../../../src/streams/record.ts'
import { FakeBroker, type FakeBrokerOptions } from '../../../src/testing/broker/fake-broker.ts'
import type { FakeClient } from '../../../src/testing/broker/fake-client.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'

const topic = 'orders'
let clock: ManualClock
let broker: FakeBroker

beforeEach(() => {
  clock = new ManualClock()
})

function start(partitions: number, options: Partial<FakeBrokerOptions> = {}): void {
  broker = new FakeBroker({ clock, ...options })
  broker.createTopic(topic, partitions)
}

/** A small application: polls, notes everything, answers at once unless told to hold its answers. */
class Member {
  readonly client: FakeClient
  readonly consumer: BrokerConsumer
  readonly events: RebalanceEvent[] = []
  readonly reports: CommitReport[] = []
  readonly troubles: BrokerTrouble[] = []
  readonly ends: string[] = []
  readonly records: SourceRecord[] = []
  readonly owned = new Set<string>()
  holdsAnswers = false
  #isPolling = true

  constructor(name: string, instanceId?: string) {
    this.client = broker.client(name, instanceId === undefined ? {} : { instanceId })
    this.consumer = this.client.consumer()
  }

  async join(): Promise<this> {
    await this.consumer.connect()
    this.consumer.subscribe([topic], {
      onRebalance: (event) => {
        this.events.push(event)
        if (!this.holdsAnswers) void this.answer(event)
      },
      onCommit: (report) => this.reports.push(report),
      onTrouble: (trouble) => this.troubles.push(trouble),
      onEndOfPartition: (at) => this.ends.push(`${partitionName(at)}@${at.position}`),
    })
    void this.#poll()
    return this
  }

  async answer(event: RebalanceEvent): Promise<boolean> {
    if (event.type === 'revoke') {
      const isAnswered = this.consumer.unassign(event.id, event.partitions)
      if (isAnswered) for (const partition of event.partitions) this.owned.delete(partitionName(partition))
      return isAnswered
    }
    const committed = await this.consumer.committed(event.partitions)
    const starts = committed.map((at): StartPosition => ({ ...at, position: at.position ?? 'earliest' }))
    const isAnswered = this.consumer.assign(event.id, starts)
    if (isAnswered) for (const partition of starts) this.owned.add(partitionName(partition))
    return isAnswered
  }

  stopPolling(): void {
    this.#isPolling = false
  }

  resumePolling(): void {
    this.#isPolling = true
    void this.#poll()
  }

  async #poll(): Promise<void> {
    while (this.#isPolling) this.records.push(...(await this.consumer.poll(50, 100)))
  }

  offsets(partition: number): number[] {
    return this.records.filter((record) => record.partition === partition).map((record) => record.offset)
  }

  store(partition: number, position: number, metadata = ''): boolean {
    return this.consumer.storePositions([{ topic, partition, position, metadata }]).length === 0
  }
}

async function joined(name: string, instanceId?: string): Promise<Member> {
  const member = new Member(name, instanceId)
  // Not awaited as a whole: the clock has to move for the connection to answer.
  let isJoined = false
  void member.join().then(() => (isJoined = true))
  await clock.runUntil(() => isJoined && member.events.length > 0)
  await clock.advance(1000)
  return member
}

const committed = (partition: number): number | undefined => broker.committed({ topic, partition })?.position

describe('reading', () => {
  test('gives each record once, in order, over gaps, and tells where the log ends', async () => {
    start(1)
    for (let at = 0; at < 20; at += 1) broker.append(topic, { key: `k${at}`, value: `v${at}` })
    broker.appendMarkers({ topic, partition: 0 }, 3)
    broker.append(topic, { key: 'last', value: null, headers: { source: 'test' }, timestamp: 5 })
    broker.appendMarkers({ topic, partition: 0 }, 2)
    broker.compact({ topic, partition: 0 }, (record) => record.offset % 3 !== 0)
    const member = await joined('a')
    await clock.advance(1000)
    expect(member.offsets(0)).toEqual([1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 17, 19, 23])
    expect(member.ends).toEqual(['orders/0@26'])
    expect(member.records.at(-1)).toEqual({
      topic,
      partition: 0,
      offset: 23,
      key: Buffer.from('last'),
      value: null,
      headers: [['source', Buffer.from('test')]],
      timestamp: 5,
    })
  })

  test('hands out a backlog a partition at a time', async () => {
    start(8, { maxRunRecords: 200 })
    for (let at = 0; at < 800; at += 1) broker.append(topic, { value: String(at), partition: at % 8 })
    const member = await joined('a')
    await clock.advance(1000)
    expect(member.records).toHaveLength(800)
    const changes = member.records.filter((record, at) => record.partition !== member.records[at - 1]?.partition)
    expect(changes.length).toBeLessThan(40)
  })

  test('begins where it is told: beyond 2^31, past what retention took, at the latest', async () => {
    broker = new FakeBroker({ clock })
    broker.createTopic(topic, 1, { firstOffset: 2 ** 40 })
    broker.append(topic, { value: 'a' })
    broker.append(topic, { value: 'b' })
    broker.deleteBefore({ topic, partition: 0 }, 2 ** 40 + 1)
    const member = await joined('a')
    await clock.advance(100)
    expect(member.offsets(0)).toEqual([2 ** 40 + 1])
    const watermarks = member.consumer.watermarks({ topic, partition: 0 })
    await clock.advance(100)
    expect(await watermarks).toEqual({ low: 2 ** 40 + 1, high: 2 ** 40 + 2 })
  })

  test('a position that retention has overtaken delivers nothing and ends the consumer', async () => {
    start(1)
    const member = await joined('a')
    member.consumer.pause([{ topic, partition: 0 }])
    for (let at = 0; at < 10; at += 1) broker.append(topic, { value: String(at) })
    broker.deleteBefore({ topic, partition: 0 }, 5)
    member.consumer.resume([{ topic, partition: 0 }])
    await clock.advance(1000)
    expect(member.records).toEqual([])
    expect(member.troubles).toMatchObject([
      { severity: 'fatal', code: 'OFFSET_OUT_OF_RANGE', partition: { topic, partition: 0 } },
    ])
  })

  test('a paused partition delivers nothing, the others do, and nothing is lost by it', async () => {
    start(2)
    const member = await joined('a')
    member.consumer.pause([{ topic, partition: 0 }])
    for (let at = 0; at < 10; at += 1) broker.append(topic, { value: String(at), partition: at % 2 })
    await clock.advance(500)
    expect([member.offsets(0).length, member.offsets(1).length]).toEqual([0, 5])
    member.consumer.resume([{ topic, partition: 0 }])
    await clock.advance(500)
    expect(member.offsets(0)).toEqual([0, 1, 2, 3, 4])
  })

  test('a poll waits no longer than it is told, and comes back early for a record', async () => {
    start(1)
    const member = await joined('a')
    member.stopPolling()
    await clock.advance(200)
    const before = clock.now()
    let took: number | null = null
    void member.consumer.poll(10, 300).then((records) => (took = records.length))
    await clock.advance(299)
    expect(took).toBe(null)
    await clock.advance(1)
    expect(took).toBe(0)
    clock.after(40, () => broker.append(topic, { value: 'x' }))
    let at = 0
    void member.consumer.poll(10, 300).then(() => (at = clock.now()))
    await clock.advance(300)
    expect(at - before).toBe(340)
    await expect(Promise.all([member.consumer.poll(1, 10), member.consumer.poll(1, 10)])).rejects.toThrow('outstanding')
  })
})

describe('committing', () => {
  test('positions are committed on the interval, with their metadata, and reported', async () => {
    start(1)
    const member = await joined('a')
    broker.append(topic, { value: 'x' })
    await clock.advance(100)
    expect(member.store(0, 1, 'map')).toBe(true)
    expect(committed(0)).toBeUndefined()
    await clock.advance(300)
    expect(broker.committed({ topic, partition: 0 })).toEqual({ topic, partition: 0, position: 1, metadata: 'map' })
    expect(member.reports).toEqual([{ positions: [{ topic, partition: 0, position: 1 }], result: 'accepted' }])
  })

  test('too long a metadata is refused, alone, and its position then committed without; the others of the commit stand', async () => {
    start(2)
    const member = await joined('a')
    member.consumer.storePositions([
      { topic, partition: 0, position: 1, metadata: 'x'.repeat(4096) },
      { topic, partition: 1, position: 1, metadata: 'x'.repeat(4095) },
    ])
    await clock.advance(500)
    expect([committed(0), committed(1)]).toEqual([1, 1])
    expect(broker.committed({ topic, partition: 0 })?.metadata).toBe('')
    expect(member.reports).toEqual([
      { positions: [{ topic, partition: 1, position: 1 }], result: 'accepted' },
      expect.objectContaining({
        positions: [{ topic, partition: 0, position: 1, metadataLength: 4096 }],
        result: 'too-large',
      }),
      { positions: [{ topic, partition: 0, position: 1 }], result: 'accepted' },
    ])
  })

  test('what was refused because of a rebalance is committed at a later tick', async () => {
    start(1)
    const member = await joined('a')
    let refusals = 2
    broker.faults.answerCommit = () => ((refusals -= 1) >= 0 ? 'deferred' : null)
    member.store(0, 7)
    await clock.advance(1000)
    expect(member.reports.map((report) => report.result)).toEqual(['deferred', 'deferred', 'accepted'])
    expect(committed(0)).toBe(7)
  })

  test('the broker checks membership only: an older position of a live member stands', async () => {
    start(1)
    const member = await joined('a')
    member.store(0, 9)
    await clock.advance(300)
    member.store(0, 4)
    await clock.advance(300)
    expect(committed(0)).toBe(4)
  })

  test('new metadata at an old position is committed as well', async () => {
    start(1)
    const member = await joined('a')
    member.store(0, 9, 'a')
    await clock.advance(300)
    member.store(0, 9, 'b')
    await clock.advance(300)
    expect(broker.committed({ topic, partition: 0 })?.metadata).toBe('b')
  })

  test('a position of a partition that is not assigned is refused', async () => {
    start(1)
    const member = await joined('a')
    expect(member.consumer.storePositions([{ topic, partition: 5, position: 1, metadata: '' }])).toEqual([
      { topic, partition: 5 },
    ])
  })

  test('disconnecting commits what is stored and leaves the group', async () => {
    start(1)
    const member = await joined('a')
    member.store(0, 3)
    member.stopPolling()
    void member.consumer.disconnect()
    await clock.advance(50)
    expect(committed(0)).toBe(3)
    expect(broker.group().memberNames).toEqual([])
    expect(member.store(0, 4)).toBe(false)
    await clock.advance(200)
    expect(clock.pendingTimers).toBeLessThanOrEqual(1)
  })

  test('brokers away: commits wait, queries fail, and all is well when they are back', async () => {
    start(1)
    const member = await joined('a')
    broker.faults.areBrokersAway = true
    member.store(0, 3)
    const query = member.consumer.committed([{ topic, partition: 0 }])
    const failed = expect(query).rejects.toThrow('no broker answered')
    await clock.advance(1000)
    await failed
    expect(committed(0)).toBeUndefined()
    broker.faults.areBrokersAway = false
    await clock.advance(1000)
    expect(committed(0)).toBe(3)
  })
})

describe.each(['cooperative-sticky', 'eager'] as const)('rebalancing, %s', (strategy) => {
  test('partitions are shared out evenly and each has one owner', async () => {
    start(6, { strategy })
    const members = [await joined('a'), await joined('b'), await joined('c')]
    await clock.advance(5000)
    expect(members.map((member) => member.owned.size)).toEqual([2, 2, 2])
    expect(new Set(members.flatMap((member) => [...member.owned])).size).toBe(6)
  })

  test('a member that leaves cleanly hands over what it stored at the last moment', async () => {
    start(2, { strategy })
    const [a, b] = [await joined('a'), await joined('b')]
    await clock.advance(3000)
    const partition = a.owned.has('orders/0') ? 0 : 1
    a.store(partition, 0)
    broker.append(topic, { value: 'x', partition })
    await clock.advance(50)
    a.store(partition, 1)
    a.stopPolling()
    void a.consumer.disconnect()
    await clock.advance(3000)
    expect(b.owned.size).toBe(2)
    expect(b.offsets(partition)).toEqual([])
  })

  test('while an answer is owed nothing is delivered, and what is stored is committed before the partition goes', async () => {
    start(2, { strategy })
    const a = await joined('a')
    a.holdsAnswers = true
    const b = new Member('b')
    void b.join()
    await clock.advance(1000)
    const revoke = a.events.at(-1)!
    expect(revoke).toMatchObject({ type: 'revoke', lost: false })
    expect(revoke.partitions).toHaveLength(strategy === 'eager' ? 2 : 1)
    broker.append(topic, { value: 'x', partition: 0 })
    broker.append(topic, { value: 'x', partition: 1 })
    await clock.advance(2000)
    expect(a.records).toEqual([])
    a.holdsAnswers = false
    a.store(revoke.partitions[0]!.partition, 1)
    void a.answer(revoke)
    await clock.advance(50)
    expect(committed(revoke.partitions[0]!.partition)).toBe(1)
    await clock.advance(5000)
    expect([a.owned.size, b.owned.size]).toEqual([1, 1])
    expect(a.records.length + b.records.length).toBe(1)
  })

  test('a revoke is followed by an assign event, be it empty', async () => {
    start(2, { strategy })
    const a = await joined('a')
    await joined('b')
    await clock.advance(3000)
    for (const [at, event] of a.events.entries()) {
      if (event.type === 'revoke') expect(a.events[at + 1]?.type).toBe('assign')
    }
    expect(a.events.some((event) => event.type === 'revoke')).toBe(true)
  })

  test('an answer counts once, and only to the newest event', async () => {
    start(2, { strategy })
    const a = await joined('a')
    const first = a.events[0]!
    expect(a.consumer.assign(first.id, [])).toBe(false)
    expect(a.consumer.unassign(first.id, [])).toBe(false)
    expect(a.owned.size).toBe(2)
  })

  test('an expelled member: others own its partitions at once, its commits are refused, it learns of it and comes back', async () => {
    start(2, { strategy, heartbeatIntervalMs: 3000 })
    const [a, b] = [await joined('a'), await joined('b')]
    await clock.advance(15_000)
    const partition = a.owned.has('orders/0') ? 0 : 1
    broker.append(topic, { value: 'x', partition })
    await clock.advance(50)
    expect(a.offsets(partition)).toEqual([0])
    broker.expelMember('a')
    // It does not know yet: it may store, and what it stores is refused by the coordinator.
    expect(a.consumer.isAssignmentLost()).toBe(false)
    expect(a.store(partition, 1)).toBe(true)
    await clock.advance(200)
    expect(a.reports.at(-1)?.result).toBe('fenced')
    expect(committed(partition)).toBeUndefined()
    await clock.advance(3000)
    expect(a.events.some((event) => event.type === 'revoke' && event.lost)).toBe(true)
    await clock.advance(20_000)
    expect([a.owned.size, b.owned.size]).toEqual([1, 1])
    expect(a.consumer.isAssignmentLost()).toBe(false)
    expect(a.offsets(partition).length + b.offsets(partition).length).toBeGreaterThanOrEqual(2)
  })

  test('a member that owes an answer too long is expelled and sees nothing of it until it answers', async () => {
    start(2, { strategy, maxPollIntervalMs: 6000 })
    const a = await joined('a')
    a.holdsAnswers = true
    const b = new Member('b')
    void b.join()
    await clock.advance(1000)
    const revoke = a.events.at(-1)!
    if (strategy === 'cooperative-sticky') {
      // Here the clock begins to run only when somebody else joins.
      await clock.advance(20_000)
      const c = new Member('c')
      void c.join()
      await clock.advance(10_000)
      expect(c.owned.size).toBe(1)
      c.stopPolling()
      void c.consumer.disconnect()
    }
    await clock.advance(10_000)
    expect(b.owned.size).toBe(2)
    expect(a.events.at(-1)).toBe(revoke)
    expect(a.consumer.isAssignmentLost()).toBe(false)
    a.store(revoke.partitions[0]!.partition, 5)
    a.holdsAnswers = false
    void a.answer(revoke)
    await clock.advance(10_000)
    expect(a.reports.map((report) => report.result)).toContain('fenced')
    expect(committed(revoke.partitions[0]!.partition)).toBeUndefined()
    expect([a.owned.size, b.owned.size]).toEqual([1, 1])
  })

  test('partitions added later are assigned', async () => {
    start(2, { strategy })
    const a = await joined('a')
    broker.addPartitions(topic, 4)
    await clock.advance(3000)
    expect(a.owned.size).toBe(4)
  })
})

test('eager: a new assignment overtakes a revoke that waits for its answer, whose answer then counts no more', async () => {
  start(2, { strategy: 'eager' })
  const a = await joined('a')
  a.holdsAnswers = true
  broker.group().rebalance()
  await clock.advance(500)
  const revoke = a.events.at(-1)!
  expect(revoke.type).toBe('revoke')
  // Topics change while the revoke is parked: the client rejoins without an answer.
  broker.addPartitions(topic, 3)
  await clock.advance(500)
  const assign = a.events.at(-1)!
  expect([assign.type, assign.partitions.length]).toEqual(['assign', 3])
  expect(await a.answer(revoke)).toBe(false)
  a.holdsAnswers = false
  void a.answer(assign)
  await clock.advance(500)
  expect(a.owned.size).toBe(3)
  broker.append(topic, { value: 'x', partition: 2 })
  await clock.advance(500)
  expect(a.offsets(2)).toEqual([0])
})

test('a process that stands still beyond its session wakes as a zombie and is told', async () => {
  start(2)
  const [a, b] = [await joined('a'), await joined('b')]
  await clock.advance(3000)
  a.client.freeze()
  await clock.advance(10_000)
  expect(b.owned.size).toBe(2)
  const lostBefore = a.events.filter((event) => event.lost).length
  a.client.thaw()
  await clock.advance(100)
  expect(a.events.filter((event) => event.lost).length).toBe(lostBefore + 1)
  await clock.advance(3000)
  expect([a.owned.size, b.owned.size]).toEqual([1, 1])
})

test('a crash loses what was stored and not committed; the others go on after the session time-out', async () => {
  start(2)
  const [a, b] = [await joined('a'), await joined('b')]
  await clock.advance(3000)
  const partition = a.owned.has('orders/0') ? 0 : 1
  broker.append(topic, { value: 'x', partition })
  await clock.advance(50)
  a.store(partition, 1)
  a.client.crash()
  await clock.advance(3000)
  expect(b.owned.size).toBe(1)
  await clock.advance(10_000)
  expect(b.owned.size).toBe(2)
  expect(committed(partition)).toBeUndefined()
  expect(b.offsets(partition)).toEqual([0])
  // The name stands for a new process from now on.
  const again = await joined('a')
  await clock.advance(3000)
  expect(again.owned.size).toBe(1)
})

test('a crash at a step: the commit stands, and the process never hears of it', async () => {
  start(1)
  const a = await joined('a')
  a.client.crashAt('committed')
  a.store(0, 1)
  await clock.advance(500)
  expect(a.client.isCrashed).toBe(true)
  expect(committed(0)).toBe(1)
  expect(a.reports).toEqual([])
})

test('an application that does not poll is given up, and is told at its next poll', async () => {
  start(2, { maxPollIntervalMs: 5000 })
  const [a, b] = [await joined('a'), await joined('b')]
  await clock.advance(3000)
  a.stopPolling()
  await clock.advance(12_000)
  expect(a.consumer.isAssignmentLost()).toBe(true)
  expect(b.owned.size).toBe(2)
  a.resumePolling()
  await clock.advance(3000)
  expect(a.events.some((event) => event.lost)).toBe(true)
  expect([a.owned.size, b.owned.size]).toEqual([1, 1])
})

test('a static member that comes back within its session gets its partitions again, and the others notice nothing', async () => {
  start(4)
  const [a, b] = [await joined('a', 'one'), await joined('b', 'two')]
  await clock.advance(3000)
  const had = [...a.owned].sort()
  const heard = b.events.length
  a.stopPolling()
  void a.consumer.disconnect()
  await clock.advance(1000)
  const again = await joined('a2', 'one')
  expect([...again.owned].sort()).toEqual(had)
  expect(b.events.length).toBe(heard)
})

test('a static member that stays away loses its partitions when its session is over', async () => {
  start(2)
  const [a, b] = [await joined('a', 'one'), await joined('b', 'two')]
  await clock.advance(3000)
  a.stopPolling()
  void a.consumer.disconnect()
  await clock.advance(5000)
  expect(b.owned.size).toBe(1)
  await clock.advance(5000)
  expect(b.owned.size).toBe(2)
})

test('a second client with the same instance id fences the first', async () => {
  start(2)
  const a = await joined('a', 'one')
  await joined('b', 'one')
  expect(a.troubles).toMatchObject([{ severity: 'fatal', code: 'FENCED' }])
})
