/** The seam between the simulation and what it tests: a member of a group, on a broker, a clock and a sink that are not its own. */
import type { OpenTaskPool } from '../../src/actors/threads/thread-set.ts'
import { inputsOf, type AnyHandler } from '../../src/actors/handlers/any-handler.ts'
import type { Clock } from '../../src/clock.ts'
import { isTroupeError } from '../../src/errors.ts'
import { silentLog, type Log } from '../../src/log.ts'
import type { ResolvedApp } from '../../src/options/options.ts'
import { resolveOptions } from '../../src/options/resolve.ts'
import type { Stores } from '../../src/state/store.ts'
import type { Broker } from '../../src/streams/broker.ts'
import type { SchemaPort } from '../../src/streams/registry/schema-port.ts'
import type { Sink } from '../../src/streams/delivery/sink.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { Engine } from '../../src/supervisor/engine.ts'
import { deadLetterTopic } from './simulated-handler.ts'
import type { World } from './world.ts'

export interface MemberParts {
  readonly world: World
  readonly handlers: readonly AnyHandler[]
  /** The last part of its transactional id. */
  readonly transactionalId: string
  readonly broker: Broker
  readonly clock: Clock
  readonly sink: Sink
  /** Where the handlers of a world on threads run. */
  readonly openTaskPool: OpenTaskPool
  /** Where it keeps state. */
  readonly openStores: () => Promise<Stores>
  readonly random: () => number
  readonly schemas?: SchemaPort
  readonly log?: Log
  /** What the member counts in. Default: its own, which nobody sees. */
  readonly stats?: EngineStats
}

export interface RunningMember {
  /** Drains, commits, leaves. */
  stop(): Promise<void>
  /** Leaves at once. */
  kill(): Promise<void>
  readonly finished: Promise<{ readonly how: 'stopped' | 'killed' | 'failed'; readonly code: string | null }>
  /** Records read and not finished. */
  recordsInFlight(): number
  describe(): unknown
}

export interface EngineUnderTest {
  /** Rejects when the member cannot start. */
  start(parts: MemberParts): Promise<RunningMember>
}

export const troupe: EngineUnderTest = {
  async start(parts) {
    const {
      broker,
      clock,
      log = silentLog,
      openStores,
      openTaskPool,
      random,
      schemas,
      stats = new EngineStats(),
    } = parts
    const known = schemas === undefined ? {} : { schemas }
    const app = appFor(parts)
    const engine = await Engine.start({ app, broker, clock, random, log, openStores, openTaskPool, stats, ...known })
    return {
      stop: () => engine.stop(),
      kill: () => engine.kill(),
      finished: engine.finished.then((end) => ({
        how: end.reason,
        code: end.reason === 'failed' && isTroupeError(end.error) ? end.error.code : null,
      })),
      recordsInFlight: () => engine.status().recordsInFlight,
      describe: () => engine.status(),
    }
  },
}

// Resolving checks each option; once is enough for a million worlds.
const base = resolveOptions({
  kafka: { brokers: 'simulated:9092', groupId: 'group' },
  actors: [{ handler: new URL('file:///handler.js') }],
})

/** No file: nobody looks for it on the disk. */
function moduleUrl(handler: AnyHandler): URL {
  return new URL(`simulated:${inputsOf(handler)[0].name}`)
}

/** The topic whose handler stands at this URL. */
export function topicAt(url: string): string {
  return new URL(url).pathname
}

/** Which topic of its world, by the name of its actor. */
export function actorNumber(actor: string): number {
  return Number(actor.slice('actor-'.length))
}

function appFor({ handlers, sink, transactionalId, world }: MemberParts): ResolvedApp {
  const [actor] = base.actors
  const { crossingMs: _, ...threads } = world.threads
  return {
    ...base,
    kafka: { ...base.kafka, transactionalId },
    actors: handlers.map((handler, at) => ({
      ...actor!,
      name: `actor-${at}`,
      handler: world.runOn === 'threads' ? moduleUrl(handler) : handler,
      runOn: world.runOn,
      order: world.order,
      concurrency: world.concurrency,
      retry: { attempts: world.attempts, backoffMs: 10, maxBackoffMs: 100, jitter: 0.5 },
      deadLetter: deadLetterTopic,
      handlerTimeoutMs: world.handlerTimeoutMs,
      outOfRange: 'earliest',
      idHeader: true,
    })),
    sinks: { table: sink },
    threads: { ...base.threads, ...threads, maxRssMb: null },
    intake: {
      ...base.intake,
      maxRecords: world.maxRecords,
      maxPartitionRecords: Math.min(world.maxRecords, world.maxPartitionRecords),
    },
    commitIntervalMs: world.commitIntervalMs,
    guarantee: world.guarantee,
    checkpointIntervalMs: world.commitIntervalMs,
    transactionTimeoutMs: 3_000,
    drainTimeoutMs: world.drainTimeoutMs,
    restart: { max: 3, windowMs: 10_000, backoffMs: 50 },
  }
}
