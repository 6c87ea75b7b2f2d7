/**
 * What does a record cost on main when each is of a checkpoint: handler, state, outputs, the store, and what a transaction is given?
 *
 * No broker: the records are there before, handed over 500 at a time as a poll brings them, from 4 partitions; a checkpoint begins
 * every 16,000. Whoever would send them looks at each and does nothing.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { Dispatcher } from '../../src/actors/executors/dispatcher.ts'
import { InlineExecutor } from '../../src/actors/executors/inline-executor.ts'
import { statesOf, timersOf, type AnyHandler } from '../../src/actors/handlers/any-handler.ts'
import { BatchRunner } from '../../src/actors/handlers/batch-runner.ts'
import { defineHandler, done, skip } from '../../src/actors/handlers/handler.ts'
import { openRunner } from '../../src/actors/handlers/open-runner.ts'
import { hashedKey } from '../../src/actors/key-text.ts'
import { PartitionActor } from '../../src/actors/partition-actor.ts'
import { systemClock } from '../../src/clock.ts'
import { silentLog } from '../../src/log.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { defineAggregation } from '../../src/operators/aggregation/aggregation.ts'
import { tumbling } from '../../src/operators/windows/declared-window.ts'
import { state } from '../../src/state/declared-state.ts'
import { PartitionState } from '../../src/state/partition-state.ts'
import type { StateShape } from '../../src/state/state-shape.ts'
import { openStores } from '../../src/state/stores/open-stores.ts'
import type { BrokerConsumer } from '../../src/streams/broker-port.ts'
import { Credit } from '../../src/streams/credit.ts'
import { CheckpointDelivery } from '../../src/streams/delivery/checkpoint/checkpoint-delivery.ts'
import { bytes, json } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'
import type { OutputRecord, SourceRecord } from '../../src/streams/record.ts'
import type { TransactionalProducer } from '../../src/streams/transaction-port.ts'
import type { Benchmark } from '../harness/benchmark.ts'
import { cell } from '../harness/report.ts'
import { spreadOf } from '../harness/rounds.ts'

const PARTITIONS = 4
const PER_POLL = 500
const POLLS = 1_200
const PER_CHECKPOINT = 16_000

const value = Buffer.alloc(100, 'v')
const input = topic('in', { value: bytes })
const each = topic('out', { value: json<number>() })
const last = topic('out', { value: json<number>(), latestPerCheckpoint: true })

/** A count of each key, and what is made of it. */
const count = { total: state<number>({ initial: () => 0 }) }
const handlers: Readonly<Record<string, unknown>> = {
  'no state, no output': defineHandler({ input, handle: () => skip() }),
  'no state, an output a record': defineHandler({
    input,
    outputs: [each],
    handle: (_, { record }) => done([each.record(1, { key: record.key })]),
  }),
  'state, no output': defineHandler({
    input,
    state: count,
    handle(_, { state: { total } }) {
      total.set(total.get() + 1)
      return skip()
    },
  }),
  'state, an output a record': counting(each),
  'state, an output a key and checkpoint': counting(last),
  'windows of a minute, counted: final': defineAggregation({
    input,
    window: tumbling({ sizeMs: 60_000, graceMs: 0 }),
    values: ({ count: records }) => ({ records: records() }),
    outputs: [each],
    result: ({ key, values: { records } }) => [each.record(records, { key })],
  }),
}

function counting(output: typeof each) {
  return defineHandler({
    input,
    outputs: [output],
    state: count,
    handle(_, { record, state: { total } }) {
      const next = total.get() + 1
      total.set(next)
      return done([output.record(next, { key: record.key })])
    },
  })
}

/** Takes what it is given. */
class Transactions implements TransactionalProducer {
  records = 0

  send(records: readonly OutputRecord[]): Promise<void> {
    for (const { value: sent } of records) if (sent !== null) this.records += 1
    return Promise.resolve()
  }

  begin(): void {
    // Nothing is open.
  }

  readonly connect = ready
  readonly sendPositions = ready
  readonly commit = ready
  readonly abort = ready
  readonly disconnect = ready
  readonly tryRecords = () => Promise.resolve([])
  readonly sendSmaller = () => false
}

function ready(): Promise<void> {
  return Promise.resolve()
}

