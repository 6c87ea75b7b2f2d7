/** Brokers that stop, die and freeze under the members; a network that is cut and slow. Three brokers, three copies of everything. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { KafkaProbe } from '../support/kafka-probe.ts'
import { startKafka, type KafkaCluster } from '../support/real-kafka.ts'
import { TcpProxy } from '../support/tcp-proxy.ts'
import { ChaosGroup, type ChaosOptions } from './chaos-group.ts'

describe('brokers and network under fire', () => {
  let cluster: KafkaCluster
  /** Past the proxies. */
  let probe: KafkaProbe
  const proxies: TcpProxy[] = []
  const groups: ChaosGroup[] = []
  beforeAll(async () => {
    const advertise = async ({ port }: { readonly port: number }): Promise<number> => {
      const proxy = await TcpProxy.start(port)
      proxies.push(proxy)
      return proxy.port
    }
    cluster = await startKafka({ brokers: 3, advertise })
    // Short, so that a frozen broker is given up for another one.
    probe = new KafkaProbe(cluster.internalServers, { requestTimeout: 5_000 })
  })
  afterAll(async () => {
    await probe.close()
    await cluster.stop()
    for (const proxy of proxies) await proxy.stop()
  })
  afterEach(async () => {
    for (const group of groups.splice(0)) await group.end()
    for (const proxy of proxies) proxy.restore()
    // Where a scenario ended in its middle.
    for (const broker of cluster.brokers) {
      broker.resume()
      await broker.start()
    }
  })
  async function begin(name: string, options: ChaosOptions = {}): Promise<ChaosGroup> {
    const env = { BROKERS: cluster.bootstrapServers }
    const group = await ChaosGroup.begin(probe, name, { everybodyMayRepeat: true, ...options, env })
    groups.push(group)
    await group.start()
    await group.start()
    await group.progress()
    return group
  }
  async function leaderOf(topic: string, partition: number): Promise<number> {
    const { topics } = await (await probe.admin()).fetchTopicMetadata({ topics: [topic] })
    return topics[0]!.partitions.find(({ partitionId }) => partitionId === partition)!.leader
  }

  test('each broker in turn is stopped and started again, while records flow', async () => {
    const group = await begin('brokers restart')
    for (const broker of group.random.shuffle(cluster.brokers)) {
      await broker.stop()
      await group.progress(500)
      await broker.start()
      await group.progress(500)
    }
    await group.settle()
  })

  test('the leader of a partition is killed, and its successor as well after it is back', async () => {
    const group = await begin('leader killed')
    for (let round = 0; round < 2; round += 1) {
      const id = await leaderOf(group.flow.input, group.random.integer(0, 5))
      const leader = cluster.brokers.find((broker) => broker.id === id)!
      await leader.kill()
      await group.progress(500)
      await leader.start()
      await group.progress(500)
    }
    await group.settle()
  })

  test('a broker freezes: connections stay, nothing answers', async () => {
    const group = await begin('broker frozen')
    const broker = group.random.pick(cluster.brokers)
    broker.pause()
    // The others take over what it led.
    await group.progress(500)
    broker.resume()
    await group.progress(500)
    await group.settle()
  })

  test('the network is slow, then cut from all brokers for longer than a session, then back', async () => {
    const group = await begin('network')
    for (const proxy of proxies) proxy.slow(150)
    await group.progress(500)
    for (const proxy of proxies) proxy.cut()
    // The brokers have given the members up when the group is empty.
    const members = () => probe.groupMembers(group.flow.group)
    await expect.poll(async () => (await members()).length, { timeout: 60_000, interval: 300 }).toBe(0)
    for (const proxy of proxies) proxy.restore()
    await group.progress(500)
    await group.settle()
  })

  test('connections break again and again', async () => {
    const group = await begin('connections break')
    for (let round = 0; round < 15; round += 1) {
      const proxy = group.random.pick(proxies)
      proxy.cut()
      proxy.restore()
      await group.progress(200)
    }
    await group.settle()
  })
})
