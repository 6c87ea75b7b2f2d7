/** The public contract of sinks, on the sink of the test kit and on Kafka in memory; and that it finds what it is for. */
import { describe, expect, test } from 'vitest'
import { TroupeError } from '../../src/errors.ts'
import type { OutputRecord } from '../../src/streams/record.ts'
import type { EncodedRow, Sink } from '../../src/streams/delivery/sink.ts'
import { FakeBroker } from '../../src/testing/broker/fake-broker.ts'
import { FakeDatabase, FakeSink } from '../../src/testing/fake-sink.ts'
import { sinkContract, type SinkContractOptions, type SinkUnderTest } from '../../src/testing/sink-contract.ts'
import { systemClock } from '../../src/clock.ts'
import { kafkaSink, newestOf } from '../contract/kafka-sink.ts'

const destination = {
  ...{ sink: 'notes', table: 'notes', key: ['key'] },
  columns: [
    { name: 'key', type: 'text' },
    { name: 'value', type: 'text' },
  ],
}

interface FakeUnderTest extends SinkUnderTest {
  readonly database: FakeDatabase
}

function fakeOptions(change: (sink: FakeSink) => Sink = (sink) => sink): SinkContractOptions {
  return {
    open: () => {
      const database = new FakeDatabase()
      database.refuseRow = (_table, { value }) => (value === 'refused' ? 'no such value' : null)
      const under: FakeUnderTest = {
        database,
        sink: () => change(new FakeSink({ clock: systemClock, database, latencyMs: 0 })),
        destinations: [destination],
        output: (key, value) => ({ table: 'notes', values: [key, value] }),
        read: () =>
          Promise.resolve(Object.fromEntries(database.rows('notes').map((row) => [row['key'], row['value']]))),
      }
      return Promise.resolve(under)
    },
    refused: ({ output }) => output('r', 'refused'),
    breakIt: (under) => {
      const { database } = under as FakeUnderTest
      database.isUnavailable = true
      return Promise.resolve(() => {
        database.isUnavailable = false
        return Promise.resolve()
      })
    },
  }
}

describe('the sink of the test kit', () => {
  for (const { name, run } of sinkContract(fakeOptions())) test(name, run)
})

describe('outputs to Kafka, in memory', () => {
  const cases = sinkContract<OutputRecord>({
    open: () => {
      const broker = new FakeBroker({ clock: systemClock, latencyMs: 0 })
      broker.createTopic('notes', 1, { maxRecordBytes: 10_000 })
      return Promise.resolve({
        sink: () => kafkaSink(broker.producer('outputs')),
        destinations: [],
        output: (key: string, value: string) => ({ topic: 'notes', key: Buffer.from(key), value: Buffer.from(value) }),
        read: () => Promise.resolve(newestOf(broker.log({ topic: 'notes', partition: 0 }).records)),
        faults: broker.faults,
      })
    },
    refused: ({ output }) => output('r', 'x'.repeat(20_000)),
    breakIt: (under) => {
      const { faults } = under as unknown as FakeBroker
      faults.areBrokersAway = true
      return Promise.resolve(() => {
        faults.areBrokersAway = false
        return Promise.resolve()
      })
    },
  })
  for (const { name, run } of cases) test(name, run)
})

/** Each is a fault that somebody's first sink has. */
const faulty: readonly [fault: string, change: (sink: FakeSink) => Sink, finds: string][] = [
  [
    'answers before anything is written',
    (sink) => withWrite(sink, (batch) => Promise.resolve(batch.map(() => null))),
    'says of each output that it is durable, and then it is there',
  ],
  [
    'answers in another order',
    (sink) => withWrite(sink, async (batch) => (await sink.write(batch)).toReversed()),
    'refuses what it cannot take alone, with an error; the others of the batch stand',
  ],
  [
    'writes a batch from its end',
    (sink) => withWrite(sink, async (batch) => (await sink.write(batch.toReversed())).toReversed()),
    'lets the last output of a key win, in a batch and from batch to batch',
  ],
  [
    'takes an outage for a refusal',
    (sink) => withWrite(sink, (batch) => sink.write(batch).catch((error: Error) => batch.map(() => error))),
    'rejects as unavailable while the destination is away, refuses nothing, and goes on when it is back',
  ],
  [
    'rejects a whole batch for one output',
    (sink) =>
      withWrite(sink, async (batch) => {
        const results = await sink.write(batch)
        if (results.some((result) => result !== null)) throw new TroupeError('SINK_UNAVAILABLE', 'the batch failed')
        return results
      }),
    'refuses what it cannot take alone, with an error; the others of the batch stand',
  ],
  [
    'trims what it is given',
    (sink) =>
      withWrite(sink, (batch) =>
        sink.write(
          batch.map(({ id, output: { table, values } }) => ({
            id,
            output: { table, values: values.map((value) => value?.trim() ?? null) },
          })),
        ),
      ),
    'keeps text as it is',
  ],
]

test.each(faulty)('finds a sink that %s', async (_fault, change, finds) => {
  const found = sinkContract(fakeOptions(change)).find(({ name }) => name === finds)
  await expect(found!.run()).rejects.toThrow()
})

function withWrite(sink: FakeSink, write: Sink<EncodedRow>['write']): Sink {
  return {
    maxBatch: sink.maxBatch,
    open: () => sink.open(),
    prepare: (destinations) => sink.prepare(destinations),
    close: () => sink.close(),
    write,
  }
}
