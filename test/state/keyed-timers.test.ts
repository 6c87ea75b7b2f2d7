import { expect, test, vi } from 'vitest'
import { defineHandler, deadLetter, done, type Outcome, type TimerContext } from '../../src/actors/handlers/handler.ts'
import { inputOf, sourceRecord } from '../actors/actor-fixture.ts'
import { bytes, json, text } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'
import { state } from '../../src/state/declared-state.ts'
import type { AnyHandler } from '../../src/actors/handlers/any-handler.ts'
import { keyedWorld, type KeyedWorldOptions } from './keyed-world.ts'
import { idOf } from '../../src/streams/record-id.ts'
import { StateValue } from '../../src/state/state-value.ts'
import { MapStore } from '../support/map-store.ts'

const clicks = topic('clicks', { value: bytes, key: text })
const out = topic('out', { value: json<string>() })
const states = { total: state<number>({ initial: () => 0 }) }

type Told = TimerContext<unknown, string, typeof states>

/**
 * What each key does at each of its records, by what is in `does`: set a timer, move it, cancel it. `calls` has all that was
 * called, in order.
 */
function timing(
  does: (call: Told, offset: number) => Outcome | undefined,
  onTimer: (call: Told, name: string) => Outcome = () => done(),
) {
  const calls: string[] = []
  const handler = defineHandler({
    input: clicks,
    outputs: [out],
    state: states,
    timers: ['reminder', 'other'],
    handle(_, context) {
      calls.push(`${context.key} ${context.record.offset}`)
      return does(context as unknown as Told, context.record.offset) ?? done()
    },
    onTimer(name, context) {
      calls.push(`${name} of ${context.key} at ${context.atMs}`)
      return onTimer(context, name)
    },
  })
  return { calls, handler: handler as unknown as AnyHandler }
}

/** Sets the reminder of its key at the record of this offset. */
const setAt =
  (offset: number, atMs: number) =>
  ({ timer }: Told, at: number): undefined => {
    if (at === offset) timer('reminder', atMs)
  }

test('a timer fires once stream time has come to it, before the record that has moved it on, and not again', async () => {
  const { calls, handler } = timing(setAt(0, 2_000))
  const world = await keyedWorld(handler)

  world.give(['a'], [1_000])
  await world.settle()
  world.give(['b'], [1_999])
  await world.settle()
  expect(calls).toEqual(['a 0', 'b 1'])

  world.give(['a'], [2_000])
  await world.settle()
  world.give(['b'], [9_000])
  await world.settle()
  expect(calls).toEqual(['a 0', 'b 1', 'reminder of a at 2000', 'a 2', 'b 3'])
})

test('what it sets and emits counts as of a record of its key', async () => {
  const { handler } = timing(setAt(0, 2_000), ({ key, state: { total } }) => {
    total.update((count) => count + 10)
    return done([out.record(key)])
  })
  const world = await keyedWorld(handler)

  world.give(['a', 'b'], [1_000, 2_000])
  await world.settle()

  expect([world.valueOf('a'), world.valueOf('b')]).toEqual([10, undefined])
  expect(world.delivery.sent.map(({ id }) => id.replace(/[0-9a-f]{16}/, 'HASH'))).toEqual([
    'clicks/0/timer/reminder/stream/HASH/2000',
  ])
})

test('several that are due at once fire in the order of their times', async () => {
  const { calls, handler } = timing(({ key, timer }) => {
    if (key === 'a') timer('reminder', 1_300)
    if (key === 'b') timer('reminder', 1_100)
    if (key === 'a') timer('other', 1_200)
    return undefined
  })
  const world = await keyedWorld(handler)

  world.give(['a', 'b'], [1_000, 1_000])
  await world.settle()
  world.give(['c'], [5_000])
  await world.settle()

  expect(calls.slice(2).filter((call) => call !== 'c 2')).toEqual([
    'reminder of b at 1100',
    'other of a at 1200',
    'reminder of a at 1300',
  ])
})

test('one that was moved fires when it was moved to, one that was cancelled never', async () => {
  const { calls, handler } = timing(({ cancelTimer, key, timer }, offset) => {
    if (key !== 'c') timer('reminder', offset < 2 ? 2_000 : 3_000)
    if (key === 'b' && offset >= 2) cancelTimer('reminder')
    return undefined
  })
  const world = await keyedWorld(handler)

  world.give(['a', 'b', 'a', 'b'], [1_000, 1_000, 1_000, 1_000])
  await world.settle()
  const before = calls.length
  world.give(['c'], [2_500])
  await world.settle()
  expect(calls.slice(before)).toEqual(['c 4'])

  world.give(['c'], [3_000])
  await world.settle()
  expect(calls.slice(before + 1)).toEqual(['reminder of a at 3000', 'c 5'])
})

