/** Outputs that tell how things stand: of those of a key within one checkpoint only the last goes out. */
import { describe, expect, test } from 'vitest'
import { Generation } from '../../../../src/streams/delivery/checkpoint/generation.ts'
import { sizeOnWire } from '../../../../src/streams/delivery/checkpoint/record-size.ts'
import type { OutputRecord } from '../../../../src/streams/record.ts'
import { ExactlyOnceWorld } from './exactly-once-world.ts'

const latestPerCheckpoint = true

describe('an engine', () => {
  test('sends the last output of each key of a checkpoint, in the order in which those were made', async () => {
    const world = new ExactlyOnceWorld({ latestPerCheckpoint })
    const engine = await world.start('a', { checkpointIntervalMs: 1_000 })
    world.append('first')
    await world.clock.advance(1_500)
    world.append('a=1', 'b=1', 'a=2', 'c=1', 'a=3', 'b=2')
    await world.clock.advance(1_500)
    expect(world.read()).toEqual(['first', 'c=1', 'a=3', 'b=2'])
    world.append('a=4')
    await world.clock.advance(1_500)
    expect(world.read()).toEqual(['first', 'c=1', 'a=3', 'b=2', 'a=4'])
    expect([world.handled.length, world.position]).toEqual([8, 8])
    expect(world.stats.checkpoints.records).toBe(5)
    await world.settled(engine.stop())
  })

  test('sends the same again after a transaction that did not come about', async () => {
    const world = new ExactlyOnceWorld({ latestPerCheckpoint })
    const engine = await world.start('a', { checkpointIntervalMs: 1_000 })
    world.append('first')
    await world.clock.advance(1_500)
    world.fault('positions', 'stale-generation', 3)
    world.append('a=1', 'b=1', 'a=2')
    await world.clock.advance(3_000)
    expect(world.stats.checkpoints.aborts['stale-generation']).toBe(3)
    expect(world.read()).toEqual(['first', 'b=1', 'a=2'])
    expect(world.handled).toHaveLength(4)
    await world.settled(engine.stop())
  })

  test('gives up the record of a refused output alone: the one before it of its key is the last then', async () => {
    const world = new ExactlyOnceWorld({ latestPerCheckpoint })
    const engine = await world.start('a', { checkpointIntervalMs: 1_000 })
    world.append('first')
    await world.clock.advance(1_500)
    refuse(world, 'a=3')
    world.append('a=1', 'a=2', 'b=1', 'a=3')
    await world.clock.advance(5_000)
    expect(world.stats.checkpoints.rewinds).toBe(1)
    expect(world.read().toSorted()).toEqual(['a=2', 'b=1', 'first'])
    expect(world.read('dlq')).toEqual(['a=3'])
    expect(world.position).toBe(5)
    await world.settled(engine.stop())
  })

  test('asks nobody what would become of an output that a later one takes the place of', async () => {
    const world = new ExactlyOnceWorld({ latestPerCheckpoint })
    const engine = await world.start('a', { checkpointIntervalMs: 1_000 })
    world.append('first')
    await world.clock.advance(1_500)
    refuse(world, 'a=1')
    world.append('a=1', 'a=2')
    await world.clock.advance(5_000)
    expect([world.stats.checkpoints.rewinds, world.read(), world.read('dlq')]).toEqual([0, ['first', 'a=2'], []])
    await world.settled(engine.stop())
  })

  test('writes each dead letter, also where its topic is such an output', async () => {
    const world = new ExactlyOnceWorld({ latestPerCheckpoint })
    const engine = await world.start('a', { checkpointIntervalMs: 1_000, actor: { deadLetter: 'out' } })
    world.append('fail=1', 'fail=2', 'fail=3')
    await world.clock.advance(3_000)
    expect(world.read()).toEqual(['fail=1', 'fail=2', 'fail=3'])
    await world.settled(engine.stop())
  })
})

describe('a generation', () => {
  test('keeps records without a key, and those of topics that are not declared so', () => {
    const sent = [
      record('latest', null, '1'),
      record('latest', null, '2'),
      record('all', 'a', '1'),
      record('all', 'a', '2'),
    ]
    expect(kept(sent)).toEqual(sent)
  })

  test('tells keys apart by their bytes, and topics and partitions from each other', () => {
    const sent = [
      { ...record('latest', null, '1'), key: Uint8Array.of(0xff) },
      { ...record('latest', null, '2'), key: Uint8Array.of(0xfe) },
      record('latest', '', '3'),
      { ...record('latest', '', '4'), partition: 0 },
      { ...record('latest', '', '5'), partition: 1 },
      record('other', '', '6'),
    ]
    expect(kept(sent)).toEqual(sent)
    expect(kept([...sent, ...sent])).toEqual(sent)
  })

  test('takes a tombstone for what it is: the last that is to be said of its key', () => {
    const gone = { ...record('latest', 'a', ''), value: null }
    expect(kept([record('latest', 'a', '1'), gone])).toEqual([gone])
  })

  test('takes no dead letter for an output, and knows what is one when others have gone', () => {
    const generation = new Generation(new Set(['latest']))
    const letter = record('latest', 'a', 'letter')
    add(generation, record('latest', 'a', '1'), 'in/0/0')
    generation.addLetter(ticket, 'in/0/1', letter)
    add(generation, record('latest', 'a', '2'), 'in/0/2')
    generation.close()
    expect(generation.records).toEqual([letter, record('latest', 'a', '2')])
    expect(generation.sources.map(({ id }) => id)).toEqual(['in/0/1', 'in/0/2'])
    expect([...generation.letterPlaces]).toEqual([0])
  })

  test('counts what it will send: an output that has gone takes no room any more', () => {
    const generation = new Generation(new Set(['latest']))
    add(generation, record('latest', 'a', 'last'))
    const { bytes, outputBytes } = generation
    const again = new Generation(new Set(['latest']))
    add(again, record('latest', 'a', 'a longer one'))
    add(again, record('latest', 'a', 'last'))
    expect([again.outputBytes, again.bytes - ticket.bytes]).toEqual([outputBytes, bytes])
  })
})

/** The topic takes none of these. */
function refuse(world: ExactlyOnceWorld, ...refused: string[]): void {
  world.broker.faults.refuseRecord = ({ topic, value }) =>
    topic === 'out' && refused.includes(Buffer.from(value ?? []).toString()) ? 'of no use' : null
}

const ticket = { bytes: 100, settle: () => undefined, settleAll: () => undefined } as never as Parameters<
  Generation['add']
>[0] &
  Parameters<Generation['addLetter']>[0]

function record(topic: string, key: string | null, value: string): OutputRecord {
  return { topic, key: key === null ? null : Buffer.from(key), value: Buffer.from(value) }
}

function add(generation: Generation, output: OutputRecord, id = 'in/0/0'): void {
  generation.add({ ...ticket, id }, [{ type: 'record', record: output }], sizeOnWire(output))
}

function kept(sent: readonly OutputRecord[]): readonly OutputRecord[] {
  const generation = new Generation(new Set(['latest', 'other']))
  for (const each of sent) add(generation, each)
  generation.close()
  return generation.records
}
