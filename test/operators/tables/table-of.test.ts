/** Tables with the partitions of the input: what is looked up, in which order, and after whatever has happened. */
import { expect, test } from 'vitest'
import { TableWorld } from './table-world.ts'

test('rows and records are taken by their times, whatever was written first: each record finds the row of its time', async () => {
  const world = new TableWorld()
  for (const [time, tier] of [
    [100, 'silver'],
    [300, 'gold'],
    [500, null],
  ] as const)
    world.customer('ann', tier, time)
  for (const time of [50, 150, 350, 550]) world.order('ann', `order@${time}`, time)
  const engine = await world.start()
  await world.clock.advance(2_000)
  expect(world.read()).toEqual(['order@50 none', 'order@150 silver', 'order@350 gold', 'order@550 none'])
  await world.settled(engine.stop())
})