test('one that is cancelled by a record before it in its lane does not fire, though it was due', async () => {
  const { calls, handler } = timing(({ cancelTimer, timer }, offset) => {
    if (offset === 0) timer('reminder', 2_000)
    else cancelTimer('reminder')
    return undefined
  })
  const world = await keyedWorld(handler)

  world.give(['a'], [1_000])
  await world.settle()
  // Both stand in the lane of the key before either is handled: the record first.
  world.actor.admit([world.record('a', 1_500), world.record('c', 2_500)])
  world.pump()
  await world.settle()

  expect(calls).toEqual(['a 0', 'a 1', 'c 2'])
  expect(inputOf(world.actor).tracker.isIdle).toBe(true)
  await world.checkpoint()
  expect(world.actor.heldRecords).toBe(0)
})

test.each(['stream', 'wall'] as const)(
  'what a timer by the %s clock would have set does not count where a record before it in its run has cancelled it',
  async (clock) => {
    const { calls, handler } = timing(
      ({ cancelTimer, state: { total }, timer }, offset) => {
        total.update((count) => count + 1)
        if (offset === 0) timer('reminder', dueMs, { clock })
        if (offset === 65) cancelTimer('reminder', { clock })
        return undefined
      },
      ({ state: { total } }) => {
        total.update((count) => count + 1_000)
        return done()
      },
    )
    const world = await keyedWorld(handler, { mixesKeys: false })
    const dueMs = clock === 'stream' ? 2_000 : world.clock.wallNow() + 1_000
    world.give(['a'], [1_000])
    // Seen to return at once, a handler gets several records of a key in one run.
    world.give(
      Array.from({ length: 64 }, () => 'b'),
      [],
    )
    await world.settle()
    calls.length = 0

    world.actor.admit([world.record('a', 1_500)])
    if (clock === 'wall') await world.clock.advance(1_000)
    world.actor.admit([world.record('c', 2_500), world.record('a', 2_500)])
    world.pump()
    await world.settle()

    expect(calls.filter((call) => call.includes('a'))).toEqual(['a 65', 'a 67'])
    expect(world.valueOf('a')).toBe(3)
  },
)

test('a timer stands between the records of its key that come before its time and those that do not', async () => {
  const { calls, handler } = timing(setAt(0, 2_000))
  const world = await keyedWorld(handler)

  world.give(['a', 'a', 'b', 'a'], [1_000, 1_000, 2_500, 2_500])
  await world.settle()

  expect(calls.filter((call) => call.includes('a'))).toEqual(['a 0', 'a 1', 'reminder of a at 2000', 'a 3'])
})

test('a record that fails has set no timer', async () => {
  const { calls, handler } = timing(({ attempt, timer }, offset) => {
    if (offset > 0) return undefined
    timer(attempt < 3 ? 'other' : 'reminder', 2_000)
    if (attempt < 3) throw new Error('boom')
    return undefined
  })
  const world = await keyedWorld(handler)

  world.give(['a'], [1_000])
  for (let turn = 0; turn < 3; turn += 1) await world.advance(1_000)
  world.give(['b'], [5_000])
  await world.settle()

  expect(calls.filter((call) => call.includes(' at '))).toEqual(['reminder of a at 2000'])
})

test('a timer that fails is tried again, and fires until it is handled', async () => {
  const attempts: number[] = []
  const { handler } = timing(setAt(0, 2_000), ({ attempt, state: { total } }) => {
    attempts.push(attempt)
    total.set(attempt)
    if (attempt < 3) throw new Error('boom')
    return done()
  })
  const world = await keyedWorld(handler)

  world.give(['a', 'b'], [1_000, 2_000])
  for (let turn = 0; turn < 3; turn += 1) await world.advance(1_000)

  expect(attempts).toEqual([1, 2, 3])
  expect(world.valueOf('a')).toBe(3)
})

