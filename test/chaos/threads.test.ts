/** Records that end or hold their threads, among good ones of the same keys, while members die, stop and start. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { expectKillersDead, expectRecovered, killerEnv, type Killer } from '../integration/killers.ts'
import { KafkaProbe } from '../support/kafka-probe.ts'
import { startKafka, type KafkaCluster } from '../support/real-kafka.ts'
import { ChaosGroup, type Protocol } from './chaos-group.ts'

// Cases 45 and 46.
describe('threads under fire', () => {
  let cluster: KafkaCluster
  let probe: KafkaProbe
  const groups: ChaosGroup[] = []
  beforeAll(async () => {
    // Brokers have no part in this. Killed members are missed soon, in the newer protocol too.
    cluster = await startKafka({ brokers: 1, properties: { 'group.consumer.session.timeout.ms': '6000' } })
    probe = new KafkaProbe(cluster.bootstrapServers)
  })
  afterAll(async () => {
    await probe.close()
    await cluster.stop()
  })
  afterEach(async () => {
    for (const group of groups.splice(0)) await group.end()
  })
  /** Two members, and twenty keys: a killer has predecessors and successors of its key in its batch. */
  async function begin(name: string, kinds: readonly Killer[], protocol: Protocol): Promise<ChaosGroup> {
    const killers = { kinds, stretch: 300 }
    const group = await ChaosGroup.begin(probe, name, { protocol, killers, load: { keys: 20 }, env: killerEnv })
    groups.push(group)
    await group.start()
    await group.start()
    return group
  }
  /** Returns how many dead letters are repeats. */
  async function recovered(group: ChaosGroup, kinds: readonly Killer[]): Promise<number> {
    await group.finished()
    for (const member of group.members.values()) await expectRecovered(member)
    const repeats = await expectKillersDead(group.flow)
    const killers = [...(await group.flow.readKillers()).values()]
    console.log(`${killers.length} killers, ${repeats} of their letters repeated`)
    expect(new Set(killers)).toEqual(new Set(kinds))
    return repeats
  }

  test.each<Protocol>(['classic', 'consumer'])(
    'killers of all kinds are dead-lettered, and the rest comes out in order, through kill -9 and restarts (%s)',
    async (protocol) => {
      const kinds: readonly Killer[] = ['exit', 'error', 'memory', 'loop']
      const group = await begin(`killers ${protocol}`, kinds, protocol)
      for (let round = 0; round < 4; round += 1) {
        await group.progress()
        await group.kill(group.pick())
        await group.start()
      }
      await group.progress()
      await recovered(group, kinds)
      await group.settle()
    },
  )

  // Without an asynchronous record the handler counts as synchronous: runs of many records of a key cross together.
  test('killers under a rolling restart: what is repeated is nothing, not even a dead letter', async () => {
    const kinds: readonly Killer[] = ['memory', 'loop', 'exit']
    const group = await begin('killers rolling', kinds, 'classic')
    for (let round = 0; round < 4; round += 1) {
      await group.progress()
      await group.stop(group.pick())
      await group.start()
    }
    await group.progress()
    expect(await recovered(group, kinds)).toBe(0)
    expect((await group.settle()).repeats).toBe(0)
  })
})
