/** Loads every actor's handler where it runs, and knows which dispatcher feeds it. */
import { isStateful, type HandlerManifest } from '../handlers/handler-manifest.ts'
import type { Clock } from '../../clock.ts'
import { TroupeError, describeError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { Lookout } from '../../lookout.ts'
import type { ResolvedActor, ResolvedApp } from '../../options/options.ts'
import type { GlobalRows } from '../../operators/tables/global-rows.ts'
import { timedByRecords, type Timing } from '../../state/stamp.ts'
import type { KnownSchemas } from '../../streams/flows/contract.ts'
import type { SchemaPort } from '../../streams/registry/schema-port.ts'
import type { EngineStats } from '../../metrics/stats.ts'
import { AdaptiveLimit, mostAtOnce } from './adaptive-limit.ts'
import { Allowance } from './allowance.ts'
import { Dispatcher } from './dispatcher.ts'
import { withFront } from '../handlers/front-handler.ts'
import { giverUpOf } from '../handlers/operator-runner.ts'
import { handlerLog } from '../handlers/handler-log.ts'
import { loadHandler, manifestOf, verifyHandlerFiles } from '../handlers/handler-module.ts'
import { inputsOf, tableTopicsOf, type AnyHandler } from '../handlers/any-handler.ts'
import { timesOf } from '../handlers/topic-times.ts'
import { noSchemas } from '../handlers/handler-schemas.ts'
import { BatchRunner } from '../handlers/batch-runner.ts'
import { openRunner, type AnyRunner } from '../handlers/open-runner.ts'
import { BatchExecutor } from './batch-executor.ts'
import type { Executor } from './executor.ts'
import { InlineExecutor } from './inline-executor.ts'
import { loadShared, type SharedData } from '../handlers/shared-data.ts'
import { START_TIMEOUT_MS, type OpenTaskPool } from '../threads/thread-set.ts'
import { WorkerPool } from '../threads/worker-pool.ts'

export interface HandlerHostOptions {
  readonly app: ResolvedApp
  readonly clock: Clock
  readonly lookout: Lookout
  readonly log: Log
  readonly stats: EngineStats
  /** null: no codec of the app needs schemas. */
  readonly schemas: SchemaPort | null
  /** Where the rows of global tables are; nobody reads any unless given. */
  readonly globals?: GlobalRows
  /** Handlers can do nothing more: there are too few threads and there will be no more, or there is a bug. */
  readonly onFatal: (error: Error) => void
  /** Opens the pool that threads come from: real ones, unless given. */
  readonly openTaskPool?: OpenTaskPool
}

/** How long synchronous handlers on main may hold the event loop. */
const MAX_TURN_MS = 5

export class HandlerHost {
  /** The app's, each as its handler needs it. */
  readonly actors: readonly ResolvedActor[]
  readonly manifests: readonly HandlerManifest[]
  readonly #dispatchers: ReadonlyMap<string, Dispatcher>
  readonly #limits: ReadonlyMap<string, AdaptiveLimit>
  readonly #timings: ReadonlyMap<string, Timing>
  readonly #runners: readonly AnyRunner[]
  readonly #pool: WorkerPool | null
  readonly #log: Log

  private constructor(
    actors: readonly ResolvedActor[],
    manifests: readonly HandlerManifest[],
    dispatchers: ReadonlyMap<string, Dispatcher>,
    limits: ReadonlyMap<string, AdaptiveLimit>,
    timings: ReadonlyMap<string, Timing>,
    runners: readonly AnyRunner[],
    pool: WorkerPool | null,
    log: Log,
  ) {
    this.actors = actors
    this.manifests = manifests
    this.#dispatchers = dispatchers
    this.#limits = limits
    this.#timings = timings
    this.#runners = runners
    this.#pool = pool
    this.#log = log
  }

  /** Rejects with HANDLER_NOT_LOADED, SHARED_NOT_LOADED, SETUP_FAILED, or OPTIONS_INVALID for an order that its handler cannot have. */
  static async open(options: HandlerHostOptions): Promise<HandlerHost> {
    await verifyHandlerFiles(options.app.actors)
    const app = { ...options.app, actors: await expanded(options) }
    const shared = await loadShared(app.shared, options.lookout)
    const manifests: HandlerManifest[] = []
    const dispatchers = new Map<string, Dispatcher>()
    const runners: AnyRunner[] = []
    const limits = new Map<string, AdaptiveLimit>()
    const timings = new Map<string, Timing>()
    for (const { concurrency, name } of app.actors) {
      const stats = options.stats.actor(name)
      if (typeof concurrency === 'number') stats.concurrencyLimit = concurrency
      else limits.set(name, new AdaptiveLimit(concurrency, options.clock, stats))
    }
    let pool: WorkerPool | null = null
    let { actors } = app
    try {
      const openHere = async (actor: ResolvedActor): Promise<void> => {
        const opened = await openOnMain(actor, options, shared)
        runners.push(opened.runner)
        manifests.push(opened.manifest)
        timings.set(actor.name, opened.timing)
        const executor = executorOnMain(actor, opened, options, limits.get(actor.name))
        dispatchers.set(actor.name, new Dispatcher(executor, options.clock, [allowanceOf(actor, options)]))
      }
      for (const actor of app.actors.filter((candidate) => candidate.runOn === 'main')) await openHere(actor)
      let onThreads = app.actors.filter((candidate) => candidate.runOn === 'threads')
      if (onThreads.length > 0) {
        const started = await WorkerPool.start({
          threads: app.threads,
          handlers: onThreads.map((actor) => ({
            actor: actor.name,
            groupId: app.kafka.groupId,
            url: moduleUrl(actor),
            concurrency: mostAtOnce(actor),
            order: actor.order,
            handlerTimeoutMs: actor.handlerTimeoutMs,
            idHeader: actor.idHeader,
            failedRecords: actor.failedRecords,
          })),
          shared,
          schemas: options.schemas,
          limits,
          clock: options.clock,
          lookout: options.lookout,
          log: options.log,
          stats: options.stats,
          onFatal: options.onFatal,
          ...(options.openTaskPool === undefined ? {} : { openTaskPool: options.openTaskPool }),
        })
        pool = started.pool
        manifests.push(...started.manifests)
        // That a module is an operator with a front is known when a thread has loaded it: what is behind it runs here.
        const fronted = new Set(started.manifests.map(({ front }) => front?.actor))
        actors = await splitUp(app.actors, fronted, options)
        for (const actor of actors.filter(({ name }) => fronted.has(name))) await openHere(actor)
        onThreads = actors.filter((candidate) => candidate.runOn === 'threads')
        for (const { actor, front = null } of started.manifests) {
          const limit = front === null ? undefined : limits.get(front.actor)
          if (limit !== undefined) limits.set(actor, limit)
        }
        const allowances = onThreads.map((actor) => allowanceOf(actor, options))
        const dispatcher = new Dispatcher(pool, options.clock, allowances)
        for (const actor of onThreads) dispatchers.set(actor.name, dispatcher)
      }
      verifyOrders(actors, manifests)
    } catch (error) {
      await pool?.destroy()
      await closeAll(runners, options.log)
      throw error
    }
    actors = actors.map((actor) => withOrderOf(actor, manifests))
    return new HandlerHost(actors, manifests, dispatchers, limits, timings, runners, pool, options.log)
  }

  get dispatchers(): readonly Dispatcher[] {
    return [...new Set(this.#dispatchers.values())]
  }

  dispatcherOf(actor: ResolvedActor): Dispatcher {
    const dispatcher = this.#dispatchers.get(actor.name)
    if (dispatcher === undefined) throw new TroupeError('INTERNAL', `actor ${actor.name} has no dispatcher`)
    return dispatcher
  }

  timingOf(actor: ResolvedActor): Timing {
    return this.#timings.get(actor.name) ?? timedByRecords
  }

  /** How many of its records may be in progress, where that follows its latency. */
  limitOf(actor: ResolvedActor): AdaptiveLimit | undefined {
    return this.#limits.get(actor.name)
  }

  /** Ends threads and tears down what handlers on main have set up. */
  async close(): Promise<void> {
    for (const dispatcher of this.dispatchers) dispatcher.close()
    await this.#pool?.destroy()
    await closeAll(this.#runners, this.#log)
  }
}

function allowanceOf(actor: ResolvedActor, { clock, log, stats }: HandlerHostOptions): Allowance {
  return new Allowance({ actor, clock, log, stats: stats.actor(actor.name) })
}

/** State is kept by key, and what has no order among its key's records would be lost. Throws OPTIONS_INVALID. */
export function verifyOrders(actors: readonly ResolvedActor[], manifests: readonly HandlerManifest[]): void {
  verifyPolicies(actors, manifests)
  const wrong = actors.filter(
    ({ name, order }) =>
      order === 'unordered' &&
      manifests.some(
        ({ front = null, ...manifest }) => front === null && manifest.actor === name && isStateful(manifest),
      ),
  )
  if (wrong.length === 0) return
  const names = wrong.map(({ name }) => name).join(', ')
  throw new TroupeError(
    'OPTIONS_INVALID',
    `order of ${names}: 'unordered' does not go with a handler that keeps state, which needs the order of its keys: leave it out, or set 'key' or 'partition'`,
  )
}

/** An operator takes the records of a partition one after the other, which keeps the order of each key as well. */
function withOrderOf(actor: ResolvedActor, manifests: readonly HandlerManifest[]): ResolvedActor {
  const isOperator = manifests.some((manifest) => manifest.actor === actor.name && manifest.isOperator)
  return isOperator ? { ...actor, order: 'partition' } : actor
}

/** What is parked holds up its key, and of an operator all keys are in one line. Throws OPTIONS_INVALID. */
function verifyPolicies(actors: readonly ResolvedActor[], manifests: readonly HandlerManifest[]): void {
  const wrong = actors.filter(
    ({ failedRecords, name }) =>
      failedRecords === 'park' && manifests.some(({ actor, isOperator }) => actor === name && isOperator),
  )
  if (wrong.length === 0) return
  const names = wrong.map(({ name }) => name).join(', ')
  throw new TroupeError(
    'OPTIONS_INVALID',
    `failedRecords of ${names}: 'park' does not go with an operator, since a record that waits would hold up its whole partition: leave it out, or set 'dead-letter', 'skip', 'stop' or 'escalate'`,
  )
}

interface OpenedHandler {
  readonly runner: AnyRunner
  readonly timing: Timing
  readonly manifest: HandlerManifest
}

function executorOnMain(
  actor: ResolvedActor,
  opened: OpenedHandler,
  options: HandlerHostOptions,
  limit: AdaptiveLimit | undefined,
): Executor {
  const executor = newExecutor(actor, opened, options, limit)
  executor.onFailure = (cause) => {
    options.onFatal(new TroupeError('INTERNAL', `a verdict of actor ${actor.name} could not be taken`, { cause }))
  }
  return executor
}

function newExecutor(
  actor: ResolvedActor,
  { manifest, runner }: OpenedHandler,
  { clock, stats }: HandlerHostOptions,
  limit: AdaptiveLimit | undefined,
): BatchExecutor | InlineExecutor {
  const limits = {
    clock,
    concurrency: mostAtOnce(actor),
    ...(limit === undefined ? {} : { limit }),
    maxTurnMs: MAX_TURN_MS,
  }
  const actorStats = stats.actor(actor.name)
  if (!(runner instanceof BatchRunner)) {
    const runners = new Map([[actor.name, runner]])
    return new InlineExecutor({ ...limits, runners, stats: new Map([[actor.name, actorStats]]) })
  }
  if (manifest.call === null) throw new TroupeError('INTERNAL', `the calls of actor ${actor.name} have no limits`)
  return new BatchExecutor({ ...limits, actor: actor.name, runner, limits: manifest.call, stats: actorStats })
}

/** The app's actors, and those that come before them. Rejects with OPTIONS_INVALID where two have one name. */
async function expanded(options: HandlerHostOptions): Promise<readonly ResolvedActor[]> {
  const { actors } = options.app
  const onMain = new Set(actors.flatMap(({ name, runOn }) => (runOn === 'main' ? [name] : [])))
  return await splitUp(actors, onMain, options)
}

/** Each of these names that has a front is two. */
async function splitUp(
  actors: readonly ResolvedActor[],
  names: ReadonlySet<string | undefined>,
  options: HandlerHostOptions,
): Promise<readonly ResolvedActor[]> {
  const all: ResolvedActor[] = []
  for (const actor of actors) {
    if (!names.has(actor.name)) all.push(actor)
    else all.push(...withFront(actor, await withinStart(actor, options, loaded(actor)), options.app.kafka.groupId))
  }
  const twice = all.find(({ name }, at) => all.findIndex((other) => other.name === name) !== at)
  if (twice === undefined) return all
  const message = `two actors are called ${twice.name}: one is the front of another actor, which is called so; give the other a name of its own`
  throw new TroupeError('OPTIONS_INVALID', message)
}

function loaded({ handler }: ResolvedActor): Promise<AnyHandler> {
  return handler instanceof URL ? loadHandler(handler.href) : Promise.resolve(handler)
}

async function openOnMain(
  actor: ResolvedActor,
  options: HandlerHostOptions,
  shared: SharedData,
): Promise<OpenedHandler> {
  const opening = loadAndSetUp(actor, options, shared)
  try {
    return await withinStart(actor, options, opening)
  } catch (error) {
    // A setup that ends after all is torn down.
    void opening.then(
      ({ runner }) => closeAll([runner], options.log),
      () => undefined,
    )
    throw error
  }
}

/** A module or a setup that never settles ends the start as it does on threads. */
async function withinStart<Value>(
  actor: ResolvedActor,
  { lookout }: HandlerHostOptions,
  opening: Promise<Value>,
): Promise<Value> {
  let cancel: () => void = () => undefined
  const timeout = new Promise<never>((_, reject) => {
    cancel = lookout.after(START_TIMEOUT_MS, () => {
      const message = `actor ${actor.name} did not load and set up its handler within ${START_TIMEOUT_MS} ms`
      reject(new TroupeError('HANDLER_NOT_LOADED', message))
    })
  })
  try {
    return await Promise.race([opening, timeout])
  } finally {
    cancel()
  }
}

async function loadAndSetUp(
  actor: ResolvedActor,
  { globals, log, lookout, schemas }: HandlerHostOptions,
  shared: SharedData,
): Promise<OpenedHandler> {
  const handler = await loaded(actor)
  // Where there is no registry, the start says for all handlers at once what needs one.
  const known = schemas ?? noSchemas
  const runner = await openRunner({
    handler,
    name: handler.name ?? actor.name,
    handlerTimeoutMs: actor.handlerTimeoutMs,
    idHeader: actor.idHeader,
    failedRecords: actor.failedRecords,
    order: actor.order,
    log: handlerLog(handler.name ?? actor.name, log),
    clock: lookout,
    shared,
    schemas: known,
    ...(globals === undefined ? {} : { globals }),
  })
  return { runner, timing: timingOf(handler, actor, known), manifest: manifestOf(actor.name, handler) }
}

/** Only who takes the records of a partition one after the other is told the time of each by its value. */
function timingOf(handler: AnyHandler, { order }: ResolvedActor, schemas: KnownSchemas): Timing {
  const inputs = inputsOf(handler)
  if (handler.kind === 'operator') {
    const { idleAfterMs, maxAdvanceMs } = handler
    return { times: timesOf({ inputs, schemas, maxAdvanceMs }), idleAfterMs, giveUpTimer: giverUpOf(handler) }
  }
  return order === 'partition'
    ? {
        times: timesOf({ inputs: [...inputs, ...tableTopicsOf(handler)], schemas, maxAdvanceMs: null }),
        idleAfterMs: null,
        giveUpTimer: null,
      }
    : timedByRecords
}

function moduleUrl(actor: ResolvedActor): string {
  if (actor.handler instanceof URL) return actor.handler.href
  throw new TroupeError(
    'HANDLER_NOT_LOADED',
    `actor ${actor.name} runs on threads, so its handler has to be a module: handler: new URL('./handler.js', import.meta.url)`,
  )
}

/** Each also after a failure of the one before. */
async function closeAll(runners: readonly AnyRunner[], log: Log): Promise<void> {
  for (const runner of runners) {
    try {
      await runner.close()
    } catch (error) {
      log.warn({ error }, `stopping: ${describeError(error)}`)
    }
  }
}
