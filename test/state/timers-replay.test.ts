/** Of timers by stream time a replay sees what was seen live: what each key goes through does not depend on how much is read ahead. */
import { describe, expect, test } from 'vitest'
import { defineHandler, done } from '../../src/actors/handlers/handler.ts'
import type { AnyHandler } from '../../src/actors/handlers/any-handler.ts'
import { state } from '../../src/state/declared-state.ts'
import { bytes, text } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'
import { Random } from '../../src/testing/random.ts'
import { MapStore } from '../support/map-store.ts'
import { keyedWorld, type KeyedWorldOptions } from './keyed-world.ts'

const clicks = topic('clicks', { value: bytes, key: text })

interface Given {
  readonly key: string
  readonly atMs: number
}

/** By key: what was called for it, and what it found. */
type Seen = Map<string, string[]>

/** Sets, moves and cancels by what it is called with and what it keeps, so by nothing else. */
function wilfulHandler(seen: Seen): AnyHandler {
  const note = (key: string, line: string): void => {
    const lines = seen.get(key) ?? []
    lines.push(line)
    seen.set(key, lines)
  }
  const handler = defineHandler({
    input: clicks,
    state: { calls: state<number>({ initial: () => 0 }), recent: state<number>({ initial: () => 0, ttlMs: 700 }) },
    timers: ['reminder', 'other'],
    handle(_, { cancelTimer, key, record, state: { calls, recent }, timer }) {
      const count = calls.update((before) => before + 1)
      note(key!, `record ${record.timestamp} finds ${count}, ${recent.get()}`)
      recent.set(count)
      const will = (record.timestamp * 31 + count * 17) % 11
      if (will < 5) timer('reminder', record.timestamp + will * 150)
      else if (will < 8) timer('other', record.timestamp + 400 - will * 60)
      else if (will === 8) cancelTimer('reminder')
      else if (will === 9) cancelTimer('other')
      return done()
    },
    onTimer(name, { atMs, key, state: { calls, recent }, timer }) {
      const count = calls.update((before) => before + 1)
      note(key, `${name} ${atMs} finds ${count}, ${recent.get()}`)
      if (count % 3 === 0) recent.set(count)
      if (count % 4 === 1) timer(name, atMs + 90)
      if (count % 7 === 2) timer(name === 'other' ? 'reminder' : 'other', atMs - 50)
      return done()
    },
  })
  return handler as unknown as AnyHandler
}

function isDue({ actor, state: { streamTime, timers } }: Awaited<ReturnType<typeof keyedWorld>>): boolean {
  return actor.heldRecords > 0 || (timers!.nextDueMs('stream') ?? Infinity) <= (streamTime ?? -Infinity)
}

/** `polls`: how many records each poll brings; the last for all that follow. */
async function run(given: readonly Given[], polls: readonly number[], options: KeyedWorldOptions): Promise<Seen> {
  const seen: Seen = new Map()
  const world = await keyedWorld(wilfulHandler(seen), options)
  let left = given
  let checkpoints = 0
  for (let poll = 0; left.length > 0; poll += 1) {
    const count = polls[Math.min(poll, polls.length - 1)]!
    world.give(
      left.slice(0, count).map(({ key }) => key),
      left.map(({ atMs }) => atMs),
    )
    left = left.slice(count)
    for (let round = 0; round === 0 || isDue(world); round += 1) {
      while (world.actor.load.held > world.actor.load.atCheckpoint) await world.settle()
      // It gives room back, without which no timer fires that no record waits for.
      await world.checkpoint((checkpoints += 1))
      await world.advance(100)
    }
  }
  return seen
}

function records(seed: number, count: number): Given[] {
  const random = new Random(seed)
  let now = 1_000
  return Array.from({ length: count }, () => {
    now += random.integer(0, 60)
    return { key: `k${random.integer(0, 11)}`, atMs: now - (random.chance(0.2) ? random.integer(0, 500) : 0) }
  })
}

describe.each([
  ['key', true],
  ['key', false],
  ['partition', true],
] as const)('in order %s, keys mixed: %s', (order, mixesKeys) => {
  test.each([1, 2, 3])('each key goes through the same, whatever is read ahead (seed %i)', async (seed) => {
    const given = records(seed, 400)
    const options = { actor: { order }, mixesKeys }
    const live = await run(given, [1], options)
    expect([...live.values()].flat().filter((line) => !line.startsWith('record')).length).toBeGreaterThan(100)

    expect(await run(given, [400], options)).toEqual(live)
    expect(await run(given, [3, 90, 1, 40], options)).toEqual(live)
  })
})

test('a timer comes before the first record of its key that is as late, though a thousand others are ready', async () => {
  const calls: string[] = []
  const handler = defineHandler({
    input: clicks,
    timers: ['reminder'],
    handle(_, { cancelTimer, key, record, timer }) {
      if (key !== 'a') return done()
      calls.push(`a ${record.timestamp}`)
      if (record.timestamp === 1_000) timer('reminder', 2_000)
      else cancelTimer('reminder')
      return done()
    },
    onTimer(name, { key }) {
      calls.push(`${name} of ${key}`)
      return done()
    },
  })
  const world = await keyedWorld(handler as unknown as AnyHandler, { store: new MapStore() })
  const first = world.record('a', 1_000)
  const others = Array.from({ length: 1_200 }, (_, at) => world.record(`other-${at}`, 1_500))
  world.actor.admit([first, ...others, world.record('b', 2_500), world.record('a', 3_000)])
  for (let turn = 0; turn < 10; turn += 1) await world.settle()

  expect(calls).toEqual(['a 1000', 'reminder of a', 'a 3000'])
})
