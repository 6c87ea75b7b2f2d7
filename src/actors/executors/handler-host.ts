/** Loads every actor's handler where it runs, and knows which dispatcher feeds it. */
import type { HandlerManifest } from '../handlers/handler-manifest.ts'
import type { Clock } from '../../clock.ts'
import { TroupeError, describeError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { Lookout } from '../../lookout.ts'
import type { ResolvedActor, ResolvedApp } from '../../options/options.ts'
import type { ActorStats, EngineStats } from '../../metrics/stats.ts'
import { Dispatcher } from './dispatcher.ts'
import { handlerLog } from '../handlers/handler-log.ts'
import { loadHandler, manifestOf, verifyHandlerFiles } from '../handlers/handler-module.ts'
import { HandlerRunner } from '../handlers/handler-runner.ts'
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
  /** Handlers can do nothing more: there are too few threads and there will be no more, or there is a bug. */
  readonly onFatal: (error: Error) => void
  /** Opens the pool that threads come from: real ones, unless given. */
  readonly openTaskPool?: OpenTaskPool
}

/** How long synchronous handlers on main may hold the event loop. */
const MAX_TURN_MS = 5

export class HandlerHost {
  readonly manifests: readonly HandlerManifest[]
  readonly #dispatchers: ReadonlyMap<string, Dispatcher>
  readonly #runners: readonly HandlerRunner[]
  readonly #pool: WorkerPool | null
  readonly #log: Log

  private constructor(
    manifests: readonly HandlerManifest[],
    dispatchers: ReadonlyMap<string, Dispatcher>,
    runners: readonly HandlerRunner[],
    pool: WorkerPool | null,
    log: Log,
  ) {
    this.manifests = manifests
    this.#dispatchers = dispatchers
    this.#runners = runners
    this.#pool = pool
    this.#log = log
  }

  /** Rejects with HANDLER_NOT_LOADED, SHARED_NOT_LOADED or SETUP_FAILED. */
  static async open(options: HandlerHostOptions): Promise<HandlerHost> {
    const { app } = options
    await verifyHandlerFiles(app.actors)
    const shared = await loadShared(app.shared, options.lookout)
    const manifests: HandlerManifest[] = []
    const dispatchers = new Map<string, Dispatcher>()
    const runners: HandlerRunner[] = []
    let pool: WorkerPool | null = null
    try {
      for (const actor of app.actors.filter((candidate) => candidate.runOn === 'main')) {
        const { runner, manifest } = await openOnMain(actor, options, shared)
        runners.push(runner)
        manifests.push(manifest)
        const executor = new InlineExecutor({
          runners: new Map([[actor.name, runner]]),
          stats: new Map<string, ActorStats>([[actor.name, options.stats.actor(actor.name)]]),
          clock: options.clock,
          concurrency: actor.concurrency,
          maxTurnMs: MAX_TURN_MS,
        })
        executor.onFailure = (cause) => {
          options.onFatal(new TroupeError('INTERNAL', `a verdict of actor ${actor.name} could not be taken`, { cause }))
        }
        dispatchers.set(actor.name, new Dispatcher(executor))
      }
      const onThreads = app.actors.filter((candidate) => candidate.runOn === 'threads')
      if (onThreads.length > 0) {
        const started = await WorkerPool.start({
          threads: app.threads,
          handlers: onThreads.map((actor) => ({
            actor: actor.name,
            url: moduleUrl(actor),
            concurrency: actor.concurrency,
            handlerTimeoutMs: actor.handlerTimeoutMs,
            idHeader: actor.idHeader,
            failedRecords: actor.failedRecords,
          })),
          shared,
          clock: options.clock,
          lookout: options.lookout,
          log: options.log,
          stats: options.stats,
          onFatal: options.onFatal,
          ...(options.openTaskPool === undefined ? {} : { openTaskPool: options.openTaskPool }),
        })
        pool = started.pool
        manifests.push(...started.manifests)
        const dispatcher = new Dispatcher(pool)
        for (const actor of onThreads) dispatchers.set(actor.name, dispatcher)
      }
    } catch (error) {
      await closeAll(runners, options.log)
      throw error
    }
    return new HandlerHost(manifests, dispatchers, runners, pool, options.log)
  }

  get dispatchers(): readonly Dispatcher[] {
    return [...new Set(this.#dispatchers.values())]
  }

  dispatcherOf(actor: ResolvedActor): Dispatcher {
    const dispatcher = this.#dispatchers.get(actor.name)
    if (dispatcher === undefined) throw new TroupeError('INTERNAL', `actor ${actor.name} has no dispatcher`)
    return dispatcher
  }

  /** Ends threads and tears down what handlers on main have set up. */
  async close(): Promise<void> {
    await this.#pool?.destroy()
    await closeAll(this.#runners, this.#log)
  }
}

interface OpenedHandler {
  readonly runner: HandlerRunner
  readonly manifest: HandlerManifest
}

/** A module or a setup that never settles ends the start as it does on threads. */
async function openOnMain(
  actor: ResolvedActor,
  options: HandlerHostOptions,
  shared: SharedData,
): Promise<OpenedHandler> {
  const opening = loadAndSetUp(actor, options, shared)
  let cancel: () => void = () => undefined
  const timeout = new Promise<never>((_, reject) => {
    cancel = options.lookout.after(START_TIMEOUT_MS, () => {
      const message = `actor ${actor.name} did not load and set up its handler within ${START_TIMEOUT_MS} ms`
      reject(new TroupeError('HANDLER_NOT_LOADED', message))
    })
  })
  try {
    return await Promise.race([opening, timeout])
  } catch (error) {
    // A setup that ends after all is torn down.
    void opening.then(
      ({ runner }) => closeAll([runner], options.log),
      () => undefined,
    )
    throw error
  } finally {
    cancel()
  }
}

async function loadAndSetUp(
  actor: ResolvedActor,
  { log, lookout }: HandlerHostOptions,
  shared: SharedData,
): Promise<OpenedHandler> {
  const handler = actor.handler instanceof URL ? await loadHandler(actor.handler.href) : actor.handler
  const runner = await HandlerRunner.open({
    handler,
    name: handler.name ?? actor.name,
    handlerTimeoutMs: actor.handlerTimeoutMs,
    idHeader: actor.idHeader,
    failedRecords: actor.failedRecords,
    log: handlerLog(handler.name ?? actor.name, log),
    clock: lookout,
    shared,
  })
  return { runner, manifest: manifestOf(actor.name, handler) }
}

function moduleUrl(actor: ResolvedActor): string {
  if (actor.handler instanceof URL) return actor.handler.href
  throw new TroupeError(
    'HANDLER_NOT_LOADED',
    `actor ${actor.name} runs on threads, so its handler has to be a module: handler: new URL('./handler.js', import.meta.url)`,
  )
}

/** Each also after a failure of the one before. */
async function closeAll(runners: readonly HandlerRunner[], log: Log): Promise<void> {
  for (const runner of runners) {
    try {
      await runner.close()
    } catch (error) {
      log.warn({ error }, `stopping: ${describeError(error)}`)
    }
  }
}
