/**
 * A replay gives the same finals: whatever the partitions of the input are apart, however they are read, on one member or
 * three, through crashes and rebalances.
 */
import { expect, test } from 'vitest'
import fc from 'fast-check'
import { MINUTE_MS, RegroupedWorld, expectedFinals, type Order } from '../operators/regroup/regrouped-world.ts'

const HOUR_MS = 60 * MINUTE_MS
const PARTITIONS = 3

const order = (farMs: number): fc.Arbitrary<Order> =>
  fc.record({
    region: fc.constantFrom('eu', 'us', 'ap'),
    cents: fc.integer({ min: 1, max: 9 }),
    atMs: fc.integer({ min: 0, max: 8 * MINUTE_MS }).map((atMs) => atMs + farMs),
  })

const inputs = fc
  .tuple(...Array.from({ length: PARTITIONS }, () => fc.constantFrom(0, 3 * MINUTE_MS, 5 * HOUR_MS)))
  .chain((apart) => fc.tuple(...apart.map((farMs) => fc.array(order(farMs), { maxLength: 30 }))))

/** Something that happens after so long. */
const event = fc.record({
  afterMs: fc.integer({ min: 1, max: 3_000 }),
  what: fc.constantFrom('append', 'append', 'append', 'crash', 'join', 'leave'),
  partition: fc.nat({ max: PARTITIONS - 1 }),
  count: fc.integer({ min: 1, max: 12 }),
})

test('a replay with regrouping gives the same finals, whatever the read speed, the members and their crashes', async () => {
  await fc.assert(
    fc.asyncProperty(inputs, fc.array(event, { maxLength: 14 }), fc.boolean(), async (all, events, isLive) => {
      const world = new RegroupedWorld(PARTITIONS)
      const left = all.map((orders) => [...orders])
      const append = (partition: number, count: number): void => {
        for (const each of left[partition]!.splice(0, count)) world.order(partition, each)
      }
      // In a replay all is there before anybody reads. Live, a partition that has been empty for long is not waited for, so each has some.
      for (let partition = 0; partition < PARTITIONS; partition += 1) append(partition, isLive ? 1 : Infinity)
      let members = 0
      const start = async () => {
        members += 1
        const name = `m${members}`
        return { name, engine: await world.count(name) }
      }
      const running = [await start()]
      for (const { afterMs, count, partition, what } of events) {
        await world.clock.advance(afterMs)
        if (what === 'append') append(partition, count)
        else if (what === 'join' && running.length < 3) running.push(await start())
        else if (what === 'crash') {
          const [gone] = running.splice(0, 1)
          world.broker.crash(gone!.name)
          if (running.length === 0) running.push(await start())
        } else if (what === 'leave' && running.length > 1) {
          await world.settled(running.pop()!.engine.stop())
        }
      }
      for (let partition = 0; partition < PARTITIONS; partition += 1) append(partition, Infinity)
      await world.clock.advance(60_000)
      expect(world.finals()).toEqual(expectedFinals(all))
      for (const { engine } of running) await world.settled(engine.stop())
    }),
    { numRuns: 25 },
  )
})
