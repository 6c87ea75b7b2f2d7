/**
 * What `troupe check` looks at: all that a start looks at before the first record, by the same code, and every problem
 * instead of the first.
 */
import type { AnyHandler } from '../../actors/handlers/any-handler.ts'
import { loadHandler, manifestOf, verifyHandlerFiles } from '../../actors/handlers/handler-module.ts'
import type { HandlerManifest } from '../../actors/handlers/handler-manifest.ts'
import { tryHandler, type TrialAnswer } from '../../actors/handlers/handler-trial.ts'
import { loadShared, type SharedData } from '../../actors/handlers/shared-data.ts'
import { START_TIMEOUT_MS } from '../../actors/threads/thread-set.ts'
import type { TryModule } from '../../actors/threads/trial.ts'
import { verifyOrders } from '../../actors/executors/handler-host.ts'
import { checkTimes, guaranteeOf } from '../guarantee.ts'
import { within } from '../../clock.ts'
import type { OpenWaits } from '../../metrics/open-waits.ts'
import { TroupeError, describeError, describeWire, fromWireError, isTroupeError, toWireError } from '../../errors.ts'
import { silentLog } from '../../log.ts'
import type { ResolvedActor, ResolvedApp } from '../../options/options.ts'
import type { Broker } from '../../streams/broker.ts'
import { openSink, type Sink } from '../../streams/delivery/sink.ts'
import type { SchemaPort } from '../../streams/registry/schema-port.ts'
import { surveyContracts } from '../contracts.ts'
import { askForRights } from './check-rights.ts'
import { surveyTopology, verifyTopics, type Topology } from '../topology.ts'

export interface CheckParts {
  readonly app: ResolvedApp
  readonly waits: OpenWaits
  /** Rejects for what the native client does not take. */
  readonly verifyClient: () => Promise<void>
  /** Where handler modules are loaded; null: they are not. */
  readonly tryModule: TryModule | null
  /** As long as a start waits for one step of it. */
  readonly startTimeoutMs?: number
  /** The servers to ask; null: none is. */
  readonly openBroker: (() => Promise<Broker>) | null
  /** The schema registry to ask, which registers nothing; null: none is. */
  readonly openSchemas: (() => Promise<SchemaPort | null>) | null
}

export interface CheckResult {
  readonly problems: readonly Error[]
  /** What was looked at and found good, a line each. */
  readonly found: readonly string[]
}

/** Never rejects. */
export async function checkApp(parts: CheckParts): Promise<CheckResult> {
  const { app, verifyClient, tryModule, openBroker, startTimeoutMs = START_TIMEOUT_MS } = parts
  const problems: Error[] = []
  const found: string[] = []
  const attempt = attemptInto(problems)
  await attempt(verifyClient)
  for (const [name, sink] of Object.entries(app.sinks)) {
    const late = (): Error => new TroupeError('SINK_UNAVAILABLE', `verify has not ended within ${startTimeoutMs} ms`)
    await attempt(async () => await within(sink.verify?.() ?? Promise.resolve(), startTimeoutMs, late), `sink ${name}`)
  }
  const manifests: HandlerManifest[] = []
  if (tryModule === null) {
    for (const actor of app.actors) await attempt(() => verifyHandlerFiles([actor]))
  } else {
    const shared = await loadAllShared(app, attempt, startTimeoutMs)
    const answers = await tryActors(app, { tryModule, shared, startTimeoutMs })
    const threadError = answers.find((answer) => (answer.threadError ?? null) !== null)?.threadError
    if (threadError) problems.push(fromWireError(threadError))
    for (const [at, { manifest, errors }] of answers.entries()) {
      const actor = app.actors[at]?.name ?? ''
      problems.push(...errors.map((error) => toldOf(`actor ${actor}`, fromWireError(error))))
      if (manifest === null) continue
      manifests.push(manifest)
      if (errors.length === 0) found.push(`actor ${actor}: loaded${shared === null ? '' : ' and set up'}`)
    }
  }
  await attempt(() => {
    verifyOrders(app.actors, manifests)
    return Promise.resolve()
  })
  await attempt(() => {
    checkTimes(guaranteeOf(app, manifests), app)
    return Promise.resolve()
  })
  const { topology, problems: misplanned } = surveyTopology(app, manifests)
  problems.push(...misplanned, ...surveyContracts(manifests, app.schemaRegistry.url.length > 0))
  if (openBroker !== null) found.push(...(await askServers(parts, manifests, topology, openBroker, attempt)))
  if (parts.openSchemas !== null) found.push(...(await askRegistry(app, manifests, parts.openSchemas, attempt)))
  return { problems, found }
}

