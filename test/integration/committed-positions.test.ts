/**
 * What is committed, and what is found committed: metadata that the broker refuses or that others wrote, positions
 * outside the log, transaction markers, compacted stretches.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Partitioners } from 'kafkajs'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Random } from '../../src/testing/random.ts'
import {
  KafkaProbe,
  bootstrapServers,
  kafkaIsAvailable,
  startKafka,
  uniqueName,
  type KafkaCluster,
  type NewRecord,
} from '../support/real-kafka.ts'
import { CopyFlow, keyed, type CopyFlowOptions } from './copy-flow.ts'
import { MemberProcess } from './member-process.ts'

const members: MemberProcess[] = []
async function start(flow: CopyFlow, env: Readonly<Record<string, string>> = {}): Promise<MemberProcess> {
  const member = await MemberProcess.start({ ...flow.env, ...env })
  members.push(member)
  return member
}
const SOON = { interval: 100 }

describe.skipIf(!kafkaIsAvailable)('committed positions, on real Kafka', () => {
  const probe = new KafkaProbe(bootstrapServers)
  afterAll(() => probe.close())
  afterEach(async () => {
    for (const member of members.splice(0)) await member.kill()
  })
  const makeFlow = (options: CopyFlowOptions = {}): Promise<CopyFlow> =>
    CopyFlow.make(probe, 'positions', { partitions: 1, ...options })
  const outputsOf = (flow: CopyFlow): number[] =>
    flow.outputs.map(({ value }) => (JSON.parse(String(value)) as { n: number }).n).sort((a, b) => a - b)
  const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index)
  async function committedIsEnd(flow: CopyFlow): Promise<void> {
    const distances = async () => {
      const [committed, ends] = await Promise.all([
        probe.committedOffsets(flow.group, flow.input),
        probe.endOffsets(flow.input),
      ])
      return committed.map(({ position }, partition) => ends[partition]! - (position ?? 0))
    }
    await expect.poll(async () => Math.max(...(await distances())), SOON).toBe(0)
  }

  // Case 28.
  describe('metadata that somebody else committed', () => {
    async function withForeignMetadata(metadata = 'AQAAAZ: of another framework'): Promise<CopyFlow> {
      const flow = await makeFlow()
      await flow.put(keyed(300))
      await probe.commitOffset(flow.group, { topic: flow.input, partition: 0 }, 100, metadata)
      return flow
    }

    test.each([
      ['of another framework', 'AQAAAZ: of another framework'],
      // As a later version of ours might write it, of which only the head is fixed.
      ['of a newer version', 'T~2\u1234\u5678'],
    ])('%s is ignored by default, logged once and counted: the position counts', async (_, metadata) => {
      const flow = await withForeignMetadata(metadata)
      const member = await start(flow)
      await flow.handled(200)
      expect(outputsOf(flow)).toEqual(numbers(100, 300))
      await expect.poll(() => member.logged(/is no completion map/).length, SOON).toBe(1)
      expect(await member.metric('troupe_foreign_metadata_total', { topic: flow.input, partition: '0' })).toBe(1)
      await expect.poll(() => flow.committedTotal(), SOON).toBe(300)
    })

    test('ends the member where it must not be ignored, and nothing is handled or committed', async () => {
      const flow = await withForeignMetadata()
      const member = await start(flow, { APP_OPTIONS: JSON.stringify({ foreignMetadata: 'fail' }) })
      const { reason, error } = await member.ended
      expect([reason, error]).toEqual(['failed', expect.stringMatching(/metadata .*no completion map/)])
      expect(error).toContain(`${flow.input}/0`)
      expect(await flow.countHandled()).toBe(0)
      expect(await flow.committedTotal()).toBe(100)
    })
  })

  // Case 24.
  describe('a committed position that is not in the log', () => {
    async function withGap(): Promise<CopyFlow> {
      const flow = await makeFlow()
      await flow.put(keyed(500))
      await probe.commitOffset(flow.group, { topic: flow.input, partition: 0 }, 100)
      await probe.deleteRecords({ topic: flow.input, partition: 0 }, 300)
      return flow
    }
    const policy = (outOfRange: string) => ({ ACTOR_OPTIONS: JSON.stringify({ outOfRange }) })

    test('ends the member by default: the message says what is gone', async () => {
      const flow = await withGap()
      const { reason, error } = await (await start(flow)).ended
      expect([reason, error]).toEqual(['failed', expect.stringMatching(/offsets 100 to 299 are gone/)])
      expect(error).toContain(`${flow.input}/0`)
      expect(await flow.committedTotal()).toBe(100)
    })

    test('earliest: goes on where the log begins, and says what was lost', async () => {
      const flow = await withGap()
      const member = await start(flow, policy('earliest'))
      await flow.handled(200)
      expect(outputsOf(flow)).toEqual(numbers(300, 500))
      await expect.poll(() => member.logged(/offsets 100 to 299 are gone/).length, SOON).toBe(1)
      expect(await member.metric('troupe_out_of_range_total')).toBe(1)
      await committedIsEnd(flow)
    })

    test('latest: goes on with what comes from now on', async () => {
      const flow = await withGap()
      const member = await start(flow, policy('latest'))
      await expect.poll(async () => (await member.status()).partitions.length, SOON).toBe(1)
      await flow.put(keyed(10, () => ({}), 97, 500))
      await flow.handled(10)
      expect(outputsOf(flow)).toEqual(numbers(500, 510))
      await committedIsEnd(flow)
    })

    test('beyond the end, as after a topic was made anew: ends the member', async () => {
      const flow = await makeFlow()
      await flow.put(keyed(50))
      await probe.commitOffset(flow.group, { topic: flow.input, partition: 0 }, 1_000)
      const { reason, error } = await (await start(flow)).ended
      expect([reason, error]).toEqual(['failed', expect.stringMatching(/1000 .* outside its log \(0 to 50\)/)])
    })
  })

  // Case 23.
  test('transactions: aborted records are not handled, and positions pass the markers at the end', async () => {
    const flow = await makeFlow({ partitions: 2 })
    const createPartitioner = Partitioners.DefaultPartitioner
    const transactionalId = uniqueName('writer')
    const producer = probe.kafka.producer({
      transactionalId,
      idempotent: true,
      maxInFlightRequests: 1,
      createPartitioner,
    })
    await producer.connect()
    const write = async (count: number, from: number, end: 'commit' | 'abort'): Promise<void> => {
      const transaction = await producer.transaction()
      const messages = keyed(count, () => ({}), 97, from).map(({ key, value }) => ({
        key: String(key),
        value: String(value),
      }))
      await transaction.send({ topic: flow.input, messages })
      await transaction[end]()
    }
    await write(100, 0, 'commit')
    await write(60, 1_000, 'abort')
    await write(100, 100, 'commit')
    const member = await start(flow)
    await flow.handled(200)
    await write(60, 2_000, 'abort')
    await producer.disconnect()
    await committedIsEnd(flow)
    const lags = async () => (await member.status()).partitions.map(({ lag }) => lag)
    await expect.poll(lags, SOON).toEqual([0, 0])
    expect(outputsOf(flow)).toEqual(numbers(0, 200))
    // A restart finds nothing to do.
    await member.stop()
    await flow.put(keyed(1, () => ({}), 97, 200))
    await start(flow)
    await flow.handled(201)
    expect(flow.outputs).toHaveLength(201)
  })

  // Case 23.
  test('a compacted topic: positions pass what is gone, also when they stood in it', async () => {
    const compacted = {
      'cleanup.policy': 'compact',
      'segment.ms': '100',
      'min.cleanable.dirty.ratio': '0.01',
      'max.compaction.lag.ms': '100',
    }
    const flow = await makeFlow({ config: compacted })
    await flow.put(keyed(400, () => ({}), 10))
    // Each further record closes the segment before it, so that the cleaner may have it.
    let next = 400
    const untilCompacted = async (): Promise<number> => {
      await flow.put(keyed(1, () => ({}), 10, next++))
      return (await probe.readAll(flow.input)).length
    }
    await expect.poll(untilCompacted, { interval: 500 }).toBeLessThan(100)
    await probe.commitOffset(flow.group, { topic: flow.input, partition: 0 }, 7)
    await start(flow)
    await committedIsEnd(flow)
    await flow.countHandled()
    expect(outputsOf(flow)).toContain(next - 1)
    expect((await flow.balance()).lost).toEqual([])
  })
})

// Issue "error 12": a broker that takes less metadata than ours may be long.
describe.skipIf(!kafkaIsAvailable)('a broker with a small offset.metadata.max.bytes', () => {
  let cluster: KafkaCluster
  let probe: KafkaProbe
  const folder = mkdtempSync(join(tmpdir(), 'troupe-gate-'))
  beforeAll(async () => {
    cluster = await startKafka({ properties: { 'offset.metadata.max.bytes': '512' } })
    probe = new KafkaProbe(cluster.bootstrapServers)
  })
  afterAll(async () => {
    for (const member of members.splice(0)) await member.kill()
    await probe.close()
    await cluster.stop()
    rmSync(folder, { recursive: true })
  })

  test('a map that it refuses: the position is committed alone, and says so; nothing is lost, also not by kill -9', async () => {
    const random = new Random(4)
    const gate = join(folder, 'open')
    const sessionTimeoutMs = 6_000
    const env = {
      GATE_FILE: gate,
      RUN_ON: 'main',
      KAFKA_OPTIONS: JSON.stringify({ sessionTimeoutMs }),
      // Longer than the test may take: what waits at the gate is not to fail.
      ACTOR_OPTIONS: JSON.stringify({ handlerTimeoutMs: 600_000 }),
    }
    const flow = await CopyFlow.make(probe, 'small-metadata', { partitions: 1, env })
    // Half of the keys wait at the gate, so that what is finished and what is not alternates at random over 9,000
    // offsets: no encoding of that is shorter than 600 characters.
    const blocked = Array.from({ length: 50 }, (_, key) => ({
      key: `b${key}`,
      value: JSON.stringify({ n: 0, gate: true }),
    }))
    const mixed: NewRecord[] = Array.from({ length: 9_000 }, (_, n) => ({
      key: `${random.chance(0.5) ? 'b' : 'f'}${random.integer(0, 49)}`,
      value: JSON.stringify({ n }),
    }))
    const free = mixed.filter(({ key }) => String(key).startsWith('f')).length
    await flow.put([...keyed(100), ...blocked, ...mixed])
    const first = await start(flow, env)
    await flow.handled(100 + free)
    await expect.poll(() => first.logged(/refuses the length/).length, SOON).toBeGreaterThan(0)
    expect(await first.metric('troupe_commits_total', { result: 'too_large' })).toBeGreaterThan(0)
    // The refusal is only noted when its report comes: the next hand-over goes without the map.
    const leftOut = () => first.metric('troupe_completion_map_left_out', { topic: flow.input, partition: '0' })
    await expect.poll(leftOut, SOON).toBe(1)
    const committed = async () =>
      (await probe.committedOffsets(flow.group, flow.input)).map((each) => [each.position, each.metadata])
    // Of which topic the position is, in nine characters, and no map. The client writes a NUL behind each metadata.
    await expect.poll(committed, SOON).toEqual([[100, expect.stringMatching(/^T~2[^\0]{6}\0$/)]])
    await first.kill()
    writeFileSync(gate, '')
    await start(flow, env)
    await flow.handled(9_150)
    await expect.poll(() => flow.committedTotal(), SOON).toBe(9_150)
    const { lost, orderViolations, unexpected } = await flow.balance()
    expect({ lost, orderViolations, unexpected }).toEqual({ lost: [], orderViolations: [], unexpected: [] })
  })
})
