/**
 * Troupe on real parts: the native client, the system clock, metrics and HTTP. `troupe run` and
 * services that embed Troupe both come through here. Installs no signal handlers and never ends the
 * process.
 */
import { isMainThread } from 'node:worker_threads'
import type { Registry } from 'prom-client'
import type { KeyChoice } from '../actors/key-text.ts'
import type { Decision, ParkedRecord } from '../actors/parking-lot.ts'
import type { App, AppDefinition } from '../app.ts'
import { systemClock } from '../clock.ts'
import { TroupeError } from '../errors.ts'
import { silentLog, type Log } from '../log.ts'
import { isObject, refuseWrong, shown, unknownKeys } from '../options/declared.ts'
import type { ResolvedApp } from '../options/options.ts'
import { resolveOptions, type OptionSources } from '../options/resolve.ts'
import { EngineStats } from '../metrics/stats.ts'
import { problemsOfChoice, questionOf, type StateChoice } from '../state/state-question.ts'
import type { StateReport } from '../state/state-report.ts'
import { Engine, type EngineEnd } from './engine.ts'
import { brokerFor } from './kafka.ts'
import { LoggedDecisions } from './logged-decisions.ts'
import type { Health, Readiness } from './status/health.ts'
import { loopBusyShare, watchLoopDelay } from './status/loop-delay.ts'
import type { EngineStatus } from './status/status.ts'

export interface StartOptions {
  /** Aborting it is `stop()`; before the start has ended it makes that reject with START_STOPPED. */
  readonly signal?: AbortSignal
  /** Where to log; on standard error, as `log.format` says, unless given. pino fits. */
  readonly log?: Log
  /** Where to register the metrics; a registry of its own unless given. */
  readonly registry?: Registry
  /** Flags and environment, which go over the app's own values. Nothing unless given. */
  readonly sources?: OptionSources
}

export interface Supervisor {
  /** Finishes what is in flight within `drainTimeoutMs`, commits, leaves the group, closes everything. Idempotent. Never rejects. */
  stop(): Promise<void>
  /** Ends now; what is in flight is handled again by the next owner. */
  kill(): Promise<void>
  /** Resolves when everything has ended, and says how. Never rejects. */
  readonly finished: Promise<SupervisorEnd>
  readonly registry: Registry
  /** Port of the HTTP server; null: there is none. */
  readonly httpPort: number | null
  /** What the app came to, defaults included. */
  readonly options: ResolvedApp
  status(): SupervisorStatus
  health(): Health
  readiness(): Readiness
  /** The records that failed for good and wait for a word (`failedRecords: 'park'`). */
  parked(): readonly ParkedRecord[]
  /**
   * Ends the wait of a parked record: one more attempt, the dead-letter topic, or dropped. Its key
   * goes on. Throws NOT_PARKED, or NO_DEAD_LETTER_TOPIC where there is none to send it to.
   */
  decide(id: string, decision: Decision): void
  /**
   * The same for all records of a key that are parked now, in their order; what waits behind them is handled next, and may
   * be parked in its turn. Returns their ids.
   */
  decideKey(topic: string, key: KeyChoice, decision: Decision): readonly string[]
  /**
   * The state of an actor as this process has it: sizes and restores of its partitions; with `key` what is kept for it, with
   * `limit` some of what there is. What is committed, and nothing that a handler has set since. Throws NO_STATE.
   */
  state(actor: string, choice?: StateChoice): StateReport
  /** Takes in nothing more, of everything, of a topic or of a partition, until `resume`. What was read is finished. */
  pause(topic?: string, partition?: number): void
  /** Lifts the pause of this and of everything in it; not one that is wider. */
  resume(topic?: string, partition?: number): void
  [Symbol.asyncDispose](): Promise<void>
}

export type SupervisorEnd = EngineEnd
export type SupervisorStatus = EngineStatus

/** A caller in JavaScript has no compiler: a log that is none would end the process at its first line. */
function problemsOfStart(start: unknown): string[] {
  if (!isObject(start)) return [`its options are ${shown(start)}, which is no object`]
  const { log } = start
  const problems = unknownKeys(
    start,
    ['signal', 'log', 'registry', 'sources'],
    'there are signal, log, registry and sources',
  )
  if (log !== undefined) {
    const missing = Object.keys(silentLog).filter((level) => !isObject(log) || typeof log[level] !== 'function')
    if (missing.length > 0) problems.push(`log: ${shown(log)} lacks ${missing.join(', ')}: give a logger such as pino`)
  }
  return problems
}

