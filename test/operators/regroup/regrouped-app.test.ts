/** An actor whose records are regrouped, as an app: two actors, with a topic of ours in between. */
import { describe, expect, test } from 'vitest'
import {
  MINUTE_MS,
  RegroupedWorld,
  byRegion,
  expectedFinals,
  perMinute,
  repartition,
  type Order,
} from './regrouped-world.ts'

const at = (minute: number, region: string | null, cents = 1): Order => ({ region, cents, atMs: minute * MINUTE_MS })

test('records of all partitions meet under the key that they are regrouped by, and each minute is told once', async () => {
  const world = new RegroupedWorld()
  const engine = await world.count()
  const inputs = [0, 1, 2].map((partition) => [
    at(1, 'eu'),
    at(1.5, 'us', 10),
    at(2, 'eu', 100),
    at(4, `p${partition}`),
  ])
  for (const [partition, orders] of inputs.entries()) for (const order of orders) world.order(partition, order)
  await world.clock.advance(5_000)
  expect(world.finals()).toEqual({ eu: ['1 eu 3', '2 eu 300'], us: ['1 us 30'] })
  expect(world.finals()).toEqual(expectedFinals(inputs))
  expect(
    engine
      .status()
      .partitions.map(({ actor }) => actor)
      .sort(),
  ).toEqual([...Array<string>(3).fill('copy'), ...Array<string>(3).fill('copy-front')])
  expect(world.broker.partitions(repartition)).toHaveLength(3)
  await world.settled(engine.stop())
})
