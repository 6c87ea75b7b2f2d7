import { expect, test } from 'vitest'
import { Lookout } from '../../../src/lookout.ts'
import { HandlerHost } from '../../../src/actors/executors/handler-host.ts'
import { defineHandler, done } from '../../../src/actors/handlers/handler.ts'
import { silentLog } from '../../../src/log.ts'
import { resolveOptions } from '../../../src/options/resolve.ts'
import { state } from '../../../src/state/declared-state.ts'
import { text } from '../../../src/streams/flows/codec.ts'
import { topic } from '../../../src/streams/flows/flow.ts'
import { EngineStats } from '../../../src/metrics/stats.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { settled } from '../../support/settled.ts'

test('a setup on main that does not settle ends the start, and is torn down should it settle after all', async () => {
  const clock = new ManualClock()
  let letGo: () => void = () => undefined
  let tornDown = 0
  const handler = defineHandler({
    input: topic('clicks', { value: text }),
    setup: () =>
      new Promise<void>((resolve) => {
        letGo = resolve
      }),
    handle: () => done(),
    teardown: () => {
      tornDown += 1
    },
  })
  const app = resolveOptions({
    kafka: { brokers: 'fake:9092', groupId: 'group' },
    actors: [{ name: 'count', handler, runOn: 'main' }],
  })
  const opening = HandlerHost.open({
    schemas: null,
    app,
    clock,
    lookout: new Lookout(clock),
    log: silentLog,
    stats: new EngineStats(),
    onFatal: () => undefined,
  })
  await expect(settled(clock, opening)).rejects.toMatchObject({
    code: 'HANDLER_NOT_LOADED',
    message: expect.stringContaining('actor count did not load and set up its handler') as unknown,
  })
  expect(tornDown).toBe(0)
  letGo()
  await clock.settle()
  expect(tornDown).toBe(1)
})

// A start that is stopped meanwhile waits for it as well.
test('a loader of shared data that does not settle ends the start', async () => {
  const clock = new ManualClock()
  const app = resolveOptions({
    kafka: { brokers: 'fake:9092', groupId: 'group' },
    actors: [
      { name: 'count', handler: defineHandler({ input: topic('clicks', { value: text }), handle: () => done() }) },
    ],
    shared: { geo: () => new Promise<Uint8Array>(() => undefined) },
  })
  const opening = HandlerHost.open({
    schemas: null,
    app,
    clock,
    lookout: new Lookout(clock),
    log: silentLog,
    stats: new EngineStats(),
    onFatal: () => undefined,
  })
  await expect(settled(clock, opening)).rejects.toMatchObject({
    code: 'SHARED_NOT_LOADED',
    message: 'the shared data geo does not load: its loader did not settle within 60000 ms',
  })
  expect(clock.pendingTimers).toBe(0)
})

test('a handler that keeps state does not start in unordered order: state is kept by key', async () => {
  const clock = new ManualClock()
  let tornDown = 0
  const handler = defineHandler({
    input: topic('clicks', { value: text }),
    state: { total: state<number>() },
    handle: () => done(),
    teardown: () => {
      tornDown += 1
    },
  })
  const app = resolveOptions({
    kafka: { brokers: 'fake:9092', groupId: 'group' },
    actors: [{ name: 'count', handler, runOn: 'main', order: 'unordered' }],
  })
  const opening = HandlerHost.open({
    schemas: null,
    app,
    clock,
    lookout: new Lookout(clock),
    log: silentLog,
    stats: new EngineStats(),
    onFatal: () => undefined,
  })
  await expect(settled(clock, opening)).rejects.toMatchObject({
    code: 'OPTIONS_INVALID',
    message: expect.stringContaining(
      "order of count: 'unordered' does not go with a handler that keeps state",
    ) as unknown,
  })
  expect(tornDown).toBe(1)
})