test('one that fails for good is a dead letter of its key, which says which timer it was, and does not fire again', async () => {
  const { calls, handler } = timing(setAt(0, 2_000), () => deadLetter('no use'))
  const store = new MapStore()
  const world = await keyedWorld(handler, { store })

  world.give(['a', 'b'], [1_000, 2_000])
  await world.settle()
  const [letter] = world.delivery.deadLetters.map((each) => each.letter)
  const headers = Object.fromEntries(letter!.headers.map(([name, value]) => [name, String(value)]))
  expect([String(letter!.key), letter!.value]).toEqual(['a', null])
  expect(headers).toMatchObject({
    'troupe.timer': 'reminder',
    'troupe.timer-clock': 'stream',
    'troupe.timer-due-at': '1970-01-01T00:00:02.000Z',
  })

  await world.checkpoint()
  const next = await restarted(handler, store, 2)
  next.give(['b'], [9_000])
  await next.settle()
  expect(calls.filter((call) => call.startsWith('reminder'))).toEqual(['reminder of a at 2000'])
})

/** Its reminder of key a, due at 2000, returns what has no way to go. */
async function refusedWorld(options: KeyedWorldOptions = {}) {
  const told = timing(setAt(0, 2_000), ({ key, state: { total } }) => {
    total.update((count) => count + 1)
    return done([out.record(key)])
  })
  const world = await keyedWorld(told.handler, options)
  const timer = { name: 'reminder', clock: 'stream', dueMs: 2_000 } as const
  const id = idOf({ ...sourceRecord(1, 'a'), timer })
  world.delivery.refused.add(id)
  world.give(['a'], [1_000])
  await world.settle()
  world.give(['b'], [2_000])
  await world.settle()
  return { ...told, world, id }
}

test.each(['dead-letter', 'skip'] as const)(
  'one whose output has no way to go is given up by policy %s, and does not fire again',
  async (failedRecords) => {
    const store = new MapStore()
    const { calls, handler, world } = await refusedWorld({ store, actor: { failedRecords } })
    expect(world.delivery.deadLetters.length).toBe(failedRecords === 'skip' ? 0 : 1)
    expect(world.valueOf('a')).toBeUndefined()
    expect(world.state.timers!.size).toBe(0)

    await world.checkpoint()
    world.actor.fence()
    const next = await restarted(handler, store, 2)
    next.give(['b'], [9_000])
    await next.settle()
    expect(calls.filter((call) => call.startsWith('reminder'))).toEqual(['reminder of a at 2000'])
  },
)

test("one that was parked, and goes well at an operator's word, is not set any more", async () => {
  const { id, world } = await refusedWorld({ actor: { failedRecords: 'park' } })
  expect(world.actor.parked().map((each) => each.id)).toEqual([id])
  world.delivery.refused.clear()

  expect(world.actor.decide(id, 'retry')).toBe(true)
  await world.settle()
  expect(world.valueOf('a')).toBe(1)
  expect(world.state.timers!.size).toBe(0)
  expect(inputOf(world.actor).tracker.isIdle).toBe(true)
})

test('the position does not pass a timer that is not handled', async () => {
  const { handler } = timing(setAt(0, 2_000), ({ attempt }) => {
    if (attempt === 1) throw new Error('boom')
    return done()
  })
  const world = await keyedWorld(handler)
  const { tracker } = inputOf(world.actor)

  world.give(['a'], [1_000])
  await world.settle()
  world.give(['b', 'b'], [2_000, 2_000])
  await world.settle()
  expect(tracker.snapshot()).toMatchObject({ position: 1, frontier: 3 })

  await world.advance(1_000)
  expect(tracker.safePosition).toBe(3)
})

test('a timer is kept over a restart', async () => {
  const { calls, handler } = timing(setAt(0, 2_000))
  const store = new MapStore()
  const world = await keyedWorld(handler, { store })
  world.give(['a'], [1_000])
  await world.settle()
  await world.checkpoint()
  world.actor.fence()

  const next = await restarted(handler, store, 1)
  next.give(['b'], [2_000])
  await next.settle()
  expect(calls).toEqual(['a 0', 'reminder of a at 2000', 'b 1'])
})

test('one that has fired does not fire after a restart; without its checkpoint it does', async () => {
  const { calls, handler } = timing(setAt(0, 2_000))
  const store = new MapStore()
  const world = await keyedWorld(handler, { store })
  world.give(['a'], [1_000])
  await world.settle()
  await world.checkpoint(1)
  world.give(['b'], [2_000])
  await world.settle()
  expect(calls.length).toBe(3)
  // Handled, and not committed: the process dies.
  world.actor.fence()

  const again = await restarted(handler, store, 1)
  again.give(['b'], [2_000])
  await again.settle()
  expect(calls.slice(3)).toEqual(['reminder of a at 2000', 'b 1'])
  await again.checkpoint(2)
  again.actor.fence()

  const last = await restarted(handler, store, 2)
  last.give(['b'], [9_000])
  await last.settle()
  expect(calls.slice(5)).toEqual(['b 2'])
})

