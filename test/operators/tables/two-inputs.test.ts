/** A join in the engine: its right side is a companion input, merged with the left one by time. */
import { expect, test } from 'vitest'
import { defineJoin } from '../../../src/operators/join/join.ts'
import { json, text } from '../../../src/streams/flows/codec.ts'
import { topic } from '../../../src/streams/flows/flow.ts'
import { out, TableWorld } from './table-world.ts'

const within = { beforeMs: 0, afterMs: 100 }

class JoinWorld extends TableWorld {
  readonly join = defineJoin({
    name: 'join',
    left: topic('orders', { value: text }),
    right: topic('payments', { value: text }),
    kind: 'left',
    within,
    graceMs: 0,
    outputs: [out],
    result: ({ left, right }) => [out.record(`${left} ${right ?? 'alone'}`)],
  })

  constructor(partitions = 1) {
    super(partitions)
    this.broker.createTopic('payments', partitions)
  }

  payment(key: string, value: string, timestamp: number, partition = 0): void {
    this.broker.append('payments', { key, value, timestamp, partition })
  }

  startJoin(name = 'a', others: object = {}): ReturnType<TableWorld['start']> {
    return this.start(name, { actor: { handler: this.join }, ...others })
  }
}

/** An order a second of one of these keys, and its payment after 50 ms, of three in four. */
function fill(world: JoinWorld, count: number): string[] {
  const expected: string[] = []
  for (let at = 1; at <= count; at += 1) {
    const isPaid = at % 4 !== 0
    world.order(`k${at % 5}`, `o${at}`, at * 1_000)
    if (isPaid) world.payment(`k${at % 5}`, `p${at}`, at * 1_000 + 50)
    expected.push(`o${at} ${isPaid ? `p${at}` : 'alone'}`)
  }
  // So that the last one is not open any more.
  world.order('end', 'end', count * 1_000 + 10_000)
  return expected
}

test('both sides are read from the start in the order of their times: nothing is late, however far one topic is ahead', async () => {
  const world = new JoinWorld()
  const expected = fill(world, 200)
  const engine = await world.startJoin()
  await world.clock.advance(10_000)
  expect(world.read().toSorted()).toEqual(expected.toSorted())
  await world.settled(engine.stop())
})

test('where each side stands is of one checkpoint with what is kept of both: after crashes each pair comes once', async () => {
  const world = new JoinWorld()
  const expected = fill(world, 400)
  await world.startJoin('a')
  for (let crashes = 0; crashes < 4; crashes += 1) {
    await world.clock.advance(61)
    world.broker.crash('abcde'[crashes]!)
    await world.clock.advance(20_000)
    await world.startJoin('abcde'[crashes + 1])
  }
  await world.clock.advance(30_000)
  expect(world.read().toSorted()).toEqual(expected.toSorted())
})

test('the right side of a join with another number of partitions is refused at the start, both by name', async () => {
  const world = new JoinWorld(2)
  world.broker.addPartitions('payments', 5)
  await expect(world.startJoin()).rejects.toMatchObject({
    code: 'PARTITIONS_DIFFER',
    message: expect.stringMatching(/orders has 2 .*payments.* has 5/) as string,
  })
})

test('an output that is refused for good sets both sides back: the payment is a dead letter, and its order has none', async () => {
  const world = new JoinWorld()
  const expected = fill(world, 100)
  world.broker.faults.refuseRecord = ({ topic: name, value }) =>
    name === 'out' && Buffer.from(value ?? []).toString() === 'o50 p50' ? 'of no use' : null
  const engine = await world.startJoin()
  await world.clock.advance(30_000)
  expect(world.read().toSorted()).toEqual(expected.map((line) => (line === 'o50 p50' ? 'o50 alone' : line)).toSorted())
  expect(world.read('dlq')).toEqual(['p50'])
  await world.settled(engine.stop())
})

/** Both topics were written anew in one go, so only their values say when things were. */
class BackfilledWorld extends TableWorld {
  readonly #timed = json<{ id: string; at: number }>()
  readonly join = defineJoin({
    name: 'join',
    left: topic('orders', { value: this.#timed, time: ({ at }) => at }),
    right: topic('payments', { value: this.#timed, time: ({ at }) => at }),
    kind: 'left',
    within,
    graceMs: 0,
    outputs: [out],
    result: ({ left, right }) => [out.record(`${left.id} ${right?.id ?? 'alone'}`)],
  })

  add(name: 'orders' | 'payments', id: string, at: number, timestamp: number): void {
    this.broker.append(name, { key: 'k', value: JSON.stringify({ id, at }), timestamp, partition: 0 })
  }
}

test('inputs whose values tell their times are brought together by those, whatever their records are stamped with', async () => {
  const world = new BackfilledWorld()
  world.broker.createTopic('payments', 1)
  const expected: string[] = []
  for (let at = 1; at <= 100; at += 1) {
    world.add('payments', `p${at}`, at * 1_000 + 50, 1_000)
    world.add('orders', `o${at}`, at * 1_000, 2_000)
    expected.push(`o${at} p${at}`)
  }
  // Goes by its timestamp: it holds up nobody.
  world.broker.append('payments', { key: 'k', value: 'no JSON', timestamp: 1_000, partition: 0 })
  const engine = await world.start('a', { actor: { handler: world.join } })
  await world.clock.advance(10_000)
  expect(world.read().toSorted()).toEqual(expected.toSorted())
  expect(world.read('dlq')).toEqual(['no JSON'])
  await world.settled(engine.stop())
})

test('a record that comes out alone and is given up is the only one that is missing: its key goes on', async () => {
  const world = new JoinWorld()
  const join = defineJoin({
    name: 'join',
    left: topic('orders', { value: text }),
    right: topic('payments', { value: text }),
    kind: 'left',
    within,
    graceMs: 0,
    outputs: [out],
    result: ({ left, right }) => {
      if (left === 'bad') throw new Error('of no use')
      return [out.record(`${left} ${right ?? 'alone'}`)]
    },
  })
  for (const [at, value] of ['bad', 'o1', 'o2', 'o3', 'end'].entries()) world.order('k', value, (at + 1) * 10_000)
  const engine = await world.startJoin('a', { actor: { handler: join } })
  await world.clock.advance(10_000)
  expect(world.read()).toEqual(['o1 alone', 'o2 alone', 'o3 alone'])
  await world.settled(engine.stop())
})
