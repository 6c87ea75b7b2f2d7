/**
 * Real members in groups of each protocol that Kafka has, with records in flight all the time: what a rebalance, a
 * restart of a static member and a change of protocol do to the guarantee. Cases 1–4, 9, 11, 17 and 19.
 */
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { KafkaProbe, bootstrapServers, kafkaIsAvailable } from '../support/real-kafka.ts'
import { CopyFlow, type FlowBalance } from './copy-flow.ts'
import { Load } from './load.ts'
import { MemberProcess } from './member-process.ts'

/** Members leave. One that is alive, or a static one that is being started again, must not be given up on a busy machine. */
const quick = { sessionTimeoutMs: 60_000, client: { 'heartbeat.interval.ms': 300 } }
const protocols = {
  'cooperative-sticky': quick,
  'KIP-848': { groupProtocol: 'consumer' },
  'eager (range)': { ...quick, assignmentStrategy: 'range' },
}
const JOIN = { interval: 50 }

const nothingWrong = { lost: [], unexpected: [], orderViolations: [], broken: 0, repeats: 0 }
const wrongs = ({ lost, unexpected, orderViolations, broken, repeats }: FlowBalance): object => ({
  lost,
  unexpected,
  orderViolations,
  broken,
  repeats,
})

describe.skipIf(!kafkaIsAvailable)('groups, on real Kafka', () => {
  const probe = new KafkaProbe(bootstrapServers)
  const members: MemberProcess[] = []
  const loads: Load[] = []
  afterAll(() => probe.close())
  afterEach(async () => {
    for (const load of loads.splice(0)) await load.cancel()
    for (const member of members.splice(0)) await member.kill()
  })

  async function start(flow: CopyFlow, kafka: object, env: Readonly<Record<string, string>> = {}) {
    const member = await MemberProcess.start({ ...flow.env, KAFKA_OPTIONS: JSON.stringify(kafka), ...env })
    members.push(member)
    return member
  }
  function putUnderLoad(flow: CopyFlow): Load {
    const load = new Load(flow)
    loads.push(load)
    return load
  }
  const makeFlow = (partitions = 6): Promise<CopyFlow> => CopyFlow.make(probe, 'groups', { partitions })

  async function partitionsOf(member: MemberProcess): Promise<number[]> {
    return (await member.status()).partitions.map(({ partition }) => partition).sort((a, b) => a - b)
  }
  /** Waits until each of these owns so many partitions. */
  async function shared(...expected: (readonly [MemberProcess, number])[]): Promise<void> {
    const counts = () => Promise.all(expected.map(async ([member]) => (await partitionsOf(member)).length))
    await expect.poll(counts, JOIN).toEqual(expected.map(([, count]) => count))
  }

  // Cases 1–4, 11, 17, 19.
  test.each(Object.entries(protocols))(
    '%s: one joins, one leaves, with records in flight: nothing is lost, repeated or out of order',
    async (_name, kafka) => {
      const flow = await makeFlow()
      const load = putUnderLoad(flow)
      const first = await start(flow, kafka)
      await load.progress(500)
      const second = await start(flow, kafka)
      await shared([first, 3], [second, 3])
      await load.progress(500)
      expect(await first.stop()).toEqual({ reason: 'stopped', code: 0 })
      await shared([second, 6])
      await load.progress(500)
      const count = await load.end()
      await expect.poll(() => flow.committedTotal()).toBe(count)
      expect(wrongs(await flow.balance())).toEqual(nothingWrong)
    },
  )

  // Case 9: every partition has one owner, also after many rebalances in a row.
  test('members that come and go in quick succession: each partition has one owner in the end', async () => {
    const flow = await makeFlow(8)
    const load = putUnderLoad(flow)
    const first = await start(flow, quick)
    await load.progress(200)
    for (let round = 0; round < 2; round += 1) {
      // The one that leaves may not have been given anything yet.
      const [second, third] = await Promise.all([start(flow, quick), start(flow, quick)])
      await second.stop()
      await load.progress(200)
      await third.stop()
    }
    await shared([first, 8])
    await load.end()
    expect(wrongs(await flow.balance())).toEqual(nothingWrong)
  })

  // Case 19.
  test.each([
    ['cooperative-sticky', quick],
    ['KIP-848', { groupProtocol: 'consumer' }],
  ])('%s: a static member that restarts gets its partitions back, and the other notices nothing', async (_, kafka) => {
    const flow = await makeFlow()
    const load = putUnderLoad(flow)
    const one = await start(flow, { ...kafka, groupInstanceId: 'one' })
    const other = await start(flow, { ...kafka, groupInstanceId: 'other' })
    await shared([one, 3], [other, 3])
    // What the joins bring has come.
    await load.progress(500)
    const owned = await partitionsOf(one)
    const rebalances = await other.metric('troupe_rebalances_total')
    expect(await one.stop()).toEqual({ reason: 'stopped', code: 0 })
    const back = await start(flow, { ...kafka, groupInstanceId: 'one' })
    await shared([back, 3])
    await load.progress(500)
    await load.end()
    expect(await partitionsOf(back)).toEqual(owned)
    expect(await other.metric('troupe_rebalances_total')).toBe(rebalances)
    expect(wrongs(await flow.balance())).toEqual(nothingWrong)
  })

  // Case 19: the older protocol fences who was there, the newer one who comes.
  test.each([
    ['cooperative-sticky', quick, 'first'],
    ['KIP-848', { groupProtocol: 'consumer' }, 'second'],
  ])('%s: of two members with one groupInstanceId, one ends as fenced and says why', async (_, kafka, fenced) => {
    const flow = await makeFlow()
    const load = putUnderLoad(flow)
    const first = await start(flow, { ...kafka, groupInstanceId: 'same' })
    await load.progress(200)
    const second = await start(flow, { ...kafka, groupInstanceId: 'same' })
    const [out, stays] = fenced === 'first' ? [first, second] : [second, first]
    const end = await out.ended
    expect(end).toMatchObject({ reason: 'failed' })
    expect(end.error).toMatch(/groupInstanceId/)
    expect(out.logged(/the supervisor ends: .*groupInstanceId/)).toHaveLength(1)
    await shared([stays, 6])
    await load.progress(200)
    await load.end()
    const { lost, orderViolations } = await flow.balance()
    expect({ lost, orderViolations }).toEqual({ lost: [], orderViolations: [] })
  })

  test('a group that changes to KIP-848 and back while it works loses and repeats nothing', async () => {
    const flow = await makeFlow()
    const load = putUnderLoad(flow)
    const newer = { groupProtocol: 'consumer' }
    const first = await start(flow, quick)
    await load.progress(300)
    const second = await start(flow, newer)
    await shared([first, 3], [second, 3])
    await load.progress(300)
    await first.stop()
    await shared([second, 6])
    await load.progress(300)
    const third = await start(flow, quick)
    await shared([second, 3], [third, 3])
    await load.progress(300)
    await second.stop()
    await shared([third, 6])
    await load.progress(300)
    await load.end()
    expect(wrongs(await flow.balance())).toEqual(nothingWrong)
  })
})
