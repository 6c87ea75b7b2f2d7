/** Credit comes back once for each record, also when a sink answers while it is being given the output. */
import { expect, test } from 'vitest'
import type { FailedRecords } from '../../src/actors/handlers/handler.ts'
import { silentLog } from '../../src/log.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import type { BrokerProducer } from '../../src/streams/broker-port.ts'
import type { Delivery } from '../../src/streams/delivery/delivery.ts'
import { openDelivery } from '../../src/streams/delivery/open-delivery.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { makeActor, sourceRecord } from './actor-fixture.ts'

const producer: BrokerProducer = {
  connect: () => Promise.resolve(),
  write: (records) => Promise.resolve(records.map(() => null)),
  partitionCounts: () => Promise.resolve(new Map()),
  disconnect: () => Promise.resolve(),
}

/** The real delivery, of an app without any sink. */
function deliveryWithoutSinks(): Delivery {
  return openDelivery({
    clock: new ManualClock(),
    log: silentLog,
    stats: new EngineStats(),
    broker: {
      producer: () => producer,
      transactionalProducer: () => {
        throw new Error('not at least once')
      },
      admin: () => {
        throw new Error('not at least once')
      },
    },
    guarantee: 'at-least-once',
    hasTransactions: true,
    transactionalId: 'group-app-1',
    transactionTimeoutMs: 15_000,
    checkpointIntervalMs: 100,
    intake: { maxRecords: 100, maxBytes: 1_000_000 },
    maxRecordBytes: 1_000_000,
    latestTopics: new Set(),
    sinks: {},
    commitIntervalMs: 200,
    assignedCount: () => 1,
    random: () => 0,
    events: { onRefused: () => undefined, onCommitted: () => undefined, onRefusedOutputs: () => undefined },
  })
}

const row = { type: 'row', sink: 'gone', row: { table: 'users', values: ['1'] } } as const
/** Records that are still read and not finished when both have come to what their policy says. */
const leftBy: Readonly<Record<FailedRecords, number>> = { 'dead-letter': 2, park: 2, skip: 0, stop: 0, escalate: 0 }
const cases = (Object.keys(leftBy) as FailedRecords[]).flatMap((failedRecords) =>
  [1, 2].flatMap((outputs) => (['key', 'unordered'] as const).map((order) => ({ failedRecords, outputs, order }))),
)

test('rows for a sink that has gone give credit back once a record, whatever becomes of it', () => {
  const found = cases.map(({ failedRecords, order, outputs }) => {
    const { actor, credit, take } = makeActor({
      actor: { failedRecords, order, runOn: 'main' },
      delivery: deliveryWithoutSinks(),
    })
    actor.admit([sourceRecord(0, 'a'), sourceRecord(1, 'b')])
    const run = take()
    const effects = Array.from({ length: outputs }, () => row)
    actor.settle(
      run,
      run.invocations.map(() => ({ type: 'done', effects })),
    )
    const settled = credit.recordsInFlight
    actor.fence()
    return { failedRecords, order, outputs, settled, ended: credit.recordsInFlight, bytes: credit.bytesInFlight }
  })
  expect(found).toEqual(cases.map((each) => ({ ...each, settled: leftBy[each.failedRecords], ended: 0, bytes: 0 })))
})
