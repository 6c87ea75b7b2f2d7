/** The processes of a world: started, stopped, killed, and replaced when they end unasked, as an orchestrator does. */
import type { AnyHandler } from '../../src/actors/handlers/any-handler.ts'
import type { Clock } from '../../src/clock.ts'
import { isTroupeError } from '../../src/errors.ts'
import { silentLog, type Log } from '../../src/log.ts'
import type { FakeBroker } from '../../src/testing/broker/fake-broker.ts'
import type { FakeClient } from '../../src/testing/broker/fake-client.ts'
import { FakeSink, type FakeDatabase } from '../../src/testing/fake-sink.ts'
import type { ManualClock } from '../../src/testing/manual-clock.ts'
import type { Random } from '../../src/testing/random.ts'
import type { Sink } from '../../src/streams/delivery/sink.ts'
import { entry } from './checker.ts'
import { actorNumber, topicAt, type EngineUnderTest, type RunningMember } from './engine-under-test.ts'
import { originOf, type Journal, type OutputName } from './journal.ts'
import { simulatedHandler, type HandlerNotes } from './simulated-handler.ts'
import type { SimulatedRegistry } from './simulated-registry.ts'
import { SimulatedDisk, SimulatedStores } from './exactly-once/simulated-stores.ts'
import { SimulatedPool } from './threads/simulated-pool.ts'
import type { ThreadEnd } from './threads/simulated-thread.ts'
import type { World } from './world.ts'

export interface MembersOptions {
  readonly world: World
  readonly engine: EngineUnderTest
  readonly clock: ManualClock
  readonly broker: FakeBroker
  readonly database: FakeDatabase
  readonly journal: Journal
  readonly random: Random
  readonly registry: SimulatedRegistry
}

interface Member {
  readonly name: string
  /** Its place among those that run at once: what a static member is known by. */
  readonly slot: number
  readonly client: FakeClient
  /** Its pools of threads, the newest last. */
  readonly pools: SimulatedPool[]
  /** null while it starts. */
  running: RunningMember | null
  /** What was asked of it while it started. */
  wanted: 'run' | 'stop' | 'kill'
  hasEnded: boolean
}

/** How long an orchestrator takes to replace a process. */
const REPLACE_AFTER_MS = 200

export class Members {
  readonly #options: MembersOptions
  readonly #all: Member[] = []
  /** Of each slot: what outlives its processes. */
  readonly #disks = new Map<number, SimulatedDisk>()
  #wantedCount = 0

  constructor(options: MembersOptions) {
    this.#options = options
  }

  get running(): readonly Member[] {
    return this.#all.filter((member) => !member.hasEnded)
  }

  scaleTo(count: number): void {
    this.#wantedCount = count
    const running = this.running.filter((member) => member.wanted === 'run')
    for (const member of running.slice(count)) this.#ask(member, 'stop')
    this.#fillUp()
  }

