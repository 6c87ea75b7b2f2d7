/** A real pool of threads, real partition actors that feed it, and sinks that are durable at once. */
import { existsSync, readdirSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, vi } from 'vitest'
import { Lookout } from '../../src/lookout.ts'
import { Dispatcher } from '../../src/actors/executors/dispatcher.ts'
import { mostAtOnce } from '../../src/actors/executors/adaptive-limit.ts'
import { Allowance } from '../../src/actors/executors/allowance.ts'
import { plainKey } from '../../src/actors/key-text.ts'
import { PartitionActor } from '../../src/actors/partition-actor.ts'
import { WorkerPool, type WorkerPoolOptions } from '../../src/actors/threads/worker-pool.ts'
import { systemClock } from '../../src/clock.ts'
import type { ResolvedActor, ResolvedApp } from '../../src/options/options.ts'
import { Credit } from '../../src/streams/credit.ts'
import type { Ticket } from '../../src/streams/delivery/sink-queue.ts'
import type { ActorDelivery } from '../../src/streams/delivery/delivery.ts'
import type { EncodedEffect } from '../../src/streams/flows/effect-encoder.ts'
import type { OutputRecord, SourceRecord } from '../../src/streams/record.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { PartitionState } from '../../src/state/partition-state.ts'
import { resolvedActor } from '../actors/actor-fixture.ts'
import { MapStore } from '../support/map-store.ts'

export interface LogLine {
  readonly level: string
  readonly fields: Readonly<Record<string, unknown>>
  readonly message: string
}

export interface PoolSettings {
  readonly threads?: Partial<ResolvedApp['threads']>
  readonly actor?: Partial<ResolvedActor>
  readonly pool?: Partial<WorkerPoolOptions>
}

/** Durable a turn later, in the order in which things came. */
class CollectingDelivery implements ActorDelivery {
  readonly finishesWhen = 'durable'
  readonly outputs: OutputRecord[] = []
  readonly deadLetters: OutputRecord[] = []

  deliver(ticket: Ticket, effects: readonly EncodedEffect[]): null {
    for (const effect of effects) {
      if (effect.type === 'record') this.outputs.push(effect.record)
      setImmediate(() => ticket.settle(null))
    }
    return null
  }

  deadLetter(ticket: Ticket, _id: string, record: OutputRecord): void {
    this.deadLetters.push(record)
    setImmediate(() => ticket.settle(null))
  }

  noteProgress(): void {
    // Positions are read from the tracker.
  }
}

export function fixtureUrl(name: string, query: Record<string, string> = {}): string {
  const url = new URL(`fixtures/${name}`, import.meta.url)
  for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value)
  return url.href
}

/** Options of a pool with one actor, whose handler is in this module. */
export function poolOptions(url: string, settings: PoolSettings = {}) {
  const lines: LogLine[] = []
  const fatal: Error[] = []
  const stats = new EngineStats()
  const actor: ResolvedActor = {
    ...resolvedActor,
    runOn: 'threads',
    retry: { attempts: 3, backoffMs: 1, maxBackoffMs: 1, jitter: 0 },
    ...settings.actor,
  }
  const at = (level: string) => (fields: object, message: string) => {
    lines.push({ level, fields: fields as LogLine['fields'], message })
  }
  const options: WorkerPoolOptions = {
    threads: {
      count: 2,
      slots: 2,
      batchTargetMs: 5,
      maxBatchRecords: 1000,
      maxBatchBytes: 1024 * 1024,
      maxHeapMb: null,
      maxRssMb: null,
      ...settings.threads,
    },
    handlers: [
      {
        actor: actor.name,
        groupId: 'group',
        url,
        concurrency: mostAtOnce(actor),
        handlerTimeoutMs: actor.handlerTimeoutMs,
        order: actor.order,
        idHeader: actor.idHeader,
        failedRecords: actor.failedRecords,
      },
    ],
    clock: systemClock,
    lookout: new Lookout(systemClock),
    log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') },
    stats,
    schemas: null,
    onFatal: (error) => fatal.push(error),
    ...settings.pool,
  }
  return { options, actor, lines, fatal, stats }
}