/**
 * Starts an app. Resolves when the group was joined; rejects with one TroupeError that names the
 * cause when anything cannot be loaded, reached or found.
 */
export async function startSupervisor(app: App | AppDefinition, start: StartOptions = {}): Promise<Supervisor> {
  if (!isMainThread) {
    throw new TroupeError(
      'NOT_MAIN_THREAD',
      'startSupervisor was called in a worker thread, where the native Kafka client cannot load; call it on the main thread',
    )
  }
  refuseWrong('startSupervisor', problemsOfStart(start))
  const options = resolveOptions(app, start.sources)
  const { createLog } = await import('./log.ts')
  const { droppedLines } = await import('./log-output.ts')
  const { startHttpServer } = await import('./http/http-server.ts')
  const { groupOfOne } = await import('./instances/own-instance.ts')
  const { openSchemas } = await import('../streams/registry/open-schemas.ts')
  const { default: client } = await import('prom-client')
  const { registerMetrics } = await import('../metrics/metrics.ts')
  const log = start.log ?? (await createLog(options.log))
  const registry = start.registry ?? new client.Registry()
  const stats = new EngineStats(systemClock)
  stats.droppedLogLines = droppedLines
  const stopMetrics = registerMetrics(registry, stats)
  const stopWatch = watchLoopDelay(stats.loopDelaySeconds)
  const unregister = (): void => {
    stopMetrics()
    stopWatch()
  }
  let engine: Engine | null = null
  let closeHttp: () => Promise<void> = () => Promise.resolve()
  try {
    let httpPort: number | null = null
    if (options.http.port !== null) {
      const server = await startHttpServer({
        port: options.http.port,
        host: options.http.host,
        token: options.http.token,
        registry,
        instances: groupOfOne(() => engine),
        log,
      })
      httpPort = server.port
      closeHttp = () => server.close()
    }
    const broker = await brokerFor(options, log, stats.waits)
    const own = { clock: systemClock, random: Math.random, log, stats }
    const schemas = await openSchemas(options, { ...own, stats: stats.registry })
    const parts = {
      ...own,
      app: options,
      broker,
      ...(schemas === null ? {} : { schemas }),
      loopBusy: loopBusyShare(),
    }
    engine = await Engine.start(parts, start.signal)
    return publicFace({ engine, log, options, registry, httpPort, closeHttp, unregister, ...start })
  } catch (error) {
    unregister()
    await closeHttp()
    throw error
  }
}

function publicFace(parts: {
  readonly engine: Engine
  readonly log: Log
  readonly options: ResolvedApp
  readonly registry: Registry
  readonly httpPort: number | null
  readonly closeHttp: () => Promise<void>
  readonly unregister: () => void
  readonly signal?: AbortSignal
}): Supervisor {
  const { engine, options, registry, httpPort, signal } = parts
  const onAbort = (): void => {
    void engine.stop()
  }
  // HTTP goes last: until the end /healthz and /readyz say what is going on.
  const finished = engine.finished.then(async (end) => {
    signal?.removeEventListener('abort', onAbort)
    parts.unregister()
    await parts.closeHttp()
    return end
  })
  const stop = async (): Promise<void> => {
    await engine.stop()
    await finished
  }
  if (signal?.aborted === true) onAbort()
  else signal?.addEventListener('abort', onAbort, { once: true })
  const decisions = new LoggedDecisions(engine, parts.log)
  const face: Supervisor = {
    finished,
    registry,
    httpPort,
    options,
    stop,
    kill: async () => {
      await engine.kill()
      await finished
    },
    status: () => engine.status(),
    health: () => engine.health(),
    readiness: () => engine.readiness(),
    parked: () => engine.parked(),
    decide: (id, decision) => {
      decisions.decide(id, decision)
    },
    decideKey: (topic, key, decision) => decisions.decideKey(topic, key, decision),
    state: (actor, choice = {}) => {
      refuseWrong('supervisor.state', problemsOfChoice(choice))
      return engine.report(questionOf(actor, choice))
    },
    pause: (topic, partition) => {
      engine.pause(topic, partition)
    },
    resume: (topic, partition) => {
      engine.resume(topic, partition)
    },
    [Symbol.asyncDispose]: stop,
  }
  engines.set(face, engine)
  return face
}

const engines = new WeakMap<Supervisor, Engine>()

/** For who asks it on behalf of a port that is not its own, and says there what was asked. */
export function engineOf(supervisor: Supervisor): Engine {
  const engine = engines.get(supervisor)
  if (engine === undefined) throw new TroupeError('INTERNAL', 'this supervisor was not started here')
  return engine
}