  stop(number: number): void {
    this.#at(number, (member) => {
      this.#ask(member, 'stop')
    })
  }

  kill(number: number): void {
    this.#at(number, (member) => {
      this.#ask(member, 'kill')
    })
  }

  withClient(number: number, act: (client: FakeClient) => void): void {
    this.#at(number, (member) => {
      act(member.client)
    })
  }

  endThread(number: number, how: ThreadEnd): void {
    this.#at(number, ({ client, pools }) => {
      if (client.clock.isRunning) pools.at(-1)?.endIdle(how)
    })
  }

  /** A process crashed by itself, at a step it was set to. */
  noteCrash(client: string): void {
    const member = this.#all.find((each) => each.name === client)
    if (member !== undefined && !member.hasEnded) this.#end(member, 'crashed')
  }

  stopAll(): void {
    this.#wantedCount = 0
    for (const member of this.running) this.#ask(member, 'stop')
  }

  get clients(): readonly FakeClient[] {
    return this.running.map(({ client }) => client)
  }

  sample(): void {
    for (const { client, name, running } of this.running) {
      if (running === null || !client.clock.isRunning) continue
      this.#options.journal.note({ type: 'sample', client: name, records: running.recordsInFlight() })
    }
  }

  describe(): unknown {
    return this.running.map(({ client, name, running, wanted }) => ({
      name,
      wanted,
      isRunning: client.clock.isRunning,
      status: running?.describe() ?? 'starting',
    }))
  }

  /** Timers that ended processes still hold. */
  leftovers(): string[] {
    return this.#all.flatMap(({ client, hasEnded, name }) => {
      const count = client.clock.pendingTimers
      return hasEnded && count > 0 ? [`${name} has ended and holds ${count} timers`] : []
    })
  }

  #fillUp(): void {
    while (this.running.filter((member) => member.wanted === 'run').length < this.#wantedCount) this.#start()
  }

  #start(): void {
    const { broker, database, engine, journal, random, registry, world } = this.#options
    const name = `m${this.#all.length}`
    const slot = this.#freeSlot()
    const client = broker.client(name, world.isStatic ? { instanceId: `instance-${slot}` } : {})
    const member: Member = { name, slot, client, pools: [], running: null, wanted: 'run', hasEnded: false }
    this.#all.push(member)
    journal.note({ type: 'started', client: name })
    const { clock } = client
    const isAlive = (): boolean => !client.isCrashed
    const chance = random.fork(name)
    const starting = engine.start({
      world,
      handlers: world.topics.map((topic) =>
        simulatedHandler({ topic: topic.name, clock, notes: this.#notesOf(name, isAlive), world }),
      ),
      transactionalId: world.isStatic ? `instance-${slot}` : name,
      broker: client,
      clock,
      sink: this.#sink(member, database),
      openStores: () => Promise.resolve(this.#stores(member, isAlive)),
      openTaskPool: (options) => {
        const { crossingMs } = world.threads
        const handlerOf = (url: string, notes: HandlerNotes, threadClock: Clock): AnyHandler =>
          simulatedHandler({ topic: topicAt(url), clock: threadClock, notes, world })
        const threads = chance.fork(`pool ${member.pools.length}`)
        const parts = { client: name, clock, random: threads, journal, isAlive, crossingMs, handlerOf }
        const pool = new SimulatedPool(parts, options)
        member.pools.push(pool)
        return pool
      },
      random: () => chance.next(),
      log: this.#logOf(name, isAlive),
      ...(world.schemas === undefined ? {} : { schemas: registry.open(clock) }),
    })
    starting.then(
      (running) => {
        member.running = running
        void running.finished.then(({ code, how }) => {
          if (!member.hasEnded) this.#end(member, how, code)
        })
        if (member.wanted !== 'run') this.#ask(member, member.wanted)
      },
      (error: unknown) => {
        if (!member.hasEnded) this.#end(member, 'failed', isTroupeError(error) ? error.code : null)
      },
    )
  }

  /** A member that sets a partition back in memory says so in its log, and nowhere else that can be seen. */
  #logOf(client: string, isAlive: () => boolean): Log {
    return {
      ...silentLog,
      warn: (fields, message) => {
        if (!message.startsWith('outputs are refused for good') || !('partition' in fields) || !isAlive()) return
        const [topic = '', partition] = String(fields.partition).split('/')
        this.#options.journal.note({ type: 'rewound', client, topic, partition: Number(partition) })
      },
    }
  }

  #stores({ client: { clock }, name, slot }: Member, isAlive: () => boolean): SimulatedStores {
    const { journal, world } = this.#options
    const disk = entry(this.#disks, slot, () => new SimulatedDisk())
    return new SimulatedStores({
      clock,
      disk: world.state?.store === 'disk' ? disk : null,
      observe: ({ actor, partition }, { checkpoint }) => {
        const { name: topic } = world.topics[actorNumber(actor)]!
        if (isAlive()) journal.note({ type: 'stored', client: name, topic, partition, checkpoint })
      },
    })
  }

  /** A crashed process notes nothing any more. */
  #notesOf(client: string, isAlive: () => boolean): HandlerNotes {
    const { journal } = this.#options
    return {
      found: (record, handled, recent) => {
        if (isAlive()) journal.note({ type: 'state-read', client, handled, recent, ...originOf(record) })
      },
      begin: (record, attempt, call) => {
        const of = { client, attempt, ...(call === undefined ? {} : { call }), ...originOf(record) }
        if (isAlive()) journal.note({ type: 'handle-begin', ...of })
        return (result) => {
          if (isAlive()) journal.note({ type: 'handle-end', result, ...of })
        }
      },
      endThread: () => {
        throw new Error('a handler on main has no thread to end')
      },
    }
  }

  #freeSlot(): number {
    const taken = new Set(this.running.map(({ slot }) => slot))
    let slot = 0
    while (taken.has(slot)) slot += 1
    return slot
  }

  #sink(member: Member, database: FakeDatabase): Sink {
    const { journal, world } = this.#options
    const { name } = member
    const sink = new FakeSink({
      clock: member.client.clock,
      database,
      maxBatch: world.maxBatch,
      latencyMs: world.latencyMs,
      seed: this.#all.length,
      observe: ({ id }) => {
        journal.note({ type: 'durable', client: name, sink: 'table', output: parseOutputId(id) })
      },
    })
    return {
      maxBatch: sink.maxBatch,
      open: () => sink.open(),
      prepare: (destinations) => sink.prepare(destinations),
      write: (batch) => {
        const outputs = batch.map(({ id }) => parseOutputId(id))
        if (!member.client.isCrashed) journal.note({ type: 'write', client: name, sink: 'table', outputs })
        return sink.write(batch)
      },
      close: () => sink.close(),
    }
  }

  #ask(member: Member, wanted: 'stop' | 'kill'): void {
    member.wanted = wanted
    if (member.running === null || member.hasEnded) return
    if (member.client.clock.isFrozen) {
      // A process that stands still hears a signal when it goes on.
      member.client.clock.after(0, () => {
        this.#ask(member, wanted)
      })
      return
    }
    void (wanted === 'stop' ? member.running.stop() : member.running.kill())
  }

  #end(member: Member, how: 'crashed' | 'stopped' | 'killed' | 'failed', code: string | null = null): void {
    member.hasEnded = true
    this.#options.journal.note({ type: 'ended', client: member.name, how, code })
    this.#options.clock.after(REPLACE_AFTER_MS, () => {
      this.#fillUp()
    })
  }

  #at(number: number, act: (member: Member) => void): void {
    const running = this.running.filter((member) => member.wanted === 'run')
    const member = running[number % Math.max(1, running.length)]
    if (member !== undefined) act(member)
  }
}

/** From `topic/partition/offset/outputIndex`. */
export function parseOutputId(id: string): OutputName {
  const [topic = '', partition, offset, index] = id.split('/')
  return { origin: { topic, partition: Number(partition), offset: Number(offset) }, index: Number(index) }
}
