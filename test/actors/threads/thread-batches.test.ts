/** What a thread does with batches, here without a thread. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test, vi } from 'vitest'
import type { HandlerRunner } from '../../../src/actors/handlers/handler-runner.ts'
import { systemClock } from '../../../src/clock.ts'
import { ProgressBoard } from '../../../src/actors/threads/protocol/progress-board.ts'
import { ThreadBatches } from '../../../src/actors/threads/thread-batches.ts'
import { packBatch, unpackReply, type BatchMessage } from '../../../src/actors/threads/protocol/thread-protocol.ts'
import { skipVerdict, type Verdict } from '../../../src/actors/handlers/verdict.ts'
import type { SourceRecord } from '../../../src/streams/record.ts'
import { sourceRecord } from '../actor-fixture.ts'

type Run = (record: SourceRecord) => Verdict | Promise<Verdict>

function open(run: Run, onSent: () => void = () => undefined): ThreadBatches {
  return new ThreadBatches({
    board: new ProgressBoard(4, 16).shared,
    handlers: new Map([
      ['enrich', { runner: { run, leftOverRecords: 0 } as unknown as HandlerRunner, concurrency: 100 }],
    ]),
    send: onSent,
    clock: systemClock,
    busy: { begin: () => undefined, take: () => 0 },
  })
}

/** One record, or several, each a run for itself. */
function batch(number: number, records: readonly SourceRecord[], isAlone = false): BatchMessage {
  const runs = records.map((record) => ({ actor: 'enrich', records: [{ record, attempt: 1 }] }))
  return packBatch({ number, row: number, isAlone }, runs)
}

test('a batch that has to run alone begins when the outcomes before it have left', async () => {
  const seen: string[] = []
  let settle: (verdict: Verdict) => void = () => undefined
  const batches = open(
    ({ offset }) => {
      seen.push(`record ${offset}`)
      return offset === 0 ? new Promise((resolve) => (settle = resolve)) : skipVerdict
    },
    () => seen.push('outcomes sent'),
  )
  expect(unpackReply(await batches.run(batch(0, [sourceRecord(0)])))).toEqual([null])
  const suspect = batches.run(batch(1, [sourceRecord(1)], true))
  settle(skipVerdict)
  await suspect
  expect(seen).toEqual(['record 0', 'outcomes sent', 'record 1'])
})

test('of records that main has not counted no more wait than its share; the others go back', async () => {
  let begun = 0
  const batches = open(() => {
    begun += 1
    return new Promise(() => undefined)
  })
  const records = Array.from({ length: 5 }, (_, offset) => sourceRecord(offset))
  const results = unpackReply(await batches.run({ ...batch(0, records), places: new Map([['enrich', 2]]) }))
  expect([begun, results.map((result) => result?.verdicts ?? null)]).toEqual([2, [null, null, [], [], []]])
})

test('what the thread did before its first batch is no cost of that batch', async () => {
  const batches = open(() => skipVerdict)
  const busyUntil = performance.now() + 200
  while (performance.now() < busyUntil);
  const sentAt = performance.now()
  const { busyMs } = await batches.run(batch(0, [sourceRecord(0)]))
  expect(busyMs).toBeLessThanOrEqual(performance.now() - sentAt)
})

test('a record that waits keeps its own bytes, not those of the whole batch', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const waiting: SourceRecord[] = []
  const batches = open((record) => {
    waiting.push(record)
    return new Promise(() => undefined)
  })
  const record = (offset: number): SourceRecord => ({
    ...sourceRecord(offset, 'a key'),
    value: Buffer.from('a value'),
    headers: [
      ['name', Buffer.from('of a header')],
      ['null', null],
    ],
  })
  // The first batch tells that this handler waits.
  await batches.run(batch(0, [record(0)]))
  const run = async (): Promise<WeakRef<object>> => {
    const message = batch(1, [record(1), record(2)])
    const slab = new WeakRef(message.slab.buffer)
    await batches.run(message)
    return slab
  }
  const slab = await run()
  await vi.waitFor(
    () => {
      collect()
      if (slab.deref() !== undefined) throw new Error('the slab of the batch is still held')
    },
    { timeout: 30_000 },
  )
  expect(waiting.slice(1)).toEqual([record(1), record(2)])
})
