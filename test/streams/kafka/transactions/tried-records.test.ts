/** Which records brokers refuse: by a client that answers as they would. */
import { expect, test } from 'vitest'
import type { ProducerClient, SendFailure } from '../../../../src/streams/kafka/producer/producer-client.ts'
import { Deadline } from '../../../../src/streams/kafka/producer/deadline.ts'
import type { TransactionClient } from '../../../../src/streams/kafka/transactions/transaction-client.ts'
import { tryRecords } from '../../../../src/streams/kafka/transactions/tried-records.ts'
import type { OutputRecord } from '../../../../src/streams/record.ts'
import { ManualClock } from '../../../../src/testing/manual-clock.ts'

const record = (topic: string): OutputRecord => ({ topic, key: null, value: Buffer.from('v'), headers: [] })

/** Each topic's records fail with its code; the client drops the rest of a transaction behind the first failure. */
function parts(codes: Readonly<Record<string, number>>) {
  const records: OutputRecord[] = []
  const reports = {
    send: (all: readonly OutputRecord[], portion: readonly number[]) => {
      const failures = new Map<number, SendFailure>()
      for (const index of portion) {
        const code = failures.size > 0 ? -152 : codes[all[index]!.topic]
        if (code !== undefined) failures.set(index, { code, message: `code ${code}`, local: false })
      }
      return Promise.resolve(failures)
    },
  } as unknown as ProducerClient
  const transactions = {
    begin: () => Promise.resolve(),
    abort: () => Promise.resolve(),
  } as unknown as TransactionClient
  const clock = new ManualClock()
  return {
    records,
    reports,
    transactions,
    isCompressed: false,
    deadline: () => new Deadline(clock, 1_000),
    callMs: 1_000,
  }
}

test('a right that is missing refuses no record: it is said, with the topic, and nothing becomes a dead letter', async () => {
  const trial = tryRecords([record('compacted'), record('secret')], parts({ compacted: 87, secret: 29 }))
  await expect(trial).rejects.toMatchObject({
    fault: 'not-allowed',
    message: expect.stringContaining('secret') as string,
  })
})

test('each record that is refused is found, the others are not blamed', async () => {
  const results = await tryRecords(['fine', 'compacted', 'fine', 'compacted'].map(record), parts({ compacted: 87 }))
  expect(results.map((result) => result !== null)).toEqual([false, true, false, true])
})
