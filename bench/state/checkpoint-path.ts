/**
 * What a record costs on main when each is of a checkpoint: handler or operator, state, outputs, the store, and what a transaction is
 * given.
 *
 * No broker: the records are there before, handed over 500 at a time as a poll brings them, from 4 partitions; a checkpoint begins
 * every 16,000. Whoever would send them looks at each and does nothing.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { Dispatcher } from '../../src/actors/executors/dispatcher.ts'
import { InlineExecutor } from '../../src/actors/executors/inline-executor.ts'
import { statesOf, timersOf } from '../../src/actors/handlers/any-handler.ts'
import { HandlerRunner } from '../../src/actors/handlers/handler-runner.ts'
import type { AnyRecordHandler } from '../../src/actors/handlers/handler.ts'
import { OperatorRunner } from '../../src/actors/handlers/operator-runner.ts'
import { hashedKey } from '../../src/actors/key-text.ts'
import { PartitionActor } from '../../src/actors/partition-actor.ts'
import { systemClock } from '../../src/clock.ts'
import { silentLog } from '../../src/log.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import type { Operator } from '../../src/operators/operator.ts'
import { PartitionState } from '../../src/state/partition-state.ts'
import { openStores } from '../../src/state/stores/open-stores.ts'
import type { BrokerConsumer } from '../../src/streams/broker-port.ts'
import { Credit } from '../../src/streams/credit.ts'
import { CheckpointDelivery } from '../../src/streams/delivery/checkpoint/checkpoint-delivery.ts'
import type { OutputRecord, SourceRecord } from '../../src/streams/record.ts'
import type { TransactionalProducer } from '../../src/streams/transaction-port.ts'

const PARTITIONS = 4
const PER_POLL = 500
const PER_CHECKPOINT = 16_000

/** What there is of records. */
export interface PathRecords {
  readonly records: number
  readonly keys: number
  readonly value: (index: number) => Buffer
  /** When they happened, and how many in a minute. */
  readonly fromMs: number
  readonly perMinute: number
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

/** CPU of a record, microseconds. */
export async function measurePath(
  handler: AnyRecordHandler | Operator,
  records: PathRecords,
  latest: readonly string[] = [],
): Promise<number> {
  const stats = new EngineStats()
  const open = { name: 'count', handlerTimeoutMs: 60_000, idHeader: false, log: silentLog, clock: systemClock }
  const runner =
    handler.kind === 'operator'
      ? new OperatorRunner({ ...open, handler })
      : await HandlerRunner.open({ ...open, handler })
  const shapes = statesOf(handler)
  const timers = timersOf(handler)
  const executor = new InlineExecutor({
    ...{
      runners: new Map<string, HandlerRunner | OperatorRunner>([['count', runner]]),
      stats: new Map([['count', stats.actor('count')]]),
    },
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
    latestTopics: new Set(latest),
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
    const kept =
      shapes.length === 0
        ? null
        : new PartitionState({
            ...{ shapes, timers, changelogTopic: 'changelog', partition, inputId: 0, changelogId: 0 },
            ...{ changelogEnd: null, clock: systemClock },
          })
    const place = { groupId: 'bench', actor: 'count', partition, changelogId: null, deleteRetentionMs: 86_400_000 }
    await kept?.begin(await stores.open(place))
    const actor: PartitionActor = new PartitionActor({
      actor: {
        ...{ name: 'count', handler: new URL('file:///none.js'), runOn: 'main', concurrency: 100 },
        order: handler.kind === 'operator' ? 'partition' : 'key',
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
  const { user, system } = await cpuOf(records, async (taken) => {
    const actor = actors[taken[0]!.partition]!
    actor.admit(taken)
    dispatcher.enlist(actor)
    dispatcher.pump()
    await turn()
    while (credit.availableRecords < PER_POLL) await turn()
  })
  await delivery.makeDurable(
    actors.flatMap(({ inputs }) => inputs),
    60_000,
  )
  const made = await cpuOf(records, () => turn())
  delivery.close()
  await stores.close()
  return (user + system - made.user - made.system) / records.records
}

function unused(): never {
  throw new Error('nobody asks for this here')
}

/** CPU of all polls, the making of their records included: they have to be as fresh in the caches as the client's. */
async function cpuOf(
  records: PathRecords,
  handle: (taken: readonly SourceRecord[]) => Promise<unknown>,
): Promise<NodeJS.CpuUsage> {
  const before = process.cpuUsage()
  for (let poll = 0; poll * PER_POLL < records.records; poll += 1) await handle(pollOf(poll, records))
  return process.cpuUsage(before)
}

function pollOf(poll: number, { keys, value, fromMs, perMinute }: PathRecords): SourceRecord[] {
  return Array.from({ length: PER_POLL }, (_, at) => {
    const index = poll * PER_POLL + at
    return {
      ...{ topic: 'in', partition: poll % PARTITIONS, offset: Math.floor(poll / PARTITIONS) * PER_POLL + at },
      timestamp: fromMs + Math.floor((index * 60_000) / perMinute),
      key: Buffer.from(`key ${(index * 7_919) % keys}`),
      value: value(index),
      headers: [],
    }
  })
}
