/** The guarantee on real Kafka, with real processes: what went in and what came out, read back by another client. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { decodeCompletionMap } from '../../src/streams/positions/completion-map.ts'
import { KafkaProbe, bootstrapServers, headerText, kafkaIsAvailable, type NewRecord } from '../support/real-kafka.ts'
import { CopyFlow, keyed } from './copy-flow.ts'
import { expectKillersDead, expectRecovered, killerEnv } from './killers.ts'
import { MemberProcess } from './member-process.ts'

const probe = new KafkaProbe(bootstrapServers)
const folder = mkdtempSync(join(tmpdir(), 'troupe-gate-'))
afterAll(async () => {
  await probe.close()
  rmSync(folder, { recursive: true })
})

const makeFlow = (partitions = 4, env: Readonly<Record<string, string>> = {}): Promise<CopyFlow> =>
  CopyFlow.make(probe, 'guarantee', { partitions, env })

async function committedMap(flow: CopyFlow): Promise<{ frontier: number; unfinishedCount: number } | string> {
  const [committed] = await probe.committedOffsets(flow.group, flow.input)
  const decoded = decodeCompletionMap(committed?.metadata ?? '', { position: committed?.position ?? 0 })
  if (decoded.kind !== 'map') return decoded.kind
  return { frontier: decoded.map.frontier, unfinishedCount: decoded.map.unfinishedCount }
}

describe.skipIf(!kafkaIsAvailable)('the guarantee, on real Kafka', () => {
  const members: MemberProcess[] = []
  const startMember = async (env: Readonly<Record<string, string>>): Promise<MemberProcess> => {
    const member = await MemberProcess.start(env)
    members.push(member)
    return member
  }
  afterEach(async () => {
    for (const member of members.splice(0)) await member.kill()
  })

  test.each(['main', 'threads'])(
    'each record comes out once and in key order, and all is committed (%s)',
    async (runOn) => {
      const flow = await makeFlow(4, { RUN_ON: runOn })
      await flow.put(keyed(5_000))
      const member = await startMember(flow.env)
      await flow.handled(5_000)
      expect(await member.stop()).toEqual({ reason: 'stopped', code: 0 })
      const result = await flow.balance()
      expect([result.lost, result.duplicates.size, result.unexpected, result.orderViolations]).toEqual([[], 0, [], []])
      expect(await flow.committedTotal()).toBe(5_000)
    },
  )

  // Case 31.
  test('a restart after a clean stop in the middle repeats nothing', async () => {
    const flow = await makeFlow()
    await flow.put(keyed(4_000, () => ({ workMs: 0.3 })))
    const first = await startMember(flow.env)
    await flow.handled(500)
    await first.stop()
    await startMember(flow.env)
    await flow.handled(4_000)
    const result = await flow.balance()
    expect([result.lost, result.duplicates.size, result.orderViolations]).toEqual([[], 0, []])
  })

  // Cases 31, 39: at least once, in order, and only a stretch is repeated.
  test('kill -9 in the middle loses nothing; what repeats is a stretch, in order', async () => {
    const flow = await makeFlow()
    await flow.put(keyed(6_000, () => ({ workMs: 0.2 })))
    const first = await startMember({ ...flow.env, KAFKA_OPTIONS: JSON.stringify({ sessionTimeoutMs: 6_000 }) })
    await flow.handled(1_500)
    await first.kill()
    await startMember(flow.env)
    await flow.handled(6_000)
    const result = await flow.balance()
    expect([result.lost, result.unexpected, result.orderViolations, result.broken]).toEqual([[], [], [], 0])
  })

  // Case 31: the completion map makes a crash cheap behind a stuck record.
  test('one stuck record and thousands finished behind it: after kill -9 the finished ones are not handled again', async () => {
    const gate = join(folder, 'stuck')
    const patient = JSON.stringify({ handlerTimeoutMs: 600_000 })
    const flow = await makeFlow(1, { RUN_ON: 'main', GATE_FILE: gate, ACTOR_OPTIONS: patient })
    const stuck = { key: 'stuck', value: JSON.stringify({ n: -1, gate: true }) }
    await flow.put([stuck, ...keyed(5_000)])
    const first = await startMember({ ...flow.env, KAFKA_OPTIONS: JSON.stringify({ sessionTimeoutMs: 6_000 }) })
    await flow.handled(5_000)
    // The commit shows all but the stuck one as finished: one interval after the last of them is durable.
    await expect.poll(() => committedMap(flow)).toEqual({ frontier: 5_001, unfinishedCount: 1 })
    const before = flow.outputs.length
    await first.kill()
    writeFileSync(gate, '')
    await startMember(flow.env)
    await flow.handled(5_001)
    expect(flow.outputs.length - before).toBe(1)
  })

  // Cases 1, 3, 4: drain, store, hand over.
  test('two members share the partitions; one that is stopped hands over without loss or repetition', async () => {
    const flow = await makeFlow(6)
    await flow.put(keyed(9_000, () => ({ workMs: 0.3 })))
    const first = await startMember(flow.env)
    await flow.handled(300)
    const second = await startMember(flow.env)
    await expect.poll(async () => (await second.status()).partitions.length).toBe(3)
    expect((await first.status()).partitions).toHaveLength(3)
    await flow.handled(3_000)
    await first.stop()
    await flow.handled(9_000)
    const result = await flow.balance()
    expect([result.lost, result.duplicates.size, result.orderViolations]).toEqual([[], 0, []])
  })

  test('failures: what passes by itself is retried in order, the rest is dead-lettered as it came', async () => {
    const flow = await makeFlow()
    const fail = (n: number): object =>
      n % 100 === 7
        ? { fail: 'dead-letter' }
        : n % 100 === 8
          ? { fail: 'always' }
          : n % 100 === 9
            ? { fail: 'once' }
            : {}
    const broken: NewRecord = { key: '5', value: 'not json', headers: [['trace', 'abc']] }
    await flow.put([...keyed(2_000, fail), broken])
    const member = await startMember(flow.env)
    await flow.handled(1_960)
    await expect.poll(() => flow.committedTotal()).toBe(2_001)
    await member.stop()
    const letters = await flow.readDeadLetters()
    expect(letters).toHaveLength(41)
    const letter = letters.find(({ record }) => String(record.value) === 'not json')?.record
    expect([
      String(letter?.key),
      letter && headerText(letter, 'trace'),
      letter && headerText(letter, 'troupe.error-code'),
    ]).toEqual(['5', 'abc', 'DECODE_FAILED'])
    const dead = new Set(letters.map(({ id }) => id))
    const result = await flow.balance((id) => dead.has(id))
    expect([result.lost, result.duplicates.size, result.unexpected, result.orderViolations]).toEqual([[], 0, [], []])
  })

  // Cases 45 and 46; under load and with members that die: chaos/threads.test.ts.
  test('records that end or hold their thread are dead-lettered; batch mates, order and the pool are unharmed', async () => {
    const flow = await makeFlow(4, killerEnv)
    // Ten keys: the killers have predecessors and successors of their key, and two follow one another.
    const kinds = new Map([
      [103, 'exit'],
      [113, 'error'],
      [205, 'memory'],
      [207, 'loop'],
    ])
    await flow.put(keyed(400, (n) => ({ kill: kinds.get(n) }), 10))
    const member = await startMember(flow.env)
    await flow.handled(396, 120_000)
    await expect.poll(() => flow.committedTotal(), { timeout: 60_000 }).toBe(400)
    expect(await expectKillersDead(flow)).toBe(0)
    await expectRecovered(member)
    // Each of two attempts has cost a thread.
    expect(await member.metric('troupe_thread_restarts_total')).toBeGreaterThanOrEqual(2 * kinds.size)
    expect(await member.stop()).toEqual({ reason: 'stopped', code: 0 })
    const killers = await flow.readKillers()
    expect([...killers.values()].sort()).toEqual([...kinds.values()].sort())
    const result = await flow.balance((id) => killers.has(id))
    expect([result.lost, result.duplicates.size, result.unexpected, result.orderViolations]).toEqual([[], 0, [], []])
  }, 300_000)

  // Case 13: a zombie that wakes.
  test('a member frozen beyond its session is fenced when it wakes: nothing is lost, order holds, its commits change nothing', async () => {
    const flow = await makeFlow()
    const options = JSON.stringify({ sessionTimeoutMs: 3_000 })
    await flow.put(keyed(6_000, () => ({ workMs: 0.3 })))
    const first = await startMember({ ...flow.env, KAFKA_OPTIONS: options })
    await flow.handled(500)
    first.freeze()
    await startMember({ ...flow.env, KAFKA_OPTIONS: options })
    await flow.handled(5_000)
    first.wake()
    await flow.handled(6_000)
    await expect.poll(() => flow.committedTotal()).toBe(6_000)
    const result = await flow.balance()
    expect([result.lost, result.orderViolations]).toEqual([[], []])
  })
})