type Attempt = (step: () => Promise<void>, where?: string) => Promise<boolean>

function attemptInto(problems: Error[]): Attempt {
  return async (step, where) => {
    try {
      await step()
      return true
    } catch (error) {
      problems.push(where === undefined ? asError(error) : toldOf(where, asError(error)))
      return false
    }
  }
}

/** null: one of them does not load, so no setup can be tried. */
async function loadAllShared(app: ResolvedApp, attempt: Attempt, timeoutMs: number): Promise<SharedData | null> {
  const data: Record<string, SharedData[string]> = {}
  let isWhole = true
  for (const [name, loader] of Object.entries(app.shared)) {
    const isLoaded = await attempt(async () => {
      const message = `the shared data ${name} is not loaded after ${timeoutMs} ms`
      const late = (): Error => new TroupeError('SHARED_NOT_LOADED', message)
      Object.assign(data, await within(loadShared({ [name]: loader }), timeoutMs, late))
    })
    isWhole &&= isLoaded
  }
  return isWhole ? data : null
}

export interface Trial {
  readonly tryModule: TryModule
  /** null: nothing is set up. */
  readonly shared: SharedData | null
  readonly startTimeoutMs: number
}

/** Each has a heap of its own, and opens what its setup opens. */
const TRIALS_AT_ONCE = 4

/** An answer for each actor. Never rejects. */
export async function tryActors({ actors, threads }: ResolvedApp, trial: Trial): Promise<readonly TrialAnswer[]> {
  const answers: TrialAnswer[] = []
  const waiting = actors.entries()
  const takeNext = async (): Promise<void> => {
    for (const [at, actor] of waiting) answers[at] = await tryActor(actor, threads.maxHeapMb, trial)
  }
  await Promise.all(Array.from({ length: TRIALS_AT_ONCE }, takeNext))
  return answers
}

/** A module goes to a thread, wherever its actor runs. A handler that is part of the app is on main already. */
async function tryActor(actor: ResolvedActor, maxHeapMb: number | null, trial: Trial): Promise<TrialAnswer> {
  const { handler, name, runOn } = actor
  if (!(handler instanceof URL)) return await tryOnMain(name, handler, trial)
  const { href: url } = handler
  const { shared, tryModule } = trial
  const answer = await tryModule({ actor: name, url, shared, maxHeapMb: runOn === 'threads' ? maxHeapMb : null })
  // A native module that works on the main thread only, as the Kafka client does.
  const isForMain = answer.errors.some((error) => describeWire(error).includes('did not self-register'))
  return runOn === 'main' && isForMain ? await tryOnMain(name, handler, trial) : answer
}

async function tryOnMain(name: string, handler: URL | AnyHandler, trial: Trial): Promise<TrialAnswer> {
  const { shared, startTimeoutMs } = trial
  const load = (): Promise<AnyHandler> =>
    handler instanceof URL ? loadHandler(handler.href) : Promise.resolve(handler)
  const message = `it was not loaded, set up and torn down within ${startTimeoutMs} ms`
  const late = new TroupeError('SETUP_FAILED', message)
  try {
    return await within(tryHandler(name, load, shared, silentLog), startTimeoutMs, () => late)
  } catch {
    const manifest = handler instanceof URL ? null : manifestOf(name, handler)
    return { manifest, errors: [toWireError(late)] }
  }
}

