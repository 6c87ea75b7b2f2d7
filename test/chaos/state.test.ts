/**
 * State with exactly-once while members die, come back, and are replaced, and brokers and a database go. A count of each
 * key is kept in state and said for each record, so what is lost, repeated or made of another state is seen by its number.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { findMissingForPython } from '../../scripts/python-peer.mjs'
import { keyed } from '../integration/copy-flow.ts'
import { readByForeigner } from '../support/foreign-reader.ts'
import { KafkaProbe, uniqueName } from '../support/kafka-probe.ts'
import { startKafka, type KafkaCluster } from '../support/real-kafka.ts'
import { startPostgres } from '../support/real-postgres.ts'
import { ChaosGroup, kafkaOptions, type Accounts, type ChaosOptions, type Protocol } from './chaos-group.ts'
import { findWrongCounts } from './counts.ts'

const RECORDS = Number(process.env['RECORDS'] ?? 300_000)
const KILLS = 10
const load = { ahead: 20_000, workMs: 0, keys: 997 }

type Membership = 'static' | 'dynamic' | 'KIP-848'
const memberships: readonly Membership[] = ['static', 'dynamic', 'KIP-848']
const protocolOf = (membership: Membership): Protocol => (membership === 'KIP-848' ? 'consumer' : 'classic')

describe('state under fire', () => {
  let cluster: KafkaCluster
  let probe: KafkaProbe
  const groups: ChaosGroup[] = []
  const folders: string[] = []
  beforeAll(async () => {
    cluster = await startKafka({ brokers: 3, properties: { 'group.consumer.session.timeout.ms': '6000' } })
    probe = new KafkaProbe(cluster.bootstrapServers)
  })
  afterAll(async () => {
    await probe.close()
    await cluster.stop()
  })
  afterEach(async () => {
    for (const group of groups.splice(0)) await group.end()
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
    for (const broker of cluster.brokers) await broker.start()
  })

  interface StateOptions extends ChaosOptions {
    readonly membership?: Membership
    /** On disk, in a folder for each member, which it finds again. */
    readonly onDisk?: boolean
    /** Default: that of the group. */
    readonly sessionTimeoutMs?: number
  }

  async function begin(name: string, options: StateOptions = {}): Promise<ChaosGroup> {
    const { membership = 'static', onDisk = false, sessionTimeoutMs, env = {}, ...others } = options
    const protocol = protocolOf(membership)
    const folder = mkdtempSync(join(tmpdir(), 'troupe-chaos-'))
    folders.push(folder)
    const group = await ChaosGroup.begin(probe, name, {
      protocol,
      load,
      ...others,
      env: { HANDLERS: 'count.mjs', RUN_ON: 'main', ...env },
      memberEnv: (member) => ({
        KAFKA_OPTIONS: JSON.stringify({
          ...kafkaOptions[protocol],
          ...(membership === 'static' ? { groupInstanceId: member } : {}),
          ...(sessionTimeoutMs === undefined ? {} : { sessionTimeoutMs }),
        }),
        ...(onDisk
          ? { APP_OPTIONS: JSON.stringify({ state: { store: 'disk', directory: join(folder, member) } }) }
          : {}),
      }),
    })
    groups.push(group)
    return group
  }

  /** Killed, and started again at once under the same name. How long it takes until more comes out, in ms. */
  async function killAndRestart(group: ChaosGroup, name: string): Promise<number> {
    await group.kill(name)
    const killedAtMs = performance.now()
    await group.start(name)
    const before = await group.flow.countHandled()
    await group.flow.handled(before + 1, 180_000)
    return performance.now() - killedAtMs
  }

  /** Waits until each member owns so many partitions, and has their state. */
  async function sharesAreRestored(group: ChaosGroup, share: number): Promise<void> {
    for (const member of group.members.values()) {
      const shareRestored = async (): Promise<number> =>
        (await member.status()).partitions.filter(({ restoring }) => restoring === null).length
      await expect.poll(shareRestored, { timeout: 120_000, interval: 300 }).toBe(share)
    }
  }

  /** The accounts: nothing lost, nothing twice, and each key's counts are 1, 2, 3, …; by a client of others' as well. */
  async function settledExactly(group: ChaosGroup): Promise<Accounts> {
    const accounts = await group.settle()
    expect({ lost: accounts.lost.length, repeats: accounts.repeats }).toEqual({ lost: 0, repeats: 0 })
    const inputs = await group.flow.readInputs()
    const own = group.flow.outputs.map(({ key, value }) => ({ key: String(key), value: String(value) }))
    expect(findWrongCounts(inputs, own)).toEqual([])
    if (findMissingForPython() === undefined) {
      const foreign = await readByForeigner(probe.bootstrapServers, group.flow.output)
      expect(foreign.length).toBe(inputs.length)
      expect(new Set(foreign.map(({ headers }) => headers['troupe-id'])).size).toBe(inputs.length)
      expect(findWrongCounts(inputs, foreign)).toEqual([])
    }
    return accounts
  }

  test.each(memberships)(
    'kill -9 ten times in 300,000 records: each is counted once, and its output is seen once (%s members)',
    async (membership) => {
      const group = await begin(`count kill ${membership}`, {
        membership,
        load: { ...load, most: RECORDS },
      })
      const name = await group.start()
      const pauses: number[] = []
      for (let round = 0; round < KILLS; round += 1) {
        const stretch = RECORDS / (KILLS + 1)
        await group.flow.handled(Math.round((round + group.random.integer(50, 100) / 100) * stretch), 240_000)
        pauses.push(await killAndRestart(group, name))
      }
      await group.flow.handled(RECORDS, 240_000)
      const { inputs } = await settledExactly(group)
      const sorted = pauses.map(Math.round).sort((a, b) => a - b)
      console.log(`${membership}: ${inputs} records; going on after ${sorted.join(', ')} ms`)
      expect(inputs).toBe(RECORDS)
    },
  )

  test.each(memberships)(
    'any of three members is killed at any moment, state on threads (%s members)',
    async (membership) => {
      const group = await begin(`count threads ${membership}`, { membership, env: { RUN_ON: 'threads' } })
      const names = [await group.start(), await group.start(), await group.start()]
      for (let round = 0; round < 5; round += 1) {
        await group.progress(5_000)
        await killAndRestart(group, group.random.pick(names))
      }
      await group.progress()
      await settledExactly(group)
    },
  )

  test('a rolling restart of three stateful supervisors under load: nothing lost, nothing repeated, nothing restored from disk', async () => {
    // Longer than a start takes on a busy machine: nobody else gets their partitions meanwhile.
    const group = await begin('count rolling', { onDisk: true, sessionTimeoutMs: 300_000 })
    const names = [await group.start(), await group.start(), await group.start()]
    const restored: object[] = []
    for (const name of names) {
      await sharesAreRestored(group, 2)
      await group.progress(5_000)
      await group.stop(name)
      await group.start(name)
      await sharesAreRestored(group, 2)
      await group.progress(5_000)
      const member = group.members.get(name)!
      const partitions = await member.metric('troupe_restores_total')
      restored.push({ partitions, records: await member.metric('troupe_restored_records_total') })
    }
    await settledExactly(group)
    // Each has had two of the six partitions, and has them again.
    expect(restored).toEqual(names.map(() => ({ partitions: 2, records: 0 })))
  })

  test.each(memberships)(
    'members come and go, and partitions take their state along (%s members)',
    async (membership) => {
      const group = await begin(`count moves ${membership}`, { membership })
      await group.start()
      for (let round = 0; round < 8; round += 1) {
        await group.progress(5_000)
        if (group.members.size < 2 || (group.members.size < 4 && group.random.chance(0.5))) await group.start()
        else await group.stop(group.pick())
      }
      await settledExactly(group)
    },
  )

  test('brokers are killed in the middle of transactions, the one of the coordinator too', async () => {
    const group = await begin('count brokers', { everybodyMayRepeat: true })
    await group.start()
    await group.start()
    for (const broker of group.random.shuffle(cluster.brokers)) {
      await group.progress(5_000)
      await broker.kill()
      await group.progress(500)
      await broker.start()
    }
    await group.progress(5_000)
    await settledExactly(group)
  })

  test('a member frozen until others own its partitions writes nothing when it wakes', async () => {
    const group = await begin('count frozen', { membership: 'dynamic' })
    await group.start()
    await group.start()
    for (let round = 0; round < 2; round += 1) {
      await group.progress(5_000)
      const zombie = group.pick()
      group.freeze(zombie)
      const [other] = [...group.members].filter(([name]) => name !== zombie)
      const owned = async (): Promise<number> => (await other![1].status()).partitions.length
      await expect.poll(owned, { timeout: 60_000, interval: 200 }).toBe(6)
      await group.progress(500)
      group.wake(zombie)
    }
    await group.progress(5_000)
    await settledExactly(group)
  })

  test('a database that is away holds up the actor that writes to it, and nobody else; rows are those of the state', async () => {
    const postgres = await startPostgres()
    try {
      await postgres.query('create table counts (key text primary key, count bigint not null)')
      const rowsTopic = uniqueName('chaos-rows')
      await probe.createTopic(rowsTopic, 6)
      const group = await begin('count rows', {
        env: { HANDLERS: 'count.mjs,count-rows.mjs', ROWS_TOPIC: rowsTopic, TABLE: 'counts', PG_URL: postgres.url },
      })
      const [keys, perKey] = [500, 60]
      const putRows = () =>
        probe.produceAll(
          rowsTopic,
          keyed((keys * perKey) / 3, () => ({}), keys),
        )
      const countedInRows = async (): Promise<number> => {
        const [row] = await postgres.query<{ sum: string | null }>('select sum(count) from counts')
        return Number(row!.sum)
      }
      await group.start()
      const second = await group.start()
      await putRows()
      await group.progress(5_000)
      await postgres.pause()
      await putRows()
      // The other actor's outputs go on coming, also those of partitions whose member has gone. What starts asks its servers first.
      await group.load.progress(20_000)
      await group.kill(second)
      await group.load.progress(20_000)
      await postgres.resume()
      await group.start(second)
      await putRows()
      await expect.poll(countedInRows, { timeout: 120_000, interval: 300 }).toBe(keys * perKey)
      const rows = await postgres.query('select distinct count::int from counts')
      expect(rows).toEqual([{ count: perKey }])
      await settledExactly(group)
    } finally {
      for (const group of groups.splice(0)) await group.end()
      await postgres.stop()
    }
  })

  test('the changelog that the brokers have compacted restores the same state', async () => {
    const group = await begin('count compacted', { partitions: 2 })
    const changelog = `${group.flow.group}-count-changelog`
    // Segments are closed soon, and cleaned as soon as there is something to clean.
    await probe.createTopic(changelog, 2, {
      'cleanup.policy': 'compact',
      'segment.ms': '1000',
      'min.cleanable.dirty.ratio': '0.001',
      'max.compaction.lag.ms': '1000',
    })
    const first = await group.start()
    for (let round = 0; round < 10; round += 1) await group.load.progress(5_000)
    const ends = await probe.endOffsets(changelog)
    const written = ends.reduce((sum, end) => sum + end, 0)
    const left = async (): Promise<number> => (await probe.readAll(changelog)).length
    await expect.poll(left, { timeout: 120_000, interval: 1_000 }).toBeLessThan(written / 2)
    await group.kill(first)
    await group.start()
    await group.load.progress(5_000)
    console.log(`compacted: ${written} offsets, ${await left()} records left`)
    await settledExactly(group)
  })
})
