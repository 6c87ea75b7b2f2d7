/** What the brokers refuse in one transaction, though they take each of its records alone. */
import { expect, test } from 'vitest'
import { ExactlyOnceWorld } from './exactly-once-world.ts'

const values = (count: number, word = 'v'): string[] => Array.from({ length: count }, (_, at) => `${word}${at}`)

test.fails('goes again in smaller batches: nothing is given up, handled again or waited for without end', async () => {
  const world = new ExactlyOnceWorld()
  const engine = await world.start()
  world.broker.faults.refuseTogether = (batch) => batch.length > 3
  world.append(...values(40))
  await world.clock.advance(60_000)
  expect(world.read().toSorted()).toEqual(values(40).toSorted())
  expect([world.handled.length, world.position, world.read('dlq')]).toEqual([40, 40, []])
  expect(engine.readiness().reasons).toEqual([])
  world.append(...values(40, 'w'))
  await world.clock.advance(5_000)
  expect(world.read()).toHaveLength(80)
  expect(world.stats.checkpoints.rewinds).toBe(0)
  await world.settled(engine.stop())
})

test.fails(
  'by one partition ends the engine with one error that names it, when what the others have handled stands',
  async () => {
    const world = new ExactlyOnceWorld({ partitions: 4 })
    const engine = await world.start()
    world.broker.faults.refuseTogether = (batch) => batch.some(({ value }) => Buffer.from(value ?? []).toString() === 'bad')
    for (const partition of [0, 1, 3]) world.appendTo(partition, ...values(3, `p${partition}-`))
    world.appendTo(2, 'bad')
    const end = await world.settled(engine.finished)
    expect(end).toMatchObject({ reason: 'failed', error: { code: 'TRANSACTION_REFUSED' } })
    expect(String('error' in end && end.error.message)).toMatch(/in\/2.*1 record.*out/)
    expect(world.read().toSorted()).toEqual([0, 1, 3].flatMap((partition) => values(3, `p${partition}-`)))
    expect([world.read('dlq'), world.stats.restarts]).toEqual([[], 0])
  },
)
