/** Records that are regrouped, on real Kafka, with real processes: what comes out is what a plain loop over the input comes to. */
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { KafkaProbe, bootstrapServers, kafkaIsAvailable } from '../support/real-kafka.ts'
import { readPartition } from '../support/partition-reader.ts'
import { CopyFlow } from './copy-flow.ts'
import { MemberProcess } from './member-process.ts'
import { regionsOf, salesOf, until } from './regions.ts'

describe.skipIf(!kafkaIsAvailable)('regrouping, on real Kafka', () => {
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

  test('one of two members is killed in the middle: each window of each key comes out once, with all of its records', async () => {
    const partitions = [0, 1, 2]
    const flow = await CopyFlow.make(probe, 'regions', { partitions: partitions.length })
    const envOf = (groupInstanceId: string): Readonly<Record<string, string>> => ({
      ...flow.env,
      HANDLERS: 'regroup.mjs',
      ACTOR_OPTIONS: JSON.stringify({ order: 'partition', deadLetter: null }),
      KAFKA_OPTIONS: JSON.stringify({ groupInstanceId, sessionTimeoutMs: 10_000 }),
    })
    const readOutputs = async (): Promise<string[]> => {
      const read = partitions.map((partition) => {
        const at = { topic: flow.output, partition }
        return readPartition(probe.kafka, at, undefined, 'read_committed', Date.now() + 60_000)
      })
      return (await Promise.all(read)).flatMap(({ records }) => records.map(({ value }) => String(value)))
    }
    await flow.put(salesOf(12_000))
    const [first] = await Promise.all([startMember(envOf('one')), startMember(envOf('two'))])
    await until(async () => (await readOutputs()).length > 0)
    await first.kill()
    await startMember(envOf('one'))
    const expected = regionsOf(await probe.readAll(flow.input, { timeoutMs: 60_000 }))
    await until(async () => (await readOutputs()).length >= expected.length)
    for (const member of members.filter((each) => each !== first))
      expect(await member.stop()).toEqual({ reason: 'stopped', code: 0 })
    expect((await readOutputs()).sort()).toEqual(expected)
  })
})