test('one that was due at the position where its partition begins fires without a further record', async () => {
  const { calls, handler } = timing(setAt(0, 500), () => {
    if (calls.length === 2) throw new Error('boom')
    return done()
  })
  const store = new MapStore()
  const world = await keyedWorld(handler, { store })
  world.give(['a'], [1_000])
  await world.checkpoint()
  world.actor.fence()

  const next = await restarted(handler, store, 1)
  await next.settle()
  expect(calls).toEqual(['a 0', 'reminder of a at 500', 'reminder of a at 500'])
})

test('a timer may set itself again', async () => {
  const { calls, handler } = timing(setAt(0, 2_000), ({ atMs, timer }) => {
    timer('reminder', atMs + 1_000)
    return done()
  })
  const world = await keyedWorld(handler)

  world.give(['a', 'b'], [1_000, 4_500])
  await world.settle()

  expect(calls.filter((call) => call.startsWith('reminder'))).toEqual([
    'reminder of a at 2000',
    'reminder of a at 3000',
    'reminder of a at 4000',
  ])
})

test('by the wall clock it fires without records, at its time', async () => {
  let dueMs = 0
  const { calls, handler } = timing(({ timer }) => {
    timer('reminder', dueMs, { clock: 'wall' })
    return undefined
  })
  const world = await keyedWorld(handler)
  dueMs = world.clock.wallNow() + 3 * 3_600_000

  world.give(['a'])
  await world.advance(3 * 3_600_000 - 1)
  expect(calls).toEqual(['a 0'])
  await world.advance(1)
  expect(calls).toEqual(['a 0', `reminder of a at ${dueMs}`])
  await world.advance(10_000_000)
  expect(calls.length).toBe(2)
})

/** Keys that have a reminder for 2000 by this clock, as the last checkpoint has left them. */
async function storeWithTimers(count: number, clock: 'stream' | 'wall'): Promise<MapStore> {
  const store = new MapStore()
  const { state } = await keyedWorld(timing(() => undefined).handler, { store })
  const value = StateValue.ofPrimitive(2_000, null)
  const at = Object.keys(states).length + (clock === 'stream' ? 0 : 1)
  for (let key = 0; key < count; key += 1) state.apply(`k${key}`, [{ at, value }])
  state.freeze(1)
  await state.commit()
  return store
}

test.each([
  ['key', 'stream'],
  ['key', 'wall'],
  ['partition', 'stream'],
  ['partition', 'wall'],
] as const)(
  'in order %s so many by the %s clock are due at once: some fire, and the others when those have ended',
  async (order, clock) => {
    let isDown = true
    const { calls, handler } = timing(
      () => undefined,
      () => {
        if (isDown) throw new Error('down')
        return done()
      },
    )
    const store = await storeWithTimers(2_500, clock)
    const world = await keyedWorld(handler, {
      store,
      actor: { order, retry: { attempts: Infinity, backoffMs: 50, maxBackoffMs: 50, jitter: 0 } },
    })

    // While what they call is down they wait in their lanes, and nothing is ready.
    for (let turn = 0; turn < 20; turn += 1) {
      world.give(['a'], [9_000])
      await world.advance(10)
    }
    expect(world.actor.heldRecords).toBeLessThan(1_100)

    isDown = false
    calls.length = 0
    // They take room of the intake, which a checkpoint gives back.
    for (let turn = 0; turn < 100; turn += 1) {
      await world.advance(100)
      await world.checkpoint(turn + 2)
    }
    expect(new Set(calls.filter((call) => call.startsWith('reminder'))).size).toBe(2_500)
    expect(world.state.timers!.size).toBe(0)
    await world.checkpoint()
    expect(world.actor.heldRecords).toBe(0)
  },
)