/** Starts a pool and gives it records: `send` admits them to their partition's actor. */
export async function startPool(url: string, settings: PoolSettings = {}) {
  const { options, actor, lines, fatal, stats } = poolOptions(url, settings)
  const { pool, manifests } = await WorkerPool.start(options)
  const allowance = new Allowance({ actor, clock: options.clock, log: options.log, stats: stats.actor(actor.name) })
  const dispatcher = new Dispatcher(pool, options.clock, [allowance])
  const delivery = new CollectingDelivery()
  const credit = new Credit({ maxRecords: 1_000_000, maxBytes: 1_000_000_000 })
  const actors: PartitionActor[] = []
  const shapes = manifests[0]?.states ?? []
  const stateOf = (partition: number): PartitionState | null => {
    const timers = manifests[0]?.timers ?? []
    if (shapes.length + timers.length === 0) return null
    const state = new PartitionState({
      shapes,
      timers,
      changelogTopic: 'changelog',
      partition,
      inputId: 0,
      changelogId: 0,
      changelogEnd: null,
      clock: options.clock,
    })
    void state.begin(new MapStore())
    return state
  }
  const actorOf = (partition: number): PartitionActor => {
    const existing = actors[partition]
    if (existing !== undefined) return existing
    const made = new PartitionActor({
      actor,
      partition,
      epoch: 1,
      inputs: [
        {
          topic: 'scripts',
          start: { position: 0, map: null },
          stats: stats.partition(actor.name, 'scripts', partition),
        },
      ],
      delivery,
      state: stateOf(partition),
      credit,
      clock: options.clock,
      random: () => 0,
      log: options.log,
      actorStats: stats.actor(actor.name),
      onReady: () => {
        dispatcher.enlist(made)
        dispatcher.pump()
      },
      mixesKeys: pool.mixesKeys,
      keyText: plainKey,
      schemas: options.schemas,
      keyBudget: { maxRecords: 500_000, maxBytes: 500_000_000 },
      onLoadChanged: () => undefined,
      onThrottled: (forMs, id) => {
        dispatcher.throttle(actor.name, forMs, id)
      },
      onEscalate: (error) => fatal.push(error),
    })
    actors[partition] = made
    return made
  }
  const send = (records: readonly SourceRecord[]): void => {
    for (const partition of new Set(records.map((record) => record.partition))) {
      const to = actorOf(partition)
      to.admit(records.filter((record) => record.partition === partition))
      dispatcher.enlist(to)
    }
    dispatcher.pump()
  }
  return {
    pool,
    actor,
    dispatcher,
    manifests,
    delivery,
    stats,
    lines,
    fatal,
    actorOf,
    send,
    /** Resolves when everything that was sent is finished. */
    finished: () =>
      until(() =>
        actors.every(({ inputs, heldRecords }) => inputs.every(({ tracker }) => tracker.isIdle) && heldRecords === 0),
      ),
    /** The outputs as their JSON. */
    results: () => delivery.outputs.map(({ value }) => JSON.parse(textOf(value)) as Record<string, unknown>),
    deadLetters: () => delivery.deadLetters.map((record) => ({ record, ...headersOf(record) })),
  }
}

/** Timers and handles of this process, and on Linux its threads, which do not keep it from ending. */
export interface Resources {
  readonly timers: number
  readonly handles: number
  readonly threads: number | null
}

export function resources(): Resources {
  const active = process.getActiveResourcesInfo()
  const isTimer = (name: string) => name === 'Timeout' || name === 'Immediate'
  const tasks = '/proc/self/task'
  return {
    timers: active.filter(isTimer).length,
    handles: active.filter((name) => !isTimer(name)).length,
    threads: existsSync(tasks) ? readdirSync(tasks).length : null,
  }
}

/**
 * What was opened is closed. The test runner has timers and handles of its own, which come and go, and what ends is
 * still listed for a moment (a thread's pipes are closed in a later turn): so the counts have to come down, in time.
 */
export async function expectNoMoreThan(before: Resources): Promise<void> {
  const deadline = Date.now() + 60_000
  const isMore = ({ timers, handles, threads }: Resources) =>
    timers > before.timers || handles > before.handles || (threads ?? 0) > (before.threads ?? 0)
  let now = resources()
  while (isMore(now) && Date.now() < deadline) {
    await delay(5)
    now = resources()
  }
  if (isMore(now)) expect(now, 'left behind').toEqual(before)
}

export async function until(condition: () => boolean, timeout = 120_000): Promise<void> {
  await vi.waitFor(
    () => {
      if (!condition()) throw new Error('the condition does not hold yet')
    },
    { timeout, interval: 5 },
  )
}

/** Records at successive offsets of one partition, each with a script as its value. */
export function scripts(list: readonly object[], options: { key?: (index: number) => string; first?: number } = {}) {
  return list.map((script, index): SourceRecord => ({
    topic: 'scripts',
    partition: 0,
    offset: (options.first ?? 0) + index,
    timestamp: 1_000,
    key: Buffer.from(options.key?.(index) ?? `key ${index}`),
    value: Buffer.from(JSON.stringify(script)),
    headers: [],
  }))
}

export function textOf(bytes: Uint8Array | null): string {
  return Buffer.from(bytes ?? []).toString()
}

function headersOf(record: OutputRecord): { headers: Record<string, string> } {
  return { headers: Object.fromEntries((record.headers ?? []).map(([name, value]) => [name, textOf(value)])) }
}