async function measure(handler: AnyHandler, keys: number): Promise<number> {
  const stats = new EngineStats()
  const runner = await openRunner({
    ...{ name: 'count', handlerTimeoutMs: 60_000, idHeader: false, log: silentLog, clock: systemClock, handler },
  })
  if (runner instanceof BatchRunner) throw new Error('not of batches')
  const order = handler.kind === 'operator' ? 'partition' : 'key'
  const shapes = statesOf(handler)
  const executor = new InlineExecutor({
    ...{ runners: new Map([['count', runner]]), stats: new Map([['count', stats.actor('count')]]) },
    ...{ clock: systemClock, concurrency: 100, maxTurnMs: 5 },
  })
  const dispatcher = new Dispatcher(executor, systemClock)
  const intake = { maxRecords: 2 * PER_CHECKPOINT, maxBytes: 2 ** 30 }
  const credit = new Credit(intake)
  const transactions = new Transactions()
  const delivery = new CheckpointDelivery({
    broker: { transactionalProducer: () => transactions, producer: unused, admin: unused },
    ...{ sinks: {}, hasTransactions: true, transactionalId: 'bench', transactionTimeoutMs: 15_000 },
    ...{ checkpointIntervalMs: 3_600_000, intake, maxRecordBytes: 1_000_000 },
    latestTopics: new Set((handler.outputs ?? []).flatMap((output) => (output === last ? [output.name] : []))),
    events: { onRefused: unused, onCommitted: () => undefined, onRefusedOutputs: unused },
    ...{ clock: systemClock, log: silentLog, stats, random: Math.random },
  })
  delivery.onFailure = (error) => {
    throw error
  }
  delivery.begin({} as BrokerConsumer)
  const stores = await openStores({ state: { store: 'memory', directory: null }, clock: systemClock, log: silentLog })
  const actors: PartitionActor[] = []
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    const kept = shapes.length === 0 ? null : stateOf(shapes, timersOf(handler), partition)
    const place = { groupId: 'bench', actor: 'count', partition, changelogId: null, deleteRetentionMs: 86_400_000 }
    await kept?.begin(await stores.open(place))
    const actor: PartitionActor = new PartitionActor({
      actor: {
        ...{ name: 'count', handler: new URL('file:///none.js'), runOn: 'main', order, concurrency: 100 },
        ...{ retry: { attempts: 3, backoffMs: 100, maxBackoffMs: 1_000, jitter: 0 } },
        ...{ rate: { perSecond: null, burst: null }, deadLetter: null, failedRecords: 'dead-letter' },
        ...{ handlerTimeoutMs: 60_000, startFrom: 'earliest', outOfRange: 'fail', idHeader: false },
      },
      ...{ partition, epoch: 1, state: kept, delivery, credit, clock: systemClock, random: Math.random },
      inputs: [{ topic: 'in', start: { position: 0, map: null }, stats: stats.partition('count', 'in', partition) }],
      ...{ log: silentLog, actorStats: stats.actor('count'), keyBudget: { maxRecords: 1e6, maxBytes: 1e9 } },
      ...{ mixesKeys: executor.mixesKeys, keyText: hashedKey, schemas: null },
      onReady: () => dispatcher.enlist(actor),
      onLoadChanged: () => undefined,
      onThrottled: () => undefined,
      onEscalate: () => undefined,
    })
    actors.push(actor)
  }
  const { user, system } = await cpuOf(keys, async (records) => {
    const actor = actors[records[0]!.partition]!
    actor.admit(records)
    dispatcher.enlist(actor)
    dispatcher.pump()
    await turn()
    while (credit.availableRecords < PER_POLL) await turn()
  })
  await delivery.makeDurable(
    actors.flatMap(({ inputs }) => inputs),
    60_000,
  )
  const made = await cpuOf(keys, () => turn())
  delivery.close()
  await stores.close()
  return (user + system - made.user - made.system) / (POLLS * PER_POLL)
}

function stateOf(shapes: readonly StateShape[], timers: readonly string[], partition: number): PartitionState {
  return new PartitionState({
    ...{ shapes, timers, changelogTopic: 'changelog', partition, inputId: 0, changelogId: 0 },
    ...{ changelogEnd: null, clock: systemClock },
  })
}

function unused(): never {
  throw new Error('nobody asks for this here')
}

/** CPU of all polls, the making of their records included: they have to be as fresh in the caches as the client's. */
async function cpuOf(
  keys: number,
  handle: (records: readonly SourceRecord[]) => Promise<unknown>,
): Promise<NodeJS.CpuUsage> {
  const before = process.cpuUsage()
  for (let poll = 0; poll < POLLS; poll += 1) await handle(recordsOf(poll, keys))
  return process.cpuUsage(before)
}

function recordsOf(poll: number, keys: number): SourceRecord[] {
  return Array.from({ length: PER_POLL }, (_, index) => ({
    topic: 'in',
    partition: poll % PARTITIONS,
    offset: Math.floor(poll / PARTITIONS) * PER_POLL + index,
    // A minute is a tenth of all.
    timestamp: 1 + Math.floor((poll * PER_POLL + index) * (600_000 / (POLLS * PER_POLL))),
    key: Buffer.from(`key ${((poll * PER_POLL + index) * 7_919) % keys}`),
    value,
    headers: [],
  }))
}

export const statePath: Benchmark<{ readonly keys: number }> = {
  name: 'state-path',
  question:
    'What does a record cost on main, without a broker, as part of a checkpoint: with and without state and outputs?',
  goal: 'none of its own: what the client takes besides is some 8 µs a record',
  defaults: { keys: 10_000 },
  async run({ rounds, settings: { keys } }) {
    const all = Object.entries(handlers) as [string, AnyHandler][]
    const costs = new Map<string, number[]>(all.map(([name]) => [name, []]))
    for (const [, handler] of all) await measure(handler, keys)
    for (let round = 0; round < rounds; round += 1) {
      for (const [name, handler] of all) costs.get(name)!.push(await measure(handler, keys))
    }
    const rows = all.map(([name]) => ({ name, cells: [cell(spreadOf(costs.get(name)!), 2)] }))
    return [{ title: `Of a checkpoint, ${keys.toLocaleString('en')} keys`, columns: ['CPU µs/record'], rows }]
  },
}
