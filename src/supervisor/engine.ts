/**
 * The running app: loads handlers, opens sinks, joins the group, restarts a failed membership and
 * ends everything in order. Broker, clock and chance are arguments, so that the simulation runs
 * this very code. `supervisor.ts` gives it the real ones.
 *
 * - STARTING  loads and connects; the first failure ends it.
 * - RUNNING   a membership is in the group, or waits for its restart. → STOPPING.
 * - STOPPING  takes nothing new; drains within the deadline. → ENDED.
 * - ENDED     holds no timer, thread, connection or promise.
 */
import { HandlerHost } from '../actors/executors/handler-host.ts'
import type { Decision, ParkedRecord } from '../actors/parking-lot.ts'
import type { Clock } from '../clock.ts'
import { TroupeError, describeError, isTroupeError } from '../errors.ts'
import type { Log } from '../log.ts'
import { Lookout } from '../lookout.ts'
import type { ResolvedApp } from '../options/options.ts'
import type { StateQuestion } from '../state/state-question.ts'
import type { StateReport } from '../state/state-report.ts'
import type { Stores } from '../state/store.ts'
import { openStores } from '../state/stores/open-stores.ts'
import { GlobalRows } from '../operators/tables/global-rows.ts'
import type { Broker } from '../streams/broker.ts'
import type { CheckpointListener } from '../streams/delivery/checkpoint-points.ts'
import type { Delivery } from '../streams/delivery/delivery.ts'
import { openDelivery } from '../streams/delivery/open-delivery.ts'
import { openSink } from '../streams/delivery/sink.ts'
import type { TopicOrigin } from '../streams/positions/topic-origin.ts'
import { partitionName, type TopicPartition } from '../streams/record.ts'
import type { SchemaPort } from '../streams/registry/schema-port.ts'
import type { EngineStats } from '../metrics/stats.ts'
import { describeHealth, type Health, type Readiness } from './status/health.ts'
import { sinksOf } from './status/load.ts'
import { LoadWatch } from './status/load-watch.ts'
import type { OpenTaskPool } from '../actors/threads/thread-set.ts'
import { prepareSchemas, verifyContracts } from './contracts.ts'
import { checkTimes, guaranteeOf, hasTransactions, maxRecordBytesOf } from './guarantee.ts'
import { GlobalTables } from './global-tables.ts'
import { LogEnds } from './log-ends.ts'
import { Membership } from './membership.ts'
import type { StateKeeping } from './restoring.ts'
import { noRegrouping, openRegrouping, type Regrouping } from './regrouping.ts'
import { RestartPolicy } from './restart-policy.ts'
import { describeStatus, intakeStopsOf, type EngineStatus, type EngineView } from './status/status.ts'
import { openStateKeeping, reportOf } from './state-keeping.ts'
import { TroubleWatch } from './status/trouble-watch.ts'
import { planTopology, verifyTopics, type Topology } from './topology.ts'
import { ownTransactionalId } from './transactional-id.ts'
import { UserPauses } from './user-pauses.ts'

/** Loading takes longer only when it waits for something. */
const LOADING_TIMEOUT_MS = 5_000

export interface EngineParts {
  readonly app: ResolvedApp
  readonly broker: Broker
  readonly clock: Clock
  /** 0 ≤ random() < 1, for jitter. */
  readonly random: () => number
  readonly log: Log
  readonly stats: EngineStats
  /** Share of the time since it was asked last that the main thread was busy; never, unless given. */
  readonly loopBusy?: () => number
  /** What is known of a schema registry; nobody asks one, unless given. The engine closes it. */
  readonly schemas?: SchemaPort
  /** Opens where state is kept: as the options say, unless given. */
  readonly openStores?: () => Promise<Stores>
  /** Opens the pool that threads come from: real ones, unless given. */
  readonly openTaskPool?: OpenTaskPool
  /** Sees how far each checkpoint has come. */
  readonly onCheckpoint?: CheckpointListener
}

/** What holds for all that this app writes. */
interface Promised {
  readonly guarantee: Delivery['kind']
  readonly hasTransactions: boolean
}

export type EngineEnd =
  { readonly reason: 'stopped' } | { readonly reason: 'killed' } | { readonly reason: 'failed'; readonly error: Error }

export type EngineState = 'starting' | 'running' | 'stopping' | 'ended'

