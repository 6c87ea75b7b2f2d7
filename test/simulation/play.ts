/** Plays a world to its end: the timetable, then everything heals, then all records have to be finished, then all members stop. */
import { decodeCompletionMap } from '../../src/streams/positions/completion-map.ts'
import { checkpointOf } from '../../src/streams/positions/checkpoint-mark.ts'
import type { RebalanceEvent, StoredPosition } from '../../src/streams/broker-port.ts'
import type { OutputRecord, RecordHeader, SourceRecord } from '../../src/streams/record.ts'
import { FakeBroker } from '../../src/testing/broker/fake-broker.ts'
import type { FakeClient } from '../../src/testing/broker/fake-client.ts'
import type { FakeBrokerEvent } from '../../src/testing/broker/fake-events.ts'
import { FakeDatabase } from '../../src/testing/fake-sink.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { Random } from '../../src/testing/random.ts'
import type { WorldFacts } from './checker.ts'
import { findViolations } from './checkers.ts'
import type { EngineUnderTest } from './engine-under-test.ts'
import { changelogsOf, stateCommits } from './exactly-once/state-notes.ts'
import { Journal, placeName, type Commit, type JournalEvent, type OutputName, type PartitionPlace } from './journal.ts'
import { Members, parseOutputId } from './members.ts'
import { deadLetterTopic, outputTopic, refusedMark } from './simulated-handler.ts'
import { SimulatedRegistry, garbage, planBytes } from './simulated-registry.ts'
import { fateOf, type Action, type Plan, type World } from './world.ts'

export interface Played {
  readonly events: readonly JournalEvent[]
  readonly violations: readonly string[]
  /** How often the schema registry was asked. */
  readonly questions: number
  /** How the world stood when it did not come to rest; undefined: it did. */
  readonly stuck?: unknown
}

/** Far more than any world needs: retries, sessions and rebalances are over in some seconds. */
const REST_WITHIN_MS = 10 * 60_000
const STOP_WITHIN_MS = 3 * 60_000
const STEP_MS = 100

export async function play(world: World, engine: EngineUnderTest): Promise<Played> {
  const stage = new Stage(world, engine)
  await stage.playTimetable()
  stage.heal()
  const stuck = await stage.rest()
  const late = await stage.stop()
  const facts: WorldFacts = {
    order: world.order,
    // Before a handler was seen to return a promise, each thread keeps to the limit for itself.
    concurrency: world.concurrency * world.topics.length * (world.runOn === 'threads' ? world.threads.count : 1),
    handlerTimeoutMs: world.handlerTimeoutMs,
    maxRecords: world.maxRecords,
    guarantee: world.guarantee,
    ...(world.state === undefined ? {} : { state: { ...world.state, inCalls: world.calls !== null } }),
    isCalm: world.theme === 'calm',
  }
  stage.noteChangelogs()
  const { events } = stage.journal
  const violations = [
    ...(stuck === undefined ? [] : ['everythingEnds: not all records were finished and committed']),
    ...late,
    ...findViolations(events, facts),
  ]
  return { events, violations, questions: stage.registry.questions, ...(stuck === undefined ? {} : { stuck }) }
}

class Stage {
  readonly journal: Journal
  readonly #world: World
  readonly #clock = new ManualClock()
  readonly #broker: FakeBroker
  readonly #database = new FakeDatabase()
  readonly registry = new SimulatedRegistry()
  readonly #members: Members
  readonly #random: Random
  readonly #crashed = new Set<string>()
  readonly #standing = new Set<FakeClient>()

