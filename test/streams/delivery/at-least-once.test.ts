import { expect, test } from 'vitest'
import { TroupeError } from '../../../src/errors.ts'
import { silentLog } from '../../../src/log.ts'
import { EngineStats } from '../../../src/metrics/stats.ts'
import type { BrokerProducer, WriteResult } from '../../../src/streams/broker-port.ts'
import { AtLeastOnceDelivery } from '../../../src/streams/delivery/at-least-once.ts'
import { deadLetterRecord } from '../../../src/streams/delivery/dead-letter.ts'
import type { OutputRecord } from '../../../src/streams/record.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'

const record = {
  ...{ topic: 'clicks', partition: 3, offset: 7, timestamp: 0 },
  ...{ key: Buffer.from('k'), value: Buffer.alloc(1_000), headers: [] },
}
const letter = deadLetterRecord('dlq', record, {
  code: 'ATTEMPTS_EXHAUSTED',
  error: { name: 'Error', message: 'boom', stack: 'at '.repeat(500), kind: 'other' },
  ...{ attempts: 5, actor: 'enrich', firstFailedAtMs: 0, deadLetteredAtMs: 0 },
})

const sizeOf = ({ value, headers = [] }: OutputRecord): number =>
  headers.reduce((sum, [name, text]) => sum + name.length + (text?.byteLength ?? 0), value?.byteLength ?? 0)

/** Sends the letter to a topic that refuses by `refuse`. */
async function send(refuse: (record: OutputRecord) => WriteResult) {
  const clock = new ManualClock()
  const taken: OutputRecord[] = []
  const deadLetters: BrokerProducer = {
    connect: () => Promise.resolve(),
    disconnect: () => Promise.resolve(),
    partitionCounts: () => Promise.resolve(new Map()),
    write: (records) =>
      Promise.resolve(
        records.map((each) => {
          const refusal = refuse(each)
          if (refusal === null) taken.push(each)
          return refusal
        }),
      ),
  }
  const delivery = new AtLeastOnceDelivery({
    broker: { producer: () => deadLetters },
    sinks: {},
    commitIntervalMs: 100,
    assignedCount: () => 1,
    events: { onRefused: () => undefined, onCommitted: () => undefined },
    clock,
    log: silentLog,
    stats: new EngineStats(),
  })
  const results: WriteResult[] = []
  delivery.deadLetter(
    { owner: { isFenced: false }, settle: (result) => void results.push(result) },
    'clicks/3/7',
    letter,
  )
  await clock.advance(1_000)
  return { results, taken }
}

const upTo =
  (bytes: number) =>
  (each: OutputRecord): WriteResult =>
    sizeOf(each) <= bytes ? null : new TroupeError('RECORD_TOO_LARGE', `more than ${bytes} bytes`)

test('a dead letter that fits is written as it is', async () => {
  const { results, taken } = await send(upTo(10_000))
  expect(results).toEqual([null])
  expect(taken).toEqual([letter])
})

test('a dead letter that is too large goes again with less of ours, until it fits', async () => {
  for (const bytes of [2_000, 1_200, 1_050, 1_000]) {
    const { results, taken } = await send(upTo(bytes))
    expect(results).toEqual([null])
    expect(taken).toHaveLength(1)
    expect([taken[0]?.key, taken[0]?.value]).toEqual([record.key, record.value])
  }
})

test('a dead letter whose record alone is too large is refused, with what the broker said', async () => {
  const { results, taken } = await send(upTo(999))
  expect(taken).toEqual([])
  expect(results).toEqual([expect.objectContaining({ code: 'RECORD_TOO_LARGE', message: 'more than 999 bytes' })])
})

test('a dead letter that is refused for another reason is not sent again', async () => {
  let writes = 0
  const { results } = await send(() => {
    writes += 1
    return new TroupeError('NOT_AUTHORIZED', 'no right to write')
  })
  expect([writes, results.length]).toEqual([1, 1])
})