export class Engine {
  /** Resolves when everything has ended, and says how. Never rejects. */
  readonly finished: Promise<EngineEnd>
  readonly #parts: EngineParts
  readonly #host: HandlerHost
  readonly #lookout: Lookout
  readonly #topology: Topology
  readonly #delivery: Delivery
  readonly #restarts: RestartPolicy
  readonly #userPauses = new UserPauses()
  /** What is known of the input topics, from one membership to the next. */
  readonly #origins = new Map<string, TopicOrigin>()
  readonly #loadWatch: LoadWatch
  readonly #troubleWatch: TroubleWatch
  #regrouping: Regrouping = noRegrouping
  /** null: no handler keeps state. */
  #keeping: StateKeeping | null = null
  readonly #logEnds: LogEnds
  /** null: no handler has any. */
  #globalTables: GlobalTables | null = null
  #membership: Membership | null = null
  #state: EngineState = 'starting'
  #isRestarting = false
  #endBackOff: () => void = () => undefined
  #ending: Promise<void> | null = null
  #resolveFinished: (end: EngineEnd) => void = () => undefined
  readonly #startedAtMs: number

  private constructor(given: EngineParts, host: HandlerHost, lookout: Lookout, promise: Promised) {
    const parts = { ...given, app: { ...given.app, actors: host.actors } }
    this.#parts = parts
    this.#host = host
    this.#lookout = lookout
    this.#logEnds = new LogEnds(() => parts.broker.reader('ends'))
    this.#topology = planTopology(parts.app, host.manifests)
    this.#startedAtMs = parts.clock.now()
    this.#restarts = new RestartPolicy(parts.app.restart)
    this.finished = new Promise((resolve) => {
      this.#resolveFinished = resolve
    })
    const { app, clock, stats } = parts
    this.#delivery = openDelivery({
      ...parts,
      ...promise,
      transactionalId: ownTransactionalId(app),
      transactionTimeoutMs: app.transactionTimeoutMs,
      checkpointIntervalMs: app.checkpointIntervalMs,
      intake: app.intake,
      maxRecordBytes: maxRecordBytesOf(app),
      latestTopics: this.#topology.latestTopics,
      sinks: app.sinks,
      lingerMs: app.producer.lingerMs,
      commitIntervalMs: app.commitIntervalMs,
      assignedCount: () => this.#membership?.assignment.size ?? 1,
      events: {
        onRefused: (partitions) => this.#membership?.assignment.fence(partitions),
        onCommitted: (partition, position) => {
          this.#noteCommitted(partition, position)
        },
        onRefusedOutputs: (owner, refusals, bases) => {
          this.#membership?.assignment.rewind(owner, refusals, bases)
        },
      },
    })
    this.#delivery.onFailure = (cause) => {
      const error = isTroupeError(cause)
        ? cause
        : new TroupeError('INTERNAL', 'the answer of a sink could not be taken', { cause })
      if (error.retryable) this.#membership?.fail(error)
      else void this.#endWith({ reason: 'failed', error })
    }
    this.#loadWatch = new LoadWatch({
      app,
      clock,
      stats,
      loopBusy: parts.loopBusy ?? (() => 0),
      sinksOf: (actor) =>
        sinksOf(
          actor,
          this.#host.manifests.find((manifest) => manifest.actor === actor.name),
        ),
      dispatcherOf: (actor) => this.#host.dispatcherOf(actor),
      limitOf: (actor) => this.#host.limitOf(actor),
      view: () => ({ ...this.#view(), intakeStopsOf }),
    })
    this.#troubleWatch = new TroubleWatch({ ...parts, view: () => this.#view() })
  }

  /**
   * Resolves when the group was joined. Rejects, with everything closed again, when anything cannot be loaded,
   * reached or found, and with START_STOPPED when `signal` was aborted before that; handlers that load for longer
   * than some seconds after that are closed when they have loaded.
   */
  static async start(parts: EngineParts, signal?: AbortSignal): Promise<Engine> {
    const { app, log } = parts
    const open = parts.openStores ?? (() => openStores({ ...parts, state: app.state }))
    const { waits } = parts.stats
    const lookout = new Lookout(parts.clock).start()
    waits.judgeBy(lookout)
    const undo: (() => Promise<void>)[] = [
      () => {
        lookout.stop()
        parts.schemas?.close()
        return Promise.resolve()
      },
    ]
    const { before, release } = untilAborted(signal)
    let noteFatal: (error: Error) => void = () => undefined
    const fatal = new Promise<Error>((resolve) => {
      noteFatal = resolve
    })
    try {
      const globals = new GlobalRows()
      const opening = HandlerHost.open({
        ...{ ...parts, globals, lookout, onFatal: noteFatal },
        schemas: parts.schemas ?? null,
      })
      undo.push(() => closeSoon(opening, parts.clock))
      const host = await before(opening)
      const guarantee = guaranteeOf(app, host.manifests)
      checkTimes(guarantee, app)
      const transactions = await before(hasTransactions(guarantee, parts.broker, log))
      const engine = new Engine(parts, host, lookout, { guarantee, hasTransactions: transactions })
      const topology = engine.#topology
      verifyContracts(host.manifests, parts.schemas !== undefined)
      for (const [name, sink] of Object.entries(app.sinks)) {
        undo.push(() => waits.answer('sink-close', name, sink.close()))
        await before(waits.answer('sink-open', name, openSink(sink, { log }, topology.destinations.get(name) ?? [])))
      }
      undo.push(() => engine.#delivery.disconnect())
      await before(engine.#delivery.connect())
      const { manifests } = host
      engine.#regrouping = await before(openRegrouping({ ...parts, manifests }))
      await before(verifyTopics(topology, engine.#delivery))
      engine.#keeping = await before(
        openStateKeeping({
          ...{ ...parts, manifests, openStores: open, keepsTransactions: transactions },
          repartitions: engine.#regrouping.repartitions,
        }),
      )
      undo.push(() => engine.#keeping?.stores.close() ?? Promise.resolve())
      await before(prepareSchemas(host.manifests, parts.schemas ?? null))
      engine.#globalTables = GlobalTables.open({
        ...{ ...parts, rows: globals, onFailure: noteFatal },
        partitionCounts: (topics) => engine.#delivery.partitionCounts(topics),
      })
      undo.push(() => engine.#globalTables?.close() ?? Promise.resolve())
      await before(engine.#globalTables?.read() ?? Promise.resolve())
      // From here on it closes everything itself.
      undo.splice(0, Infinity, () => engine.kill())
      // Also what happened before there was an engine to end.
      void fatal.then((error) => engine.#endWith({ reason: 'failed', error }))
      await before(engine.#join())
      if (engine.#ending === null) {
        engine.#state = 'running'
        engine.#loadWatch.start()
        engine.#troubleWatch.start()
      }
      return engine
    } catch (error) {
      for (const step of undo.reverse()) {
        try {
          await step()
        } catch {
          // The first failure says why.
        }
      }
      throw error
    } finally {
      release()
    }
  }

  get state(): EngineState {
    return this.#state
  }

  /** Drains, commits, leaves the group and closes everything. Idempotent; the same promise each time. Never rejects. */
  stop(): Promise<void> {
    return this.#endWith({ reason: 'stopped' })
  }

  /** Leaves at once: what is in flight is handled again by the next owner. */
  kill(): Promise<void> {
    // A kill overtakes a stop that drains: fenced actors count as drained.
    this.#membership?.assignment.fenceAll()
    return this.#endWith({ reason: 'killed' })
  }

  health(): Health {
    return describeHealth(this.#troubleWatch.find())
  }

  readiness(): Readiness {
    const reasons: string[] = []
    if (this.#state !== 'running') reasons.push(`the supervisor is ${this.#state}`)
    if (this.#isRestarting) reasons.push('the consumer is being restarted')
    else if (this.#membership?.assignment.wasAssigned !== true) reasons.push('no partitions were assigned yet')
    for (const { sink, reason } of this.#delivery.troubles()) reasons.push(`sink ${sink} is unavailable: ${reason}`)
    return { ready: reasons.length === 0, reasons }
  }

  status(): EngineStatus {
    return describeStatus(this.#view(), this.#loadWatch.describe(), this.#troubleWatch.describe())
  }

  /** Stops the intake of everything, of a topic, or of a partition, until `resume`. What was read goes on. */
  pause(topic?: string, partition?: number): void {
    this.#userPauses.pause(topic, partition)
    this.#membership?.assignment.reviewIntake()
  }

  resume(topic?: string, partition?: number): void {
    this.#userPauses.resume(topic, partition)
    this.#membership?.assignment.reviewIntake()
  }

  /** The records that wait for an operator's word. */
  parked(): ParkedRecord[] {
    return [...(this.#membership?.assignment.actors ?? [])].flatMap((actor) => actor.parked())
  }

  /** What this process has of the state of an actor. Throws NO_STATE. */
  report(question: StateQuestion): StateReport {
    const partitions = this.#membership?.assignment.stateOf(question.actor) ?? []
    return reportOf(this.#keeping, question, partitions, this.#parts.clock.now())
  }

  /** Ends the wait of a parked record. Throws NOT_PARKED, or NO_DEAD_LETTER_TOPIC where there is none. */
  decide(id: string, decision: Decision): void {
    for (const actor of this.#membership?.assignment.actors ?? []) {
      if (actor.decide(id, decision)) return
    }
    throw new TroupeError('NOT_PARKED', `record ${id} is not parked in this process`)
  }

  /** The same for all parked records of a key, in their order; returns their ids. Throws NOT_PARKED where there are none. */
  decideKey(topic: string, hash: string, decision: Decision): string[] {
    const actors = [...(this.#membership?.assignment.actors ?? [])]
    const ids = actors.flatMap((actor) => actor.decideKey(topic, hash, decision))
    if (ids.length > 0) return ids
    throw new TroupeError('NOT_PARKED', `of topic ${topic} no record of key sha256:${hash} is parked in this process`)
  }

  #view(): EngineView {
    const { app, clock, stats } = this.#parts
    return {
      ...{ app, stats, flow: this.#topology.flow },
      nowMs: clock.now(),
      startedAtMs: this.#startedAtMs,
      seenSince: (atMs) => this.#lookout.seenSince(atMs),
      heldBackAtMs: (actor) => this.#host.dispatcherOf(actor).heldBackAtMs(actor),
      state: this.#state,
      isRestarting: this.#isRestarting,
      lastPollAtMs: this.#membership?.source.lastPollAtMs ?? null,
      isReading: this.#membership?.isReading ?? false,
      groupWaitSinceMs: this.#membership?.awaitsGroupSinceMs ?? null,
      recordsInFlight: this.#membership?.credit.recordsInFlight ?? 0,
      bytesInFlight: this.#membership?.credit.bytesInFlight ?? 0,
      actors: this.#membership === null ? [] : [...this.#membership.assignment.actors],
      troubles: this.#delivery.troubles(),
      schemaTrouble: this.#parts.schemas?.trouble() ?? null,
    }
  }

  async #join(): Promise<void> {
    const { app, broker } = this.#parts
    this.#membership = new Membership({
      ...this.#parts,
      schemas: this.#parts.schemas ?? null,
      lookout: this.#lookout,
      app,
      consumer: broker.consumer(),
      actors: this.#topology.actorOfTopic,
      dispatcherOf: (actor) => this.#host.dispatcherOf(actor),
      timingOf: (actor) => this.#host.timingOf(actor),
      logEnd: (of) => this.#logEnds.of(of),
      dispatchers: this.#host.dispatchers,
      delivery: this.#delivery,
      userPauses: this.#userPauses,
      origins: this.#origins,
      keeping: this.#keeping,
      fronts: this.#regrouping.fronts,
      onFailure: (error) => {
        void this.#restart(error)
      },
    })
    await this.#membership.join()
  }

  /** The membership failed: another one after a back-off, unless nothing would change or it happens too often. Never rejects. */
  async #restart(cause: unknown): Promise<void> {
    // A loop, so that an outage of days leaves nothing behind of the tries before.
    for (let error = cause; this.#state === 'running' || this.#state === 'starting';) {
      const delayMs = await this.#delayBeforeRestart(error)
      if (delayMs === null) return
      this.#isRestarting = true
      await this.#membership?.abandon()
      await this.#backOff(delayMs)
      if (this.#ending !== null) return
      try {
        await this.#join()
        this.#isRestarting = false
        return
      } catch (failure) {
        error = failure
      }
    }
  }

  /** Null: there is no other one, and the engine has ended of it. */
  async #delayBeforeRestart(error: unknown): Promise<number | null> {
    const { app, clock, log, stats } = this.#parts
    // Brokers that are away are waited for as long as it takes, as sinks are.
    const isOutage = isTroupeError(error) && error.code === 'BROKER_UNREACHABLE'
    const delayMs = isOutage ? this.#restarts.outageDelayMs : this.#restarts.noteFailure(clock.now())
    if (isTroupeError(error) && !error.retryable) {
      await this.#endWith({ reason: 'failed', error })
      return null
    }
    if (delayMs === null) {
      const { max, windowMs } = app.restart
      const message = `the consumer failed more than ${max} times within ${windowMs} ms; the last failure: ${describeError(error)}`
      await this.#endWith({ reason: 'failed', error: new TroupeError('RESTARTS_EXHAUSTED', message, { cause: error }) })
      return null
    }
    stats.restarts += 1
    log.error({ error: describeError(error), delayMs }, `the consumer failed and is restarted: ${describeError(error)}`)
    return delayMs
  }

  /** Resolves after this time, or when the engine ends. */
  #backOff(delayMs: number): Promise<void> {
    if (this.#ending !== null) return Promise.resolve()
    return new Promise((resolve) => {
      const cancel = this.#parts.clock.after(delayMs, resolve)
      this.#endBackOff = () => {
        cancel()
        resolve()
      }
    })
  }

  #endWith(end: EngineEnd): Promise<void> {
    this.#ending ??= this.#end(end)
    return this.#ending
  }

  /**
   * The stop order: stop intake → drain (or drop) → store → leave the group → sinks → producers →
   * threads → schemas. Each step also after a failure of the one before.
   */
  async #end(end: EngineEnd): Promise<void> {
    const { app, log, stats } = this.#parts
    const { waits } = stats
    this.#state = 'stopping'
    this.#isRestarting = false
    this.#endBackOff()
    this.#loadWatch.stop()
    this.#troubleWatch.stop()
    if (end.reason === 'failed') {
      log.error({ error: describeError(end.error) }, `the supervisor ends: ${describeError(end.error)}`)
    }
    const steps: [string, () => Promise<void> | undefined][] = [
      // A failure has its cause in the consumer or in the group; what is in flight can still be finished.
      ['membership', () => (end.reason === 'killed' ? this.#membership?.abandon() : this.#membership?.leave())],
      [
        'outputs',
        () => {
          this.#delivery.close()
          return undefined
        },
      ],
      ...Object.entries(app.sinks).map(([name, sink]): [string, () => Promise<void>] => [
        `sink ${name}`,
        () => waits.answer('sink-close', name, sink.close()),
      ]),
      ['producers', () => this.#delivery.disconnect()],
      ['global tables', () => this.#globalTables?.close()],
      ['ends of logs', () => this.#logEnds.close()],
      ['state', () => this.#keeping?.stores.close()],
      ['handlers', () => waits.answer('handlers-close', '', this.#host.close())],
      [
        'schemas',
        () => {
          this.#parts.schemas?.close()
          return undefined
        },
      ],
    ]
    for (const [name, step] of steps) {
      try {
        await step()
      } catch (error) {
        log.error({ step: name, error: describeError(error) }, `stopping: ${name} failed to close; going on`)
      }
    }
    this.#lookout.stop()
    this.#state = 'ended'
    log.info({ reason: end.reason }, 'the supervisor has ended')
    this.#resolveFinished(end)
  }

  #noteCommitted(of: TopicPartition, position: number): void {
    const actor = this.#topology.actorOfTopic.get(of.topic)
    if (actor === undefined) throw new TroupeError('INTERNAL', `a commit of ${partitionName(of)}, which no actor reads`)
    this.#parts.stats.partition(actor.name, of.topic, of.partition).committedPosition = position
  }
}

/**
 * A host that is still loading can only be closed when it has loaded. Resolves when it is closed, or when it has not
 * loaded within some seconds: a `setup` that waits for something holds up nobody's stop, and is torn down should it end.
 */
function closeSoon(opening: Promise<HandlerHost>, clock: Clock): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(LOADING_TIMEOUT_MS, resolve)
    opening
      .finally(cancel)
      .then((host) => host.close())
      .then(resolve, reject)
  })
}

/** `before` is a promise that rejects with START_STOPPED should `signal` be aborted first. */
function untilAborted(signal: AbortSignal | undefined): {
  readonly before: <Value>(step: Promise<Value>) => Promise<Value>
  readonly release: () => void
} {
  let onAbort: () => void = () => undefined
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => {
      reject(new TroupeError('START_STOPPED', 'stopped before it had started'))
    }
  })
  // Nobody waits for it between two steps, or when all went well.
  aborted.catch(() => undefined)
  if (signal?.aborted === true) onAbort()
  else signal?.addEventListener('abort', onAbort, { once: true })
  return {
    before: (step) => Promise.race([aborted, step]),
    release: () => signal?.removeEventListener('abort', onAbort),
  }
}
