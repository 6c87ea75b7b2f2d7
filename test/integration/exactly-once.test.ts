/** State and exactly-once on real Kafka, with real processes: each key is counted in state, and each count is read back by another client. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { findWrongCounts } from '../chaos/counts.ts'
import { KafkaProbe, bootstrapServers, kafkaIsAvailable, startKafka } from '../support/real-kafka.ts'
import { CopyFlow, keyed } from './copy-flow.ts'
import { MemberProcess } from './member-process.ts'

const firstQuestions = fileURLToPath(new URL('./members/first-questions.mjs', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'troupe-once-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})

/** Nothing is lost, nothing is seen twice, and the counts of each key are 1, 2, 3, … */
async function expectCountedOnce(flow: CopyFlow): Promise<void> {
  const balance = await flow.balance()
  expect([balance.lost, balance.duplicates.size, balance.unexpected]).toEqual([[], 0, []])
  const said = flow.outputs.map(({ key, value }) => ({ key: String(key), value: String(value) }))
  expect(findWrongCounts(await flow.readInputs(), said)).toEqual([])
}

describe.skipIf(!kafkaIsAvailable)('exactly-once, on real Kafka', () => {
  const probe = new KafkaProbe(bootstrapServers)
  const members: MemberProcess[] = []
  const startMember = async (env: Readonly<Record<string, string>>): Promise<MemberProcess> => {
    const member = await MemberProcess.start(env)
    members.push(member)
    return member
  }
  afterEach(async () => {
    for (const member of members.splice(0)) await member.kill()
  })
  afterAll(() => probe.close())

  // An app with state asks what its group has committed before it joins.
  test('a group may be the first that a new cluster hears of, while its coordinators are still made', async () => {
    const cluster = await startKafka({})
    const looks = new KafkaProbe(cluster.bootstrapServers)
    try {
      await looks.createTopic('asked', 1)
      const env = { ...process.env, BROKERS: cluster.bootstrapServers, TOPIC: 'asked' }
      const { stdout } = await promisify(execFile)(process.execPath, [firstQuestions], { env })
      expect(JSON.parse(stdout)).toEqual(Array.from({ length: 8 }, () => [[], []]))
    } finally {
      await looks.close()
      await cluster.stop()
    }
  })

  test.each(['main', 'threads'])(
    'killed in the middle and started again: each record is counted once, and each count is seen once (%s)',
    async (runOn) => {
      const flow = await CopyFlow.make(probe, 'counted', {
        env: {
          HANDLERS: 'count.mjs',
          RUN_ON: runOn,
          KAFKA_OPTIONS: JSON.stringify({ groupInstanceId: 'one', sessionTimeoutMs: 10_000 }),
        },
      })
      await flow.put(keyed(6_000))
      const first = await startMember(flow.env)
      await flow.handled(500)
      await flow.put(keyed(6_000, undefined, 97, 6_000))
      await first.kill()
      const second = await startMember(flow.env)
      await flow.handled(12_000)
      expect(await second.stop()).toEqual({ reason: 'stopped', code: 0 })
      await expectCountedOnce(flow)
    },
  )

  test('after a clean stop nothing is restored: the store on disk stands where the position does', async () => {
    const directory = join(folder, 'store')
    const flow = await CopyFlow.make(probe, 'counted', {
      env: {
        HANDLERS: 'count.mjs',
        RUN_ON: 'main',
        KAFKA_OPTIONS: JSON.stringify({ groupInstanceId: 'one', sessionTimeoutMs: 10_000 }),
        APP_OPTIONS: JSON.stringify({ state: { store: 'disk', directory } }),
      },
    })
    await flow.put(keyed(2_000))
    const first = await startMember(flow.env)
    await flow.handled(2_000)
    await first.stop()
    await flow.put(keyed(500, undefined, 97, 2_000))
    const second = await startMember(flow.env)
    await flow.handled(2_500)
    await second.stop()
    const ends = second.logged(/: restored, /)
    const sumOf = (name: string): number => ends.reduce((sum, line) => sum + Number(line[name]), 0)
    expect([sumOf('restored'), sumOf('records')]).toEqual([4, 0])
    await expectCountedOnce(flow)
  })
})