/**
 * Connects as a start does, joins no group, and closes everything again. That the group may be read shows in its
 * committed positions; whether it may be joined only a join would show.
 */
async function askServers(
  { app, waits }: CheckParts,
  manifests: readonly HandlerManifest[],
  topology: Topology,
  openBroker: () => Promise<Broker>,
  attempt: Attempt,
): Promise<readonly string[]> {
  const found: string[] = []
  await attempt(async () => {
    const broker = await openBroker()
    const [producer, consumer] = [broker.producer('check'), broker.consumer()]
    try {
      await producer.connect()
      found.push(`Kafka: connected to ${app.kafka.brokers.join(', ')}`)
      await attempt(async () => await verifyTopics(topology, producer))
      const counts = await producer.partitionCounts([...topology.topics.keys()])
      for (const [topic, users] of topology.topics) {
        const count = counts.get(topic)
        if (count !== undefined) found.push(`topic ${topic}: partitions: ${count} (${users.join(', ')})`)
      }
      await attempt(async () => {
        await consumer.connect()
        const inputs = [...topology.actorOfTopic.keys()].flatMap((topic) =>
          Array.from({ length: counts.get(topic) ?? 0 }, (_, partition) => ({ topic, partition })),
        )
        const committed = inputs.length === 0 ? [] : await consumer.committed(inputs)
        const begun = committed.filter(({ position }) => position !== null).length
        found.push(`group ${app.kafka.groupId}: positions committed of ${begun} of ${inputs.length} partitions`)
      }, `group ${app.kafka.groupId}`)
      found.push(...(await askForRights({ app, manifests, topology, counts, broker, attempt })))
    } finally {
      await Promise.allSettled([producer.disconnect(), consumer.disconnect()])
    }
  })
  for (const [name, sink] of Object.entries(app.sinks)) {
    const tables = topology.destinations.get(name) ?? []
    const isOpen = await attempt(
      async () => await waits.answer('sink-open', name, openSink(sink, { log: silentLog }, tables)),
      `sink ${name}`,
    )
    await waits.answer('sink-close', name, closed(sink)).catch(() => undefined)
    if (isOpen) found.push(`sink ${name}: connected; tables: ${tables.map(({ table }) => table).join(', ') || 'none'}`)
  }
  return found
}

/** Looks for what the app needs, and registers nothing: where a start would, what is missing is no problem. */
async function askRegistry(
  { registerSchemas }: ResolvedApp,
  manifests: readonly HandlerManifest[],
  openSchemas: () => Promise<SchemaPort | null>,
  attempt: Attempt,
): Promise<readonly string[]> {
  const found: string[] = []
  await attempt(async () => {
    const schemas = await openSchemas()
    if (schemas === null) return
    const needed = manifests.flatMap((manifest) => manifest.schemas)
    const subjects = [...new Set(needed.map(({ subject }) => subject))].join(', ') || 'none are needed'
    try {
      await schemas.prepare(needed)
      found.push(`schema registry: asked for subjects: ${subjects}`)
    } catch (error) {
      if (registerSchemas === 'never' || !isTroupeError(error) || error.code !== 'SCHEMA_MISSING') throw error
      found.push(`schema registry: a start would register: ${error.message}`)
    } finally {
      schemas.close()
    }
  })
  return found
}

/** Rejects where closing throws. */
async function closed(sink: Sink): Promise<void> {
  await sink.close()
}

/** The same error, with whose it is before its message. */
function toldOf(where: string, error: Error): Error {
  if (!isTroupeError(error))
    return new TroupeError('SINK_UNAVAILABLE', `${where}: ${describeError(error)}`, { cause: error })
  return new TroupeError(error.code, `${where}: ${error.message}`, { cause: error.cause })
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(describeError(error))
}
