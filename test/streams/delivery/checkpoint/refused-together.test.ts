/** What the brokers refuse in one transaction, though they take each of its records alone. */
import { describe, expect, test } from 'vitest'
import { Generation } from '../../../../src/streams/delivery/checkpoint/generation.ts'
import { Halving } from '../../../../src/streams/delivery/checkpoint/halving.ts'
import type { Participant } from '../../../../src/streams/delivery/checkpoint/participant.ts'
import { TransactionError } from '../../../../src/streams/transaction-port.ts'
import { ExactlyOnceWorld } from './exactly-once-world.ts'

const values = (count: number, word = 'v'): string[] => Array.from({ length: count }, (_, at) => `${word}${at}`)

test('goes again in smaller batches: nothing is given up, handled again or waited for without end', async () => {
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

test('by one partition ends the engine with one error that names it, when what the others have handled stands', async () => {
  const world = new ExactlyOnceWorld({ partitions: 4 })
  const engine = await world.start()
  world.broker.faults.refuseTogether = (batch) =>
    batch.some(({ value }) => Buffer.from(value ?? []).toString() === 'bad')
  for (const partition of [0, 1, 3]) world.appendTo(partition, ...values(3, `p${partition}-`))
  world.appendTo(2, 'bad')
  const end = await world.settled(engine.finished)
  expect(end).toMatchObject({ reason: 'failed', error: { code: 'TRANSACTION_REFUSED' } })
  expect(String('error' in end && end.error.message)).toMatch(/in\/2.*1 record.*out/)
  expect(world.read().toSorted()).toEqual([0, 1, 3].flatMap((partition) => values(3, `p${partition}-`)))
  expect([world.read('dlq'), world.stats.restarts]).toEqual([[], 0])
})

describe('halving', () => {
  const participant = (checkpoint: number): Participant =>
    ({ frozen: { checkpoint, generation: new Generation(new Set()) }, owner: { inputs: [], state: null } }) as never
  const fault = new TransactionError('refused', 'too much')

  test('who is ready goes together, until that is refused; then half, those first that have waited longest', () => {
    const halving = new Halving()
    const ready = [participant(3), participant(1), participant(2)]
    expect(halving.next(ready)).toEqual(ready)
    halving.noteRefused(ready, fault)
    expect(halving.next(ready).map(({ frozen }) => frozen?.checkpoint)).toEqual([1, 2])
  })

  test('what is too much for one transaction stays too much: no more than went through go at once later', () => {
    const halving = new Halving()
    const ready = [1, 2, 3, 4].map(participant)
    halving.noteRefused(ready, fault)
    expect(halving.next([5, 6, 7, 8].map(participant))).toHaveLength(2)
  })

  test('who is refused alone waits for those that were frozen with it, and not for what is handled after that', () => {
    const halving = new Halving()
    const [refused, other] = [participant(1), participant(1)]
    halving.noteRefused([refused], fault)
    expect(halving.next([refused, other])).toEqual([other])
    expect(() => halving.next([refused, participant(2)])).toThrow(
      expect.objectContaining({ code: 'TRANSACTION_REFUSED' }),
    )
  })

  test('who is refused alone and has gone since is nobody any more', () => {
    const halving = new Halving()
    halving.noteRefused([participant(1)], fault)
    const ready = [participant(2)]
    expect(halving.next(ready)).toEqual(ready)
  })
})