  constructor(world: World, engine: EngineUnderTest) {
    this.#world = world
    this.#random = new Random(world.seed).fork('stage')
    this.journal = new Journal(() => this.#clock.now())
    this.#broker = new FakeBroker({
      clock: this.#clock,
      seed: world.seed,
      strategy: world.strategy,
      latencyMs: world.latencyMs,
      commitIntervalMs: Math.max(1, world.commitIntervalMs / 2),
      heartbeatIntervalMs: 100,
      sessionTimeoutMs: 2_000,
      maxPollIntervalMs: world.theme === 'calm' ? 10 * 60_000 : 5_000,
      maxRunRecords: world.maxRunRecords,
      maxMetadataCharacters: world.maxMetadataCharacters,
      observe: (event) => {
        this.#observe(event)
      },
    })
    for (const { firstOffset, name, partitions } of world.topics) {
      this.#broker.createTopic(name, partitions, { firstOffset })
    }
    this.#broker.createTopic(outputTopic, 3)
    this.#broker.createTopic(deadLetterTopic, 1)
    this.#broker.faults.refuseRecord = ({ topic, value }) =>
      topic === outputTopic && textOf(value) === JSON.stringify(refusedMark) ? 'a planned refusal' : null
    this.#database.refuseRow = (_table, row) => (row['note'] === refusedMark ? 'a planned refusal' : null)
    this.#members = new Members({
      world,
      engine,
      clock: this.#clock,
      broker: this.#broker,
      database: this.#database,
      journal: this.journal,
      registry: this.registry,
      random: this.#random.fork('members'),
    })
  }

  async playTimetable(): Promise<void> {
    const steps = [
      ...this.#world.records.map(({ atMs, key, partition, plan, skewMs, topic }, at) => ({
        atMs,
        run: () => {
          const value = plan.isGarbage ? garbage : this.#valueOf(plan, at)
          const isKnown = this.#expected.push(fateOf(plan, this.#world.attempts)) > 0
          const timestamp = this.#clock.wallNow() + (skewMs ?? 0)
          if (isKnown) this.#broker.append(topic, { key, partition, value, timestamp })
        },
      })),
      ...(this.#world.schemas?.appear ?? []).map(({ atMs, id }) => ({
        atMs,
        run: () => {
          this.registry.register(id)
        },
      })),
      ...this.#world.timetable.map(({ action, atMs }) => ({
        atMs,
        run: () => {
          this.#act(action)
        },
      })),
    ].sort((one, other) => one.atMs - other.atMs)
    const startedAtMs = this.#clock.now()
    for (const { atMs, run } of steps) {
      await this.#advanceTo(startedAtMs + atMs)
      run()
    }
  }

  #valueOf(plan: Plan, at: number): string | Buffer {
    const { schemas } = this.#world
    return schemas === undefined ? JSON.stringify(plan) : planBytes(schemas.ids[at]!, plan)
  }

  /** Fates of the records that are being appended: the journal wants them with the record. */
  readonly #expected: ReturnType<typeof fateOf>[] = []

  heal(): void {
    for (const end of [...this.#ends]) end()
    // Nothing but time wakes a machine that is suspended.
    for (const client of this.#members.clients) if (!this.#standing.has(client)) client.thaw()
    if (this.#members.running.length === 0) this.#members.scaleTo(1)
  }

  /** Waits until every position stands at the end of its log. Returns how things stand when that does not come. */
  async rest(): Promise<unknown> {
    const untilMs = this.#clock.now() + REST_WITHIN_MS
    while (!this.#isAtRest()) {
      if (this.#clock.now() > untilMs) return { positions: this.#positions(), members: this.#members.describe() }
      await this.#advanceTo(this.#clock.now() + STEP_MS)
    }
    return undefined
  }

  async stop(): Promise<string[]> {
    this.#members.stopAll()
    const untilMs = this.#clock.now() + STOP_WITHIN_MS
    while (this.#members.running.length > 0 && this.#clock.now() < untilMs) {
      await this.#advanceTo(this.#clock.now() + STEP_MS)
    }
    // A handler that outlived the drain ends at its time-out, or when it has ignored its signal for long enough.
    const ignoredForMs = this.#world.records.map(({ plan }) => plan.ignoresForMs)
    const longestMs = Math.max(2 * this.#world.handlerTimeoutMs, ...ignoredForMs)
    await this.#advanceTo(this.#clock.now() + longestMs + STEP_MS)
    return this.#members.leftovers().map((each) => `everythingEnds: ${each}`)
  }

  /** What is left of state, for whoever would come next. */
  noteChangelogs(): void {
    for (const { place, topic } of changelogsOf(this.#world, this.#places())) {
      const [at] = stateCommits(
        this.#broker.committedRecords(topic).filter(({ partition }) => partition === place.partition),
        this.#world,
      )
      if (at !== undefined) this.journal.note({ type: 'changelog', ...place, values: at.values })
    }
  }

  async #advanceTo(atMs: number): Promise<void> {
    while (this.#clock.now() < atMs) {
      await this.#clock.advance(Math.min(STEP_MS, atMs - this.#clock.now()))
      this.#members.sample()
    }
    await this.#clock.settle()
  }

  #places(): PartitionPlace[] {
    return this.#world.topics.flatMap(({ name }) => this.#broker.partitions(name))
  }

  #positions(): Record<string, unknown> {
    return Object.fromEntries(
      this.#places().map((place) => {
        const { end, low } = this.#broker.log(place)
        return [`${place.topic}/${place.partition}`, { low, end, committed: this.#broker.committed(place)?.position }]
      }),
    )
  }

  #isAtRest(): boolean {
    return this.#places().every((place) => {
      const { end, records } = this.#broker.log(place)
      const committed = this.#broker.committed(place)?.position
      return committed === undefined ? records.length === 0 : committed >= end
    })
  }

  readonly #ends = new Set<() => void>()

  /** Undoes something after a while, or when the world heals. */
  #for(durationMs: number, undo: () => void): void {
    const end = (): void => {
      if (!this.#ends.delete(end)) return
      cancel()
      undo()
    }
    this.#ends.add(end)
    const cancel = this.#clock.after(durationMs, end)
  }

  #act(action: Action): void {
    const { faults } = this.#broker
    switch (action.type) {
      case 'scale':
        this.#members.scaleTo(action.members)
        break
      case 'stop':
        this.#members.stop(action.member)
        break
      case 'kill':
        this.#members.kill(action.member)
        break
      case 'crash':
        this.#members.withClient(action.member, (client) => {
          if (action.step === 'now') client.crash({ isNoticed: this.#random.chance(0.3) })
          else client.crashAt(action.step, this.#random.integer(1, 3))
        })
        break
      case 'freeze':
        this.#members.withClient(action.member, (client) => {
          client.freeze()
          this.#for(action.durationMs, () => {
            client.thaw()
          })
        })
        break
      case 'stand-still':
        this.#members.withClient(action.member, (client) => {
          client.freeze()
          this.#standing.add(client)
          this.#clock.after(action.durationMs, () => {
            this.#standing.delete(client)
            client.thaw()
          })
        })
        break
      case 'step-wall':
        this.#members.withClient(action.member, ({ clock }) => {
          clock.stepWall(action.stepMs)
        })
        break
      case 'expel':
        this.#members.withClient(action.member, ({ name }) => {
          this.#broker.expelMember(name)
        })
        break
      case 'end-thread':
        this.#members.endThread(action.member, action.how)
        break
      case 'rebalance':
        this.#broker.group().rebalance()
        break
      case 'brokers-away':
        faults.areBrokersAway = true
        this.#for(action.durationMs, () => (faults.areBrokersAway = false))
        break
      case 'producing-unavailable':
        faults.isProducingUnavailable = true
        this.#for(action.durationMs, () => (faults.isProducingUnavailable = false))
        break
      case 'acknowledgements-lost':
        faults.lostAcknowledgements = action.share
        this.#for(action.durationMs, () => (faults.lostAcknowledgements = 0))
        break
      case 'sink-unavailable':
        this.#database.isUnavailable = true
        this.#for(action.durationMs, () => (this.#database.isUnavailable = false))
        break
      case 'registry-away':
        this.registry.goAway()
        this.#for(action.durationMs, () => {
          this.registry.comeBack()
        })
        break
      case 'commits-refused':
        faults.answerCommit = () => (this.#random.chance(0.5) ? action.answer : null)
        this.#for(action.durationMs, () => (faults.answerCommit = () => null))
        break
      case 'transactions-refused':
        faults.answerTransaction = (step) => (step === action.step && this.#random.chance(0.5) ? action.answer : null)
        this.#for(action.durationMs, () => (faults.answerTransaction = () => null))
        break
      case 'transactions-slow':
        faults.transactionDelayMs = (step) => (step === action.step ? action.byMs : 0)
        this.#for(action.durationMs, () => (faults.transactionDelayMs = () => 0))
        break
      case 'commit-answers-lost':
        faults.lostCommitAnswers = action.share
        this.#for(action.durationMs, () => (faults.lostCommitAnswers = 0))
        break
      case 'markers-held':
        faults.heldMarkers.add(action.place)
        this.#for(action.durationMs, () => faults.heldMarkers.delete(action.place))
        break
      case 'markers':
        this.#broker.appendMarkers(action, action.count)
        break
      case 'compact':
        this.#remove(action, () => this.#random.chance(0.5))
        break
      case 'delete':
        this.#delete(action)
        break
      case 'add-partition':
        this.#broker.addPartitions(action.topic, this.#broker.partitions(action.topic).length + 1)
        break
    }
  }

  #remove(place: PartitionPlace, keeps: (offset: number) => boolean): void {
    this.#broker.compact(place, ({ offset, partition, topic }) => {
      const isKept = keeps(offset)
      if (!isKept) this.journal.note({ type: 'removed', topic, partition, offset })
      return isKept
    })
  }

  #delete(place: PartitionPlace): void {
    const { end, low } = this.#broker.log(place)
    const before = this.#random.integer(low, end)
    this.#remove(place, (offset) => offset >= before)
    this.#broker.deleteBefore(place, before)
  }

  #noteRebalance(client: string, { lost, partitions, type }: RebalanceEvent): void {
    if (type === 'assign') this.journal.note({ type: 'offered', client, partitions })
    else if (lost) this.journal.note({ type: 'fenced', client, partitions })
  }

  /** Records and positions of transactions that were decided: others see them later, and the story has them already. */
  readonly #decided = new WeakSet<SourceRecord | StoredPosition>()

  #noteTransaction({ client, outcome, positions, records }: Extract<FakeBrokerEvent, { type: 'transaction' }>): void {
    for (const each of [...records, ...positions]) this.#decided.add(each)
    const written = records
      .filter(isOutput)
      .map(({ headers, topic }) => ({ sink: topic, output: outputOf(topic, headers) }))
    const commits = positions.map(commitOf)
    const outputs = written.map(({ output }) => output)
    const state = stateCommits(records, this.#world)
    this.journal.note({ type: 'transaction', client, outcome, outputs, commits, state })
    if (outcome === 'aborted') return
    for (const { output, sink } of written) this.journal.note({ type: 'durable', client, sink, output })
    for (const commit of commits) this.journal.note({ type: 'committed', client, ...commit })
  }

  #observe(event: FakeBrokerEvent): void {
    const { journal } = this
    switch (event.type) {
      case 'appended': {
        const { client, record } = event
        const { headers, key, offset, partition, timestamp, topic } = record
        if (client === null) {
          const fate = this.#expected.pop()
          if (fate === undefined) throw new Error('a record nobody expects')
          const read = { key: key === null ? null : textOf(key), fate, timestampMs: timestamp }
          journal.note({ type: 'input', ...read, topic, partition, offset })
        } else if (!this.#decided.has(record)) {
          journal.note({ type: 'durable', client, sink: topic, output: outputOf(topic, headers) })
        }
        break
      }
      case 'write': {
        const sink = event.records[0]?.topic ?? 'nothing'
        const outputs = event.records.map((record: OutputRecord) => outputOf(record.topic, record.headers ?? []))
        if (!this.#broker.client(event.client).isCrashed)
          journal.note({ type: 'write', client: event.client, sink, outputs })
        break
      }
      case 'rebalance':
        this.#noteRebalance(event.client, event.event)
        break
      case 'assigned':
        // An eager assignment replaces whatever the member had.
        if (this.#world.strategy === 'eager') {
          const kept = new Set(event.starts.map(placeName))
          const partitions = this.#places().filter((place) => !kept.has(placeName(place)))
          journal.note({ type: 'fenced', client: event.client, partitions })
        }
        journal.note({
          type: 'assigned',
          client: event.client,
          starts: event.starts.map(({ partition, position, topic }) => ({
            topic,
            partition,
            position: typeof position === 'number' ? position : this.#broker.log({ topic, partition }).low,
          })),
        })
        break
      case 'unassigned':
        journal.note({ type: 'fenced', client: event.client, partitions: event.partitions, isAnswer: true })
        break
      case 'disconnected':
        journal.note({ type: 'fenced', client: event.client, partitions: this.#places(), isAnswer: true })
        break
      case 'committed':
        if (this.#decided.has(event.position)) break
        journal.note({ type: 'committed', client: event.client, ...commitOf(event.position) })
        break
      case 'transaction':
        this.#noteTransaction(event)
        break
      case 'crashed':
        this.#crashed.add(event.client)
        this.#members.noteCrash(event.client)
        break
      case 'stored':
      case 'commit':
      case 'expelled':
        break
    }
  }
}

function commitOf({ metadata, partition, position, topic }: StoredPosition): Commit {
  const decoded = decodeCompletionMap(metadata, { position })
  if (decoded.kind !== 'map' && decoded.kind !== 'none') throw new Error(`committed metadata is ${decoded.kind}`)
  const checkpoint = checkpointOf(metadata, position)
  const { frontier, unfinished } = decoded.kind === 'map' ? decoded.map : { frontier: position, unfinished: [] }
  return { topic, partition, position, frontier, unfinished: [...unfinished], checkpoint }
}

function isOutput({ topic }: SourceRecord): boolean {
  return topic === outputTopic || topic === deadLetterTopic
}

function outputOf(topic: string, headers: readonly RecordHeader[]): OutputName {
  const header = (name: string): string => textOf(headers.find(([each]) => each === name)?.[1] ?? null)
  if (topic !== deadLetterTopic) return parseOutputId(header('troupe-id'))
  const origin = {
    topic: header('troupe.topic'),
    partition: Number(header('troupe.partition')),
    offset: Number(header('troupe.offset')),
  }
  return { origin, index: 'dead-letter' }
}

function textOf(bytes: Uint8Array | null): string {
  return bytes === null ? '' : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}
