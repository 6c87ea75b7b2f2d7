import { describe, expect, test } from 'vitest'
import { TroupeError } from '../../../src/errors.ts'
import { silentLog } from '../../../src/log.ts'
import type { MetricSnapshot } from '../../../src/supervisor/instances/merged-metrics.ts'
import { Instances, type InstancesParts } from '../../../src/supervisor/instances/instances.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { FakeInstance } from './fake-instance.ts'

const snapshot: readonly MetricSnapshot[] = []

/** A group of fake processes, and what is known of each. */
class World {
  readonly clock = new ManualClock()
  /** Of each instance, in the order in which they were started. */
  readonly launched = new Map<number, FakeInstance[]>()
  /** `note 1`, `retire 1`. */
  readonly metrics: string[] = []
  readonly parts: InstancesParts
  readonly instances: Instances
  #pid = 1000

  constructor(parts: Partial<InstancesParts> = {}) {
    this.parts = {
      count: 3,
      launch: (instance) => {
        const process = new FakeInstance(++this.#pid)
        process.answers = { metrics: snapshot }
        this.launched.set(instance, [...(this.launched.get(instance) ?? []), process])
        return process
      },
      restart: { max: 2, windowMs: 60_000, backoffMs: 1000 },
      stopTimeoutMs: 40_000,
      clock: this.clock,
      log: silentLog,
      metrics: {
        note: (instance) => this.metrics.push(`note ${instance}`),
        retire: (instance) => this.metrics.push(`retire ${instance}`),
      },
      ...parts,
    }
    this.instances = new Instances(this.parts)
    this.instances.start()
  }

  /** Its process now. */
  process(instance: number): FakeInstance {
    return this.launched.get(instance)!.at(-1)!
  }

  get states(): string[] {
    return this.instances.all.map(({ state }) => state)
  }

  count(instance: number): number {
    return this.launched.get(instance)?.length ?? 0
  }

  async joinAll(): Promise<void> {
    for (const { number } of this.instances.all) this.process(number).join()
    await this.clock.settle()
  }

  async endAll(code = 0): Promise<void> {
    for (const { number, process } of this.instances.all) if (process !== null) this.process(number).end({ code })
    await this.clock.settle()
  }
}

describe('starting', () => {
  test('starts each once, and knows which have joined', async () => {
    const world = new World()
    expect(world.states).toEqual(['starting', 'starting', 'starting'])
    world.process(2).join()
    await world.clock.settle()
    expect(world.states).toEqual(['starting', 'running', 'starting'])
    expect([1, 2, 3].map((instance) => world.count(instance))).toEqual([1, 1, 1])
  })

  test('the first that says why it cannot start ends all, with that error', async () => {
    const world = new World()
    world.process(1).join()
    await world.clock.settle()
    const error = new TroupeError('TOPIC_MISSING', 'topic clicks does not exist')
    world.process(2).end({ code: 1, error })
    await world.clock.settle()
    expect(world.process(1).told).toEqual(['stop'])
    expect(world.process(3).told).toEqual(['stop'])
    world.process(3).end({ code: 1, error: new TroupeError('TOPIC_MISSING', 'the same again') })
    world.process(1).end({ code: 0 })
    expect(await world.instances.finished).toEqual({ reason: 'failed', error })
    expect(world.clock.pendingTimers).toBe(0)
  })

  test('one that is gone without a word is started again', async () => {
    const world = new World()
    world.process(1).end({ signal: 'SIGABRT' })
    await world.clock.advance(1000)
    expect(world.count(1)).toBe(2)
  })
})

describe('an instance that has ended', () => {
  test.each([
    ['killed', { signal: 'SIGKILL' }, 'was ended by SIGKILL'],
    ['aborted', { signal: 'SIGABRT' }, 'was ended by SIGABRT'],
    ['escalated', { code: 1, error: new TroupeError('ESCALATED', 'a policy says so') }, 'has failed: a policy says so'],
    ['stopped by somebody', { code: 0 }, 'has ended with exit code 0'],
  ])('%s: is started again after the back-off; the others go on', async (_how, end, told) => {
    const world = new World()
    await world.joinAll()
    world.process(2).end(end)
    await world.clock.advance(999)
    expect(world.states).toEqual(['running', 'restarting', 'running'])
    expect(world.instances.all[1]).toMatchObject({ process: null, restarts: 0, lastEnd: told })
    expect(world.count(2)).toBe(1)
    await world.clock.advance(1)
    expect(world.states).toEqual(['running', 'starting', 'running'])
    expect(world.instances.all[1]).toMatchObject({ restarts: 1, lastEnd: told })
    world.process(2).join()
    await world.clock.settle()
    expect(world.states).toEqual(['running', 'running', 'running'])
    expect([1, 2, 3].map((instance) => world.count(instance))).toEqual([1, 2, 1])
    expect(world.process(1).told).toEqual([])
  })

  test('leaves its numbers behind before the next one says any', async () => {
    const world = new World()
    await world.joinAll()
    await world.instances.refreshMetrics()
    world.process(1).end({ signal: 'SIGKILL' })
    await world.clock.settle()
    expect(world.metrics).toEqual(['note 1', 'note 2', 'note 3', 'retire 1'])
  })

  test('the back-off doubles with each failure of any of them', async () => {
    const world = new World()
    await world.joinAll()
    world.process(1).end({ signal: 'SIGKILL' })
    await world.clock.advance(1000)
    world.process(3).end({ signal: 'SIGKILL' })
    await world.clock.advance(1999)
    expect(world.count(3)).toBe(1)
    await world.clock.advance(1)
    expect(world.count(3)).toBe(2)
  })

  test('one restart too many in the window stops the others, and the group has failed', async () => {
    const world = new World()
    await world.joinAll()
    for (const instance of [1, 2]) {
      world.process(instance).end({ signal: 'SIGKILL' })
      await world.clock.advance(10_000)
      world.process(instance).join()
      await world.clock.settle()
    }
    const cause = new TroupeError('NOT_AUTHORIZED', 'the group is not yours')
    world.process(1).end({ code: 1, error: cause })
    await world.clock.settle()
    expect(world.states).toEqual(['ended', 'running', 'running'])
    expect([2, 3].map((instance) => world.process(instance).told)).toEqual([['stop'], ['stop']])
    await world.endAll()
    const end = await world.instances.finished
    expect(end).toMatchObject({ reason: 'failed', error: { code: 'RESTARTS_EXHAUSTED', cause } })
    expect((end as { error: Error }).error.message).toContain('more than 2 times within 60000 ms; the last: instance 1')
    expect(world.clock.pendingTimers).toBe(0)
  })

  test('failures further apart than the window are never too many', async () => {
    const world = new World()
    await world.joinAll()
    for (let failure = 0; failure < 10; failure += 1) {
      world.process(1).end({ signal: 'SIGKILL' })
      await world.clock.advance(1000)
      world.process(1).join()
      await world.clock.advance(59_000)
    }
    expect(world.states).toEqual(['running', 'running', 'running'])
  })

  test('a broker that is away at a later start ends no other', async () => {
    const world = new World()
    await world.joinAll()
    world.process(1).end({ signal: 'SIGKILL' })
    await world.clock.advance(1000)
    world.process(1).end({ code: 1, error: new TroupeError('BROKER_UNREACHABLE', 'no broker answers') })
    await world.clock.advance(2000)
    expect(world.count(1)).toBe(3)
    expect(world.process(2).told).toEqual([])
  })

  test.each([
    'SCHEMA_REGISTRY_UNREACHABLE',
    'SCHEMA_REGISTRY_REFUSED',
    'DATABASE_UNREACHABLE',
    'SINK_UNAVAILABLE',
  ] as const)(
    'a server that is away when it starts again (%s) is no failure: it tries for as long as that takes',
    async (code) => {
      const world = new World()
      await world.joinAll()
      world.process(1).end({ signal: 'SIGKILL' })
      for (let start = 0; start < 60; start += 1) {
        await world.clock.advance(1000)
        world.process(1).end({ code: 1, error: new TroupeError(code, 'nobody answers') })
      }
      await world.clock.advance(1000)
      world.process(1).join()
      await world.clock.settle()
      expect(world.states).toEqual(['running', 'running', 'running'])
      expect(world.count(1)).toBe(62)
    },
  )
})

// KIP-848: the static member of a killed process stays in the group until its session has ended.
describe('an instance whose place in the group is not free', () => {
  const fenced = { code: 1, error: new TroupeError('FENCED', 'another member has the same groupInstanceId') }

  /** Refuses instance 1 for so long. */
  async function refuse(world: World, forMs: number): Promise<void> {
    const endMs = world.clock.now() + forMs
    while (world.clock.now() < endMs) {
      await world.clock.advance(1000)
      if (world.instances.all[0]!.state === 'restarting') continue
      world.process(1).join()
      await world.clock.settle()
      world.process(1).end(fenced)
    }
  }

  test('after a crash waits for the session to end, which counts as no failure', async () => {
    const world = new World()
    await world.joinAll()
    world.process(1).end({ signal: 'SIGKILL' })
    await refuse(world, 60_000)
    // Not one after the other either: each is a process.
    expect(world.count(1)).toBeLessThan(20)
    await world.clock.advance(10_000)
    world.process(1).join()
    await world.clock.settle()
    expect(world.states).toEqual(['running', 'running', 'running'])
    expect(world.process(2).told).toEqual([])
  })

  test('beyond any session is a failure: somebody else has that place', async () => {
    const world = new World()
    await world.joinAll()
    world.process(1).end({ signal: 'SIGKILL' })
    await refuse(world, 200_000)
    await world.endAll()
    expect(await world.instances.finished).toMatchObject({ error: { code: 'RESTARTS_EXHAUSTED' } })
  })

  test('without a crash before is a failure', async () => {
    const world = new World()
    await world.joinAll()
    await refuse(world, 20_000)
    await world.endAll()
    expect(await world.instances.finished).toMatchObject({ error: { code: 'RESTARTS_EXHAUSTED' } })
  })
})

describe('stopping', () => {
  test('before the start: nothing is started, and all is over', async () => {
    const clock = new ManualClock()
    const world = new World({ clock })
    const { launched } = world
    const instances = new Instances({ ...world.parts, clock })
    instances.stop()
    instances.start()
    expect(await instances.finished).toEqual({ reason: 'stopped' })
    expect([...launched.values()].flat()).toHaveLength(3)
    expect(instances.all.map(({ state }) => state)).toEqual(['ended', 'ended', 'ended'])
  })

  test('tells each once, and ends well when all have', async () => {
    const world = new World()
    await world.joinAll()
    world.instances.stop()
    world.instances.stop()
    expect([1, 2, 3].map((instance) => world.process(instance).told)).toEqual([['stop'], ['stop'], ['stop']])
    world.process(1).end({ code: 0 })
    await world.clock.settle()
    expect(world.states).toEqual(['ended', 'running', 'running'])
    await world.endAll()
    expect(await world.instances.finished).toEqual({ reason: 'stopped' })
    expect(world.clock.pendingTimers).toBe(0)
  })

  test('starts nothing again, neither what ends now nor what has ended before', async () => {
    const world = new World()
    await world.joinAll()
    world.process(1).end({ signal: 'SIGKILL' })
    await world.clock.settle()
    world.instances.stop()
    expect(world.states).toEqual(['ended', 'running', 'running'])
    await world.endAll()
    await world.clock.advance(60_000)
    expect([1, 2, 3].map((instance) => world.count(instance))).toEqual([1, 1, 1])
    expect(await world.instances.finished).toEqual({ reason: 'stopped' })
  })

  test.each([
    [{ signal: 'SIGKILL' }, 'instance 2 was ended by SIGKILL while it stopped'],
    [{ code: 1 }, 'instance 2 has ended with exit code 1 while it stopped'],
    [{ code: 1, error: new TroupeError('BROKER_UNREACHABLE', 'no broker answers') }, 'no broker answers'],
  ])('one that ends by %j is a failure of the whole', async (end, message) => {
    const world = new World()
    await world.joinAll()
    world.instances.stop()
    world.process(2).end(end)
    await world.endAll()
    expect(await world.instances.finished).toMatchObject({ reason: 'failed', error: { message } })
  })

  // Ctrl-C and a terminal that closes reach every process; one that still loads does not listen yet.
  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'])(
    'one that %s ends while it still starts has stopped, too',
    async (signal) => {
      const world = new World()
      world.process(1).join()
      await world.clock.settle()
      world.instances.stop()
      world.process(2).end({ signal })
      world.process(3).end({ signal })
      world.process(1).end({ code: 0 })
      expect(await world.instances.finished).toEqual({ reason: 'stopped' })
    },
  )

  test('one that has joined and is ended by a signal has not stopped', async () => {
    const world = new World()
    await world.joinAll()
    world.instances.stop()
    world.process(2).end({ signal: 'SIGTERM' })
    await world.endAll()
    expect(await world.instances.finished).toMatchObject({ reason: 'failed', error: { code: 'INSTANCE_FAILED' } })
  })

  test('one that does not stop in time is ended', async () => {
    const world = new World()
    await world.joinAll()
    world.instances.stop()
    world.process(1).end({ code: 0 })
    await world.clock.advance(39_999)
    expect(world.process(2).told).toEqual(['stop'])
    await world.clock.advance(1)
    expect([1, 2, 3].map((instance) => world.process(instance).told)).toEqual([
      ['stop'],
      ['stop', 'kill'],
      ['stop', 'kill'],
    ])
  })

  test('a kill ends all at once', async () => {
    const world = new World()
    await world.joinAll()
    world.instances.stop()
    world.instances.kill()
    expect([1, 2, 3].map((instance) => world.process(instance).told.at(-1))).toEqual(['kill', 'kill', 'kill'])
    await world.endAll()
    expect((await world.instances.finished).reason).toBe('stopped')
  })
})

describe('metrics', () => {
  test('are asked for again and again, so that a crash costs little', async () => {
    const world = new World()
    await world.joinAll()
    await world.clock.advance(5000)
    expect(world.metrics).toEqual(['note 1', 'note 2', 'note 3'])
    await world.clock.advance(5000)
    expect(world.metrics).toHaveLength(6)
  })

  test('of one that is silent, or has not joined, stay as they are', async () => {
    const world = new World()
    world.process(1).join()
    world.process(2).join()
    world.process(2).answers = {}
    await world.clock.settle()
    await world.instances.refreshMetrics()
    expect(world.metrics).toEqual(['note 1'])
  })

  test('that come after the end of the process they are of are dropped', async () => {
    const world = new World()
    await world.joinAll()
    let answer: (metrics: readonly MetricSnapshot[]) => void = () => undefined
    world.process(1).ask = () =>
      new Promise((resolve) => {
        answer = resolve as typeof answer
      })
    const refreshed = world.instances.refreshMetrics()
    world.process(1).end({ signal: 'SIGKILL' })
    await world.clock.settle()
    answer(snapshot)
    await refreshed
    expect(world.metrics).toEqual(['note 2', 'note 3', 'retire 1'])
  })
})
