import { expect, test } from 'vitest'
import type { WriteResult } from '../../src/streams/broker-port.ts'
import type { EncodedRow, SinkWrite } from '../../src/streams/delivery/sink.ts'
import { FakeDatabase, FakeSink } from '../../src/testing/fake-sink.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'

const destination = {
  sink: 'postgres',
  table: 'clicks',
  columns: [
    { name: 'user', type: 'bigint' },
    { name: 'country', type: 'text' },
  ],
  key: ['user'],
}

const row = (user: string, country: string | null, at = 0): SinkWrite<EncodedRow> => ({
  id: `clicks/0/${at}/0`,
  output: { table: 'clicks', values: [user, country] },
})

async function opened(database = new FakeDatabase()): Promise<{ clock: ManualClock; sink: FakeSink }> {
  const clock = new ManualClock()
  const sink = new FakeSink({ clock, database })
  const opening = sink.open().then(() => sink.prepare([destination]))
  await clock.advance(10)
  await opening
  return { clock, sink }
}

async function write(
  clock: ManualClock,
  sink: FakeSink,
  batch: SinkWrite<EncodedRow>[],
): Promise<readonly WriteResult[]> {
  const writing = sink.write(batch)
  writing.catch(() => undefined)
  await clock.advance(10)
  return await writing
}

test('a row replaces the one with the same key, and the writes stay in their order', async () => {
  const { clock, sink } = await opened()
  expect(await write(clock, sink, [row('1', 'CH', 1), row('2', 'US', 2), row('1', null, 3)])).toEqual([
    null,
    null,
    null,
  ])
  expect(sink.database.rows('clicks')).toEqual([
    { user: '1', country: null },
    { user: '2', country: 'US' },
  ])
  expect(sink.database.writes.map((each) => each.id)).toEqual(['clicks/0/1/0', 'clicks/0/2/0', 'clicks/0/3/0'])
})

test('a refused row is refused alone', async () => {
  const { clock, sink } = await opened()
  sink.database.refuseRow = (_table, { country }) => (country === '??' ? 'no such country' : null)
  const results = await write(clock, sink, [row('1', 'CH'), row('2', '??'), row('3', 'US')])
  expect(results.map((result) => result?.message ?? null)).toEqual([null, 'no such country', null])
  expect(sink.database.rows('clicks')).toHaveLength(2)
})

test('an outage rejects the batch as a whole, and what another process wrote stays', async () => {
  const database = new FakeDatabase()
  const first = await opened(database)
  await write(first.clock, first.sink, [row('1', 'CH')])
  database.isUnavailable = true
  await expect(write(first.clock, first.sink, [row('2', 'US')])).rejects.toMatchObject({ code: 'SINK_UNAVAILABLE' })
  database.isUnavailable = false
  const second = await opened(database)
  await write(second.clock, second.sink, [row('2', 'US')])
  expect(database.rows('clicks')).toHaveLength(2)
})
