/**
 * What does a record cost on main, from the hand-over of a poll to its position being known: lanes, dispatcher, inline
 * executor, a handler that does nothing, tracker, credit, intake? Goal: 0.5 µs a record.
 *
 * No broker: the records are there before, handed over 500 at a time as a poll brings them, from 8 partitions.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { Dispatcher } from '../src/actors/executors/dispatcher.ts'
import { defineBatchHandler, type AnyBatchHandler } from '../src/actors/handlers/batch-handler.ts'
import { BatchRunner } from '../src/actors/handlers/batch-runner.ts'
import { HandlerRunner } from '../src/actors/handlers/handler-runner.ts'
import { defineHandler, skip, type AnyRecordHandler } from '../src/actors/handlers/handler.ts'
import { BatchExecutor } from '../src/actors/executors/batch-executor.ts'
import type { Executor } from '../src/actors/executors/executor.ts'
import { InlineExecutor } from '../src/actors/executors/inline-executor.ts'
import { hashedKey } from '../src/actors/key-text.ts'
import { PartitionActor } from '../src/actors/partition-actor.ts'
import { systemClock } from '../src/clock.ts'
import { silentLog } from '../src/log.ts'
import type { Order } from '../src/options/options.ts'
import { bytes } from '../src/streams/flows/codec.ts'
import { Credit } from '../src/streams/credit.ts'
import { topic } from '../src/streams/flows/flow.ts'
import type { SourceRecord } from '../src/streams/record.ts'
import { EngineStats } from '../src/metrics/stats.ts'
import { Intake } from '../src/supervisor/intake.ts'
import { UserPauses } from '../src/supervisor/user-pauses.ts'
import type { Benchmark } from './harness/benchmark.ts'
import { cell } from './harness/report.ts'
import { spreadOf } from './harness/rounds.ts'

const PARTITIONS = 8
const PER_POLL = 500
const POLLS = 1_200
const KEYS = 100_000

const value = Buffer.alloc(100, 'v')

const input = topic('in', { value: bytes })
const openWith = { name: 'none', handlerTimeoutMs: 60_000, idHeader: false, log: silentLog, clock: systemClock }

async function singly(stats: EngineStats): Promise<Executor> {
  const handler = defineHandler({ input, handle: () => skip() }) as AnyRecordHandler
  const runner = await HandlerRunner.open({ ...openWith, handler })
  return new InlineExecutor({
    runners: new Map([['none', runner]]),
    stats: new Map([['none', stats.actor('none')]]),
    clock: systemClock,
    concurrency: 100,
    maxTurnMs: 5,
  })
}

async function inCalls(stats: EngineStats): Promise<Executor> {
  const handler = defineBatchHandler({ input, maxRecords: PER_POLL, handle: () => Promise.resolve(skip()) })
  const runner = await BatchRunner.open({ ...openWith, handler: handler as AnyBatchHandler })
  return new BatchExecutor({
    actor: 'none',
    runner,
    limits: handler,
    stats: stats.actor('none'),
    clock: systemClock,
    concurrency: 8 * PER_POLL,
    maxTurnMs: 5,
  })
}

async function measure(order: Order, open: (stats: EngineStats) => Promise<Executor>): Promise<number> {
  const stats = new EngineStats()
  const executor = await open(stats)
  const dispatcher = new Dispatcher(executor, systemClock)
  const credit = new Credit({ maxRecords: 20_000, maxBytes: 64 * 2 ** 20 })
  const intake = new Intake({
    consumer: { pause: () => undefined, resume: () => undefined },
    credit,
    userPauses: new UserPauses(),
    maxPartitionRecords: 10_000,
    maxPartitionBytes: 32 * 2 ** 20,
    partitionCount: () => PARTITIONS,
    log: silentLog,
  })
  const dirty = new Set<unknown>()
  const actors = Array.from({ length: PARTITIONS }, (_, partition) => {
    const actor: PartitionActor = new PartitionActor({
      actor: {
        name: 'none',
        handler: new URL('file:///none.js'),
        runOn: 'main',
        order,
        concurrency: 100,
        retry: { attempts: 3, backoffMs: 100, maxBackoffMs: 1_000, jitter: 0 },
        rate: { perSecond: null, burst: null },
        deadLetter: null,
        failedRecords: 'dead-letter',
        handlerTimeoutMs: 60_000,
        startFrom: 'earliest',
        outOfRange: 'fail',
        idHeader: false,
      },
      partition,
      epoch: 1,
      inputs: [{ topic: 'in', start: { position: 0, map: null }, stats: stats.partition('none', 'in', partition) }],
      delivery: {
        finishesWhen: 'durable',
        deliver: () => null,
        deadLetter: () => undefined,
        noteProgress: (of) => void dirty.add(of),
      },
      credit,
      clock: systemClock,
      random: Math.random,
      log: silentLog,
      actorStats: stats.actor('none'),
      keyBudget: intake.keyBudget,
      mixesKeys: executor.mixesKeys,
      keyText: hashedKey,
      schemas: null,
      onReady: () => dispatcher.enlist(actor),
      onLoadChanged: () => intake.balance(actor),
      onThrottled: () => undefined,
      onEscalate: () => undefined,
    })
    return actor
  })
  const { user, system } = await cpuOf(async (records) => {
    const actor = actors[records[0]!.partition]!
    actor.admit(records)
    dispatcher.enlist(actor)
    dispatcher.pump()
    await turn()
    while (credit.availableRecords < PER_POLL) await turn()
  })
  const made = await cpuOf(() => turn())
  return (user + system - made.user - made.system) / (POLLS * PER_POLL)
}

/** CPU of all polls, the making of their records included: they have to be as fresh in the caches as the client's. */
async function cpuOf(handle: (records: readonly SourceRecord[]) => Promise<unknown>): Promise<NodeJS.CpuUsage> {
  const before = process.cpuUsage()
  for (let poll = 0; poll < POLLS; poll += 1) await handle(recordsOf(poll))
  return process.cpuUsage(before)
}

function recordsOf(poll: number): SourceRecord[] {
  return Array.from({ length: PER_POLL }, (_, index) => ({
    topic: 'in',
    partition: poll % PARTITIONS,
    offset: Math.floor(poll / PARTITIONS) * PER_POLL + index,
    timestamp: 0,
    key: Buffer.from(`key ${((poll * PER_POLL + index) * 7919) % KEYS}`),
    value,
    headers: [],
  }))
}

export const inlinePath: Benchmark<Record<string, never>> = {
  name: 'inline-path',
  question: 'What does a record cost on main, without a broker, when its handler does nothing?',
  goal: 'unordered ≤ 0.5 µs a record',
  defaults: {},
  async run({ rounds }) {
    const rows = []
    for (const [kind, open] of [
      ['', singly],
      [', in calls', inCalls],
    ] as const) {
      for (const order of ['unordered', 'key', 'partition'] as const) {
        await measure(order, open)
        const costs: number[] = []
        for (let round = 0; round < rounds; round += 1) costs.push(await measure(order, open))
        rows.push({ name: `${order}${kind}`, cells: [cell(spreadOf(costs), 2)] })
      }
    }
    return [{ title: 'On main', columns: ['CPU µs/record'], rows }]
  },
}
