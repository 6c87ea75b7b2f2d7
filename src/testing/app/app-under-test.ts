/** What is behind `TestApp`: a broker, a clock, and one process at a time; two while partitions move. */
import { inputsOf, statesOf, timersOf, type AnyHandler, type AnyTopic } from '../../actors/handlers/any-handler.ts'
import { schemasOf } from '../../actors/handlers/handler-schemas.ts'
import type { Decision, ParkedRecord } from '../../actors/parking-lot.ts'
import { silentLog } from '../../log.ts'
import { resolveOptions } from '../../options/resolve.ts'
import { state as declare, type DeclaredStates } from '../../state/declared-state.ts'
import { keyTextOf } from '../../state/partition-state.ts'
import { checkpointPoints, type CheckpointPoint } from '../../streams/delivery/checkpoint-points.ts'
import { bytes as rawBytes } from '../../streams/flows/codec.ts'
import { EffectEncoder } from '../../streams/flows/effect-encoder.ts'
import type { RecordEffect, RecordOptions, TableDestination, Topic } from '../../streams/flows/flow.ts'
import { partitionOf } from '../../streams/murmur2.ts'
import type { OutputRecord } from '../../streams/record.ts'
import type { Engine } from '../../supervisor/engine.ts'
import type { EngineStatus, PartitionStatus } from '../../supervisor/status/status.ts'
import { FakeBroker } from '../broker/fake-broker.ts'
import type { FakeClient } from '../broker/fake-client.ts'
import { FakeDatabase, FakeSink, type FakeRow } from '../fake-sink.ts'
import { declaredState, keptValue, storedValue } from '../kept-values.ts'
import { LocalSchemas } from '../local-schemas.ts'
import { ManualClock } from '../manual-clock.ts'
import { Random } from '../random.ts'
import { headersOf, readRecords } from './read-records.ts'
import type { CrashOptions, KeptValues, SeenLetter, TestApp, TestAppOptions } from './test-app.ts'
import { TestProcess } from './test-process.ts'
import { TICK_HEADER, UserCode } from './user-code.ts'

const GROUP = 'test'
const DEAD_LETTERS = 'dead-letters'
/** Of the app's time: what has not come about by then never does. */
const PATIENCE_MS = 1_800_000
/** What brokers and databases take. */
const SLACK_MS = 500
/** Less is gone through. */
const WORTH_SKIPPING_MS = 5_000

export class AppUnderTest implements TestApp<unknown, unknown, DeclaredStates> {
  readonly broker: FakeBroker
  readonly #clock: ManualClock
  readonly #engine: typeof Engine
  readonly #handler: AnyHandler
  readonly #options: TestAppOptions
  readonly #code: UserCode
  readonly #schemas: LocalSchemas
  readonly #random: Random
  readonly #databases = new Map<string, FakeDatabase>()
  readonly #deadLetter: string | null
  #process: TestProcess
  #processCount = 0
  /** Processes that run at once have one each; who comes after a crash has that of the one that crashed. */
  #transactionalIds = 1
  #isClosed = false