test('those of a large store are read in turns of the loop, and nothing is handed out before all are', async () => {
  const { calls, handler } = timing(() => undefined)
  const store = await storeWithTimers(5_000, 'stream')
  const world = await keyedWorld(handler, { store, isRestored: false })
  const { clock } = world
  const nowMs = clock.now.bind(clock)
  let looks = 0
  // Whatever is done between two looks takes a millisecond.
  vi.spyOn(clock, 'now').mockImplementation(() => nowMs() + (looks += 1))

  const walk = vi.spyOn(store, 'walk')
  const turns = vi.spyOn(clock, 'after')
  const begun = world.state.begin(store)
  expect(walk.mock.calls.length).toBeLessThan(8)
  world.give(['k7'], [1_000])
  expect([world.state.isReady, world.actor.readyRecordCount]).toEqual([false, 0])
  await clock.advance(0)
  await begun
  expect(turns.mock.calls.filter(([delayMs]) => delayMs === 0).length).toBeGreaterThan(2)

  expect(world.state.timers!.size).toBe(5_000)
  world.pump()
  await world.settle()
  expect(calls).toEqual(['k7 0'])
})

test('a store whose epoch ends meanwhile is asked no more', async () => {
  const store = await storeWithTimers(5_000, 'stream')
  const world = await keyedWorld(timing(() => undefined).handler, { store, isRestored: false })
  const { clock } = world
  let looks = 0
  vi.spyOn(clock, 'now').mockImplementation(() => (looks += 1))
  const scan = vi.spyOn(store, 'scan')
  const epoch = new AbortController()

  const begun = world.state.begin(store, [], epoch.signal)
  epoch.abort()
  const scans = scan.mock.calls.length
  expect(scans).toBeGreaterThan(0)
  await clock.advance(100)
  await begun
  expect([scan.mock.calls.length, world.state.isReady]).toEqual([scans, false])
})

test('a rewind goes back to those of the last checkpoint without reading them all again', async () => {
  const store = await storeWithTimers(4, 'stream')
  const { state } = await keyedWorld(timing(() => undefined).handler, { store })
  const set = (key: string, dueMs: number | null): void => {
    state.apply(key, [{ at: 1, value: dueMs === null ? null : StateValue.ofPrimitive(dueMs, null) }])
  }
  const walk = vi.spyOn(store, 'walk')
  const scan = vi.spyOn(store, 'scan')
  state.timers!.take('stream', 2_000)
  set('k1', null)
  state.freeze(2)
  set('k2', 9_000)
  set('new', 1_000)

  const { timers } = state.rewound()
  expect(walk.mock.calls.length + scan.mock.calls.length).toBe(0)
  const due = Array.from({ length: 5 }, () => timers!.take('stream', 10_000))
  expect(due.map((timer) => timer && `${timer.key} ${timer.dueMs}`)).toEqual([
    'k0 2000',
    'k1 2000',
    'k2 2000',
    'k3 2000',
    null,
  ])
})

test('one that is due before anything is known of the position fires once that is', async () => {
  const { calls, handler } = timing(() => undefined)
  const world = await keyedWorld(handler, { store: await storeWithTimers(1, 'wall'), position: null })
  await world.settle()
  expect(calls).toEqual([])

  world.actor.noteEnd({ topic: 'clicks', position: 7 })
  await world.settle()
  expect(calls).toEqual(['reminder of k0 at 2000'])
  expect(inputOf(world.actor).tracker.safePosition).toBe(7)
})

test('of a partition that is given up no timer fires', async () => {
  const { calls, handler } = timing(({ timer }) => {
    timer('reminder', 0, { clock: 'wall' })
    timer('other', world.clock.wallNow() + 1_000, { clock: 'wall' })
    return undefined
  })
  const world = await keyedWorld(handler)
  world.give(['a'])
  await world.settle()
  expect(calls).toEqual(['a 0', 'reminder of a at 0'])
  void world.actor.drain()

  await world.advance(100_000)
  expect(calls.length).toBe(2)
  world.actor.fence()
  expect(world.clock.pendingTimers).toBe(0)
})

test.each([
  ['a name that is not declared', ({ timer }: Told) => timer('remindr', 1), 'the handler declares no timer remindr'],
  ['no time', ({ timer }: Told) => timer('reminder', NaN), 'takes milliseconds since the Unix epoch, and got NaN'],
])('%s fails the record', async (_, call, message) => {
  const { handler } = timing((context) => {
    call(context)
    return undefined
  })
  const world = await keyedWorld(handler)

  world.give(['a'])
  await world.settle()

  const headers = world.delivery.deadLetters[0]!.letter.headers
  expect(String(headers.find(([name]) => name === 'troupe.error-message')?.[1])).toContain(message)
})

async function restarted(handler: AnyHandler, store: MapStore, position: number, options: KeyedWorldOptions = {}) {
  return await keyedWorld(handler, { store, position, ...options })
}
