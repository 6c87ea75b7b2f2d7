/**
 * The click pipeline as users run it: its commands as processes, on three brokers and a real PostgreSQL. The accounts
 * come from reading topics and table back with clients that are not Troupe's.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { balanceClicks, nothingWrong } from '../support/click-ledger.ts'
import { ClickSource } from '../support/click-source.ts'
import { kafkaIsAvailable } from '../support/real-kafka.ts'
import { ClicksWorld } from './clicks-world.ts'

/** An outage of the database: long enough that every write in flight has failed several times. */
const OUTAGE_MS = Number(process.env['CLICKS_OUTAGE_MS'] ?? 8_000)

describe.skipIf(!kafkaIsAvailable)('the click pipeline', { timeout: 600_000 }, () => {
  let world: ClicksWorld
  beforeAll(async () => {
    world = await ClicksWorld.start()
  })
  afterEach(() => world.clear())
  afterAll(() => world.stop())

  test('npm start makes what is missing, handles exactly so many clicks, and its accounts are those of another reader', async () => {
    const { code, stdout, stderr } = await world.npmStart(['--records', '10000', '--json', '--http-port', '0']).ended
    expect(stderr).not.toMatch(/error|restarted/)
    expect(code, stderr).toBe(0)
    const accounts = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, number>
    const balance = await balanceClicks(world.probe, world.postgres)
    expect(balance).toMatchObject({ ...nothingWrong, in: 10_000, rows: balance.distinct })
    expect(balance.deadLettered).toBeGreaterThan(0)
    expect(accounts).toMatchObject({ in: 10_000, lost: 0, duplicates: 0, outOfOrder: 0, wrongRows: 0 })
    const { enriched, deadLettered, rows, distinct } = balance
    expect(accounts).toMatchObject({ enriched, deadLettered, rows, distinct })
    expect(enriched + deadLettered).toBe(10_000)
    expect(await world.ends('user_clicks')).toHaveLength(12)
  })

  // Cases 1, 3, 4, 31.
  test('two supervisors share the partitions; one that gets SIGTERM hands over, and nothing is lost or repeated', async () => {
    await world.createFlow()
    const source = new ClickSource(world.probe)
    const first = await world.startSupervisor()
    await world.outputs(1_000)
    const second = await world.startSupervisor()
    for (const supervisor of [first, second]) {
      const owned = async (): Promise<unknown> =>
        (await supervisor.ask('/status')).body.instances?.[0]?.status?.partitions.length
      await expect.poll(owned).toBe(6)
    }
    await world.outputs((await sum(world)) + 2_000)
    expect((await first.process.stop()).code).toBe(0)
    await world.outputs((await sum(world)) + 2_000)
    await source.stop()
    await world.caughtUp()
    expect((await second.process.stop()).code).toBe(0)
    const balance = await balanceClicks(world.probe, world.postgres)
    expect(balance).toMatchObject({ ...nothingWrong, rows: balance.distinct })
  })

  test('while PostgreSQL is away the pipeline waits and says why; it goes on by itself, and nothing is lost', async () => {
    await world.createFlow()
    const source = new ClickSource(world.probe)
    const supervisor = await world.startSupervisor()
    const ready = (): ReturnType<typeof supervisor.ask> => supervisor.ask('/readyz')
    await world.outputs(1_000)
    await world.postgres.pause()
    const reasons = async (): Promise<string | undefined> => (await ready()).body.reasons?.join()
    await expect.poll(reasons).toMatch(/sink postgres is unavailable: .*(ECONNREFUSED|57P0)/)
    await sleep(OUTAGE_MS)
    expect((await ready()).code).toBe(503)
    await world.postgres.resume()
    await expect.poll(async () => (await ready()).code).toBe(200)
    await world.outputs((await sum(world)) + 1_000)
    await source.stop()
    await world.caughtUp()
    const { code, stderr } = await supervisor.process.stop()
    expect(code).toBe(0)
    expect(stderr).toMatch(/"level":"(warn|error)".*postgres.*unavailable/)
    const balance = await balanceClicks(world.probe, world.postgres)
    expect(balance).toMatchObject({ ...nothingWrong, rows: balance.distinct })
  })

  // Cases 31, 39.
  test('after kill -9 in the middle of the clicks, a restart loses nothing, and the rows are exact', async () => {
    await world.createFlow()
    const source = new ClickSource(world.probe)
    const first = await world.startSupervisor()
    await world.outputs(3_000)
    await first.process.kill()
    const second = await world.startWithoutGenerator()
    await world.outputs((await sum(world)) + 3_000)
    await source.stop()
    await world.caughtUp()
    expect((await second.process.stop()).code).toBe(0)
    const { duplicates: _, ...balance } = await balanceClicks(world.probe, world.postgres)
    const { duplicates: __, ...expected } = nothingWrong
    expect(balance).toMatchObject({ ...expected, rows: balance.distinct })
  })
})

const sum = async (world: ClicksWorld): Promise<number> =>
  (await world.ends('enriched_clicks')).reduce((total, end) => total + end, 0)