  private constructor(handler: AnyHandler, options: TestAppOptions, engine: typeof Engine) {
    const { seed = 1, startMs } = options
    this.#engine = engine
    this.#handler = handler
    this.#options = options
    this.#code = new UserCode(handler)
    this.#schemas = new LocalSchemas(schemasOf(handler))
    this.#random = new Random(seed).fork('app')
    this.#clock = new ManualClock(startMs === undefined ? {} : { startMs })
    this.broker = new FakeBroker({
      ...{ clock: this.#clock, seed, heartbeatIntervalMs: 1_000 },
      // An app that polls all the time is no worse for the stretches that are skipped.
      maxPollIntervalMs: Number.MAX_SAFE_INTEGER,
    })
    this.#process = this.#newProcess()
    this.#deadLetter = this.#process.app.actors[0]?.deadLetter ?? null
    for (const topic of this.#topicNames) this.broker.createTopic(topic, this.#partitionsOf(topic))
  }

  static async start(handler: AnyHandler, options: TestAppOptions): Promise<AppUnderTest> {
    const runOn: unknown = Reflect.get(options.actor ?? {}, 'runOn')
    if (runOn !== undefined && runOn !== 'main') {
      throw new TypeError(
        'runOn: under test a handler runs on main, where it does what it does on threads: leave it out',
      )
    }
    // Who imports the test kit need not load what runs an app.
    const { Engine } = await import('../../supervisor/engine.ts')
    const app = new AppUnderTest(handler, options, Engine)
    await app.#begin()
    return app
  }

  // --- what goes in

  append(value: unknown, options: RecordOptions<unknown> = {}): void {
    this.#put(this.#input, value, options)
  }

  appendBytes(bytes: Uint8Array | null, options: RecordOptions<unknown> = {}): void {
    this.#put({ ...this.#input, value: rawBytes, tombstones: true }, bytes, options)
  }

  async send(value: unknown, options: RecordOptions<unknown> = {}): Promise<void> {
    this.append(value, options)
    await this.#rest()
  }

  async advanceTo(streamTimeMs: number, { partition }: { readonly partition?: number } = {}): Promise<void> {
    if (!Number.isSafeInteger(streamTimeMs) || streamTimeMs <= 0) {
      throw new RangeError(`${streamTimeMs} is no time: advanceTo takes whole milliseconds since the Unix epoch`)
    }
    await this.#rest()
    const all = this.broker.partitions(this.#input.name)
    const asked = partition === undefined ? all : all.filter((each) => each.partition === partition)
    const behind = asked.filter((each) => this.#streamTimeOf(each.partition) <= streamTimeMs)
    if (behind.length === 0) {
      const times = asked.map((each) => `partition ${each.partition} has come to ${this.#streamTimeOf(each.partition)}`)
      const why = asked.length === 0 ? `there is no partition ${partition}` : times.join(', ')
      throw new RangeError(`stream time cannot go on to ${streamTimeMs}, as it never goes back: ${why}`)
    }
    for (const each of behind) {
      this.appendBytes(null, { partition: each.partition, timestamp: streamTimeMs, headers: { [TICK_HEADER]: '' } })
    }
    await this.#rest()
  }

  async idle(durationMs: number): Promise<void> {
    if (!Number.isFinite(durationMs) || durationMs < 0) throw new RangeError(`${durationMs} is no time to pass`)
    this.#mustBeOpen()
    const untilMs = this.#clock.now() + durationMs
    for (;;) {
      await this.#settle()
      await this.#skipTo(untilMs)
      const next = this.#clock.nextTimerAtMs
      if (next === null || next > untilMs) break
      await this.#clock.advance(next - this.#clock.now())
      await this.#pass(() => this.#isAtRest() || (this.#clock.nextTimerAtMs ?? Infinity) > untilMs)
    }
    await this.#clock.advance(untilMs - this.#clock.now())
    // What hangs, or waits for its next attempt, does so for longer than that.
    const enoughMs = this.#clock.now() + 2 * this.#process.app.checkpointIntervalMs + SLACK_MS
    await this.#until(() => this.#isAtRest() || this.#clock.now() >= enoughMs)
  }

  async crash({ at }: CrashOptions = {}): Promise<void> {
    this.#mustBeOpen()
    const process = this.#process
    if (at === undefined) process.crash()
    else {
      this.#mustMakeCheckpoints(at)
      process.crashAt(at)
      await this.#until(() => process.isCrashed || this.#isAtRest())
      if (!process.isCrashed) {
        process.crashAt(null)
        throw new Error(`no checkpoint came to ${at}, since nothing waited for one: append a record before the crash`)
      }
    }
    this.#process = this.#newProcess()
    await this.#begin()
  }

  async rebalance(): Promise<void> {
    this.#mustBeOpen()
    const before = this.#process
    this.#transactionalIds += 1
    this.#process = this.#newProcess()
    await this.#during(this.#process.start())
    await this.#until(() => this.#process.engine.readiness().ready)
    await this.#during(before.engine.stop())
    await this.#rest()
  }

  async decide(id: string, decision: Decision): Promise<void> {
    this.#process.engine.decide(id, decision)
    await this.#rest()
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    // One that has ended by itself has been stopped, and said so.
    if (this.#process.failure === null) await this.#during(this.#process.engine.stop())
    this.#isClosed = true
    await this.#code.tearDownCrashed()
  }

  // --- what stands

  state(name: string): KeptValues<never, unknown> {
    const declared = declaredState(declaredOf(this.#handler), name)
    return {
      get: (key, { partition } = {}) => {
        this.#mustBeOpen()
        const { key: bytes } = this.#encode(this.#input, null, { key })
        if (bytes === null) throw new TypeError('state is kept by key, and this is none')
        const count = this.broker.partitions(this.#input.name).length
        const store = this.#process.storeOf(partition ?? partitionOf(bytes, count))
        if (store === null) return undefined
        const time = store.mark?.streamTime ?? null
        return keptValue([name, declared], keyTextOf(bytes), storedValue(store, name, bytes), time) as never
      },
    }
  }

  read<Value, Name extends string, KeyValue>(topic: Topic<Value, Name, KeyValue>): RecordEffect<Value, Name>[] {
    return readRecords(topic, this.broker.committedRecords(topic.name), this.#schemas)
  }

  rows({ destination }: TableDestination): FakeRow[] {
    return this.database(destination.sink).rows(destination.table)
  }

  deadLetters(): SeenLetter[] {
    const topic = this.#deadLetter
    if (topic === null) return []
    return this.broker.committedRecords(topic).map((record) => {
      const own = headersOf(record.headers)
      const text = (name: string): string => String(own[`troupe.${name}`] ?? '')
      const id = `${text('topic')}/${text('partition')}/${text('offset')}`
      return { id, code: text('code'), message: text('error-message'), record }
    })
  }

  database(sink = 'postgres'): FakeDatabase {
    const database = this.#databases.get(sink)
    if (database !== undefined) return database
    const known = [...this.#databases.keys()].join(', ') || 'none'
    throw new TypeError(`the handler writes to no table of sink ${sink}; its sinks: ${known}`)
  }

  parked(): ParkedRecord[] {
    return this.#process.engine.parked()
  }

  status(): EngineStatus {
    return this.#process.engine.status()
  }

  get nowMs(): number {
    return Math.floor(this.#clock.wallNow())
  }

  // --- processes

  #newProcess(): TestProcess {
    const { actor, log = silentLog, partitions: _, seed: __, shared = {}, startMs: ___, ...rest } = this.#options
    const client = this.broker.client(`process-${(this.#processCount += 1)}`, { groupId: GROUP })
    const handler = this.#code.handlerFor(() => client.isCrashed)
    const app = resolveOptions({
      kafka: { brokers: 'test:9092', groupId: GROUP, transactionalId: `process-${this.#transactionalIds}` },
      actors: [{ deadLetter: DEAD_LETTERS, ...actor, handler }],
      shared: this.#code.shared(shared),
      sinks: this.#sinks(client),
      ...rest,
    })
    const random = (): number => this.#random.next()
    return new TestProcess({ app, client, engine: this.#engine, log, random, schemas: this.#schemas })
  }

  /** A database for each sink that the handler's tables name; a sink for each process. */
  #sinks({ clock }: FakeClient): Record<string, FakeSink> {
    const sinks: Record<string, FakeSink> = {}
    for (const output of this.#handler.outputs ?? []) {
      if (output.kind !== 'table') continue
      const { sink } = output.destination
      const database = this.#databases.get(sink) ?? new FakeDatabase()
      this.#databases.set(sink, database)
      sinks[sink] ??= new FakeSink({ clock, database })
    }
    return sinks
  }

  get #input(): AnyTopic {
    return inputsOf(this.#handler)[0]
  }

  get #timers(): readonly string[] {
    return timersOf(this.#handler)
  }

  get #topicNames(): ReadonlySet<string> {
    const { outputs = [] } = this.#handler
    const written = outputs.flatMap(({ kind, name }) => (kind === 'topic' ? [name] : []))
    return new Set([
      ...inputsOf(this.#handler).map(({ name }) => name),
      ...written,
      ...(this.#deadLetter === null ? [] : [this.#deadLetter]),
    ])
  }

  #partitionsOf(topic: string): number {
    const { partitions = 1 } = this.#options
    if (typeof partitions === 'number') return topic === this.#input.name ? partitions : 1
    return partitions[topic] ?? 1
  }

  async #begin(): Promise<void> {
    await this.#during(this.#process.start())
    await this.#rest()
  }

  #mustBeOpen(): void {
    if (this.#isClosed) throw new Error('the app was closed')
  }

  #mustMakeCheckpoints(at: CheckpointPoint): void {
    if (!checkpointPoints.includes(at)) {
      throw new TypeError(`a checkpoint has no point ${at}; there are ${checkpointPoints.join(', ')}`)
    }
    const isStateful = statesOf(this.#handler).length > 0 || this.#timers.length > 0
    if (isStateful || this.#options.guarantee === 'exactly-once') return
    throw new TypeError(
      `the app makes no checkpoint to crash in, as it is at least once: set guarantee: 'exactly-once', or crash without \`at\``,
    )
  }

  // --- records

  #encode(topic: AnyTopic, value: unknown, options: RecordOptions<unknown>): OutputRecord {
    const tombstones = topic.tombstones || value === null
    const encoded = new EffectEncoder([{ ...topic, tombstones }], this.#schemas).encode(topic.record(value, options))
    if (encoded.type !== 'record') throw new TypeError('a record was encoded as something else')
    return encoded.record
  }

  #put(topic: AnyTopic, value: unknown, options: RecordOptions<unknown>): void {
    this.#mustBeOpen()
    const { topic: name, ...record } = this.#encode(topic, value, options)
    this.broker.append(name, { timestamp: this.nowMs, ...record })
  }

  /** The greatest time of its records. */
  #streamTimeOf(partition: number): number {
    // What values tell is known of those that were handled.
    if (this.#input.time !== undefined) return this.#process.storeOf(partition)?.mark?.streamTime ?? -Infinity
    const { records } = this.broker.log({ topic: this.#input.name, partition })
    return records.reduce((greatest, { timestamp }) => Math.max(greatest, timestamp), -Infinity)
  }

  // --- time

  /** Resolves when nothing is left to do. */
  async #rest(): Promise<void> {
    this.#mustBeOpen()
    await this.#until(() => this.#isAtRest())
  }

  async #during<Value>(work: Promise<Value>): Promise<Value> {
    const is = { over: false }
    const note = (): void => {
      is.over = true
    }
    work.then(note, note)
    await this.#until(() => is.over)
    return await work
  }

  /** Lets time pass, timer by timer, until this holds. */
  async #until(holds: () => boolean): Promise<void> {
    const untilMs = this.#clock.now() + PATIENCE_MS
    for (;;) {
      await this.#settle()
      if (holds()) return
      const next = this.#clock.nextTimerAtMs
      if (next === null || next > untilMs) throw new Error(`the app does not come to rest: ${this.#whatIsLeft()}`)
      await this.#pass(() => holds() || this.#clock.now() >= untilMs)
    }
  }

  /** Lets time pass, timer by timer, until this holds, or there is something to wait for that takes real time. */
  async #pass(holds: () => boolean): Promise<void> {
    const hasNews = (): boolean =>
      this.#code.isBusy || this.#process.failure !== null || this.#clock.nextTimerAtMs === null
    await this.#clock.runUntil(() => hasNews() || holds(), { maxMs: Infinity })
  }

  /**
   * Goes on to the next timer of a key by the wall clock, or to this, where nothing else can happen before: what an app at rest
   * does over a day is to poll, beat and look a few million times.
   */
  async #skipTo(untilMs: number): Promise<void> {
    // What is done when an input is idle is done in time.
    const isWatched = this.#handler.kind === 'operator' && this.#handler.idleAfterMs !== null
    if (isWatched || !this.#isAtRest()) return
    const nowMs = this.#clock.now()
    const nextMs = Math.min(untilMs, nowMs + this.#process.wallTimerInMs(this.#timers))
    if (nextMs - nowMs > WORTH_SKIPPING_MS) await this.#clock.standStill(nextMs - nowMs)
  }

  /** All that takes none of the app's time, what the handler waits for included. Rejects when the app has ended by itself. */
  async #settle(): Promise<void> {
    await this.#clock.settle()
    while (this.#code.isBusy) {
      await this.#code.someEnd()
      await this.#clock.settle()
    }
    const { failure } = this.#process
    if (failure !== null) throw failure
  }

  #isAtRest(): boolean {
    // Looked at after each timer: what holds something is told by counts, which cost nothing.
    if (this.#process.isCrashed || this.#process.holdsWork) return false
    const { partitions, state } = this.status()
    const { length } = this.broker.partitions(this.#input.name)
    return (
      state === 'running' &&
      partitions.length === length &&
      partitions.every((partition) => this.#isPartitionAtRest(partition)) &&
      [...this.#topicNames].every((topic) => this.#isReadable(topic))
    )
  }

  /** What was read is finished and committed, or waits for an operator; nothing more is there to be read. */
  #isPartitionAtRest(of: PartitionStatus): boolean {
    if (of.restoring !== null) return false
    if (of.halted !== null) return of.inFlight === 0
    const { receivedPosition } = this.#process.stats.partition(of.actor, of.topic, of.partition)
    const { committedRecords, low } = this.broker.log(of)
    const last = committedRecords.at(-1)?.offset ?? -1
    const committed = this.broker.committed(of, GROUP)?.position ?? low
    const read = Math.max(receivedPosition ?? 0, committed)
    // Told when the store has it as well.
    const isCommitted = receivedPosition === null || (of.committedPosition ?? low) === of.safePosition
    return last < read && isCommitted && of.inFlight === this.#waitingIn(of)
  }

  /** Parked records of this partition, and those behind them. */
  #waitingIn({ partition, topic }: PartitionStatus): number {
    const ofIt = this.parked().filter(({ id }) => id.startsWith(`${topic}/${partition}/`))
    return ofIt.reduce((sum, { waitingBehind }) => sum + 1 + waitingBehind, 0)
  }

  /** No transaction holds back its readers. */
  #isReadable(topic: string): boolean {
    return this.broker.partitions(topic).every((partition) => {
      const { end, stableEnd } = this.broker.log(partition)
      return end === stableEnd
    })
  }

  #whatIsLeft(): string {
    const { partitions, state } = this.status()
    const waits = partitions.flatMap(({ waitsFor }) => (waitsFor === null ? [] : [`${waitsFor.id}: ${waitsFor.why}`]))
    return waits.length === 0 ? `it is ${state}` : waits.join('; ')
  }
}

/** What an operator keeps is read as a handler reads it: with a codec, and no more. */
function declaredOf(handler: AnyHandler): DeclaredStates {
  if (handler.kind !== 'operator') return (handler.state ?? {}) as DeclaredStates
  return Object.fromEntries(
    handler.states.map(({ codec, name, ttlMs }) => [name, declare({ codec, ...(ttlMs === null ? {} : { ttlMs }) })]),
  )
}
