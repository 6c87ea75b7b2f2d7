import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { OpenWaits } from '../../../../src/metrics/open-waits.ts'
import { fetchCommitted, fetchWatermarks } from '../../../../src/streams/kafka/consumer/position-queries.ts'
import type { NativeConsumer } from '../../../../src/streams/kafka/native.ts'

const waits = new OpenWaits()
const place = { topic: 'clicks', partition: 0 }

/** A client whose questions about positions end like this. */
const failing = (error: object): NativeConsumer =>
  ({
    committed: (_asked: unknown, _timeoutMs: number, done: (error: object) => void) => done(error),
    queryWatermarkOffsets: (
      _topic: string,
      _partition: number,
      _timeoutMs: number,
      done: (error: object, offsets?: object) => void,
    ) => done(error),
  }) as unknown as NativeConsumer

const causeOf = async (answer: Promise<unknown>): Promise<unknown> => {
  const error: unknown = await answer.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return (error as { code?: unknown }).code
}

// An outage is waited for without limit. What a broker has refused would be asked for ever.
describe.each([
  ['timed out', -185, 'Local: Timed out', 'BROKER_UNREACHABLE'],
  ['lost its connection', -195, 'Local: Broker transport failure', 'BROKER_UNREACHABLE'],
  ['was asked while the coordinator moves', 15, 'Broker: Coordinator not available', 'BROKER_UNREACHABLE'],
  ['was asked while no broker leads the partition', 5, 'Broker: Leader not available', 'BROKER_UNREACHABLE'],
  ['leads the partition and has not caught up yet', 78, 'Broker: Offset not available', 'BROKER_UNREACHABLE'],
  ['was asked for a newer leader than it knows of', 75, 'Broker: Unknown leader epoch', 'BROKER_UNREACHABLE'],
  ['was asked for an older leader', 74, 'Broker: Fenced leader epoch', 'BROKER_UNREACHABLE'],
  ['has lost its replica', 9, 'Broker: Replica not available', 'BROKER_UNREACHABLE'],
  ['has lost its disk', 56, 'Broker: Disk error', 'BROKER_UNREACHABLE'],
  ['left the cluster while it was asked', -137, 'Local: Broker handle destroyed', 'BROKER_UNREACHABLE'],
  ['never got the question', -166, 'Local: Timed out in queue', 'BROKER_UNREACHABLE'],
  ['has no right to the group', 30, 'Broker: Group authorization failed', 'NOT_AUTHORIZED'],
  ['has no right to the topic', 29, 'Broker: Topic authorization failed', 'NOT_AUTHORIZED'],
  ['names a partition that is gone', -190, 'Local: Unknown partition', undefined],
])('a question that %s', (_, nativeCode, message, code) => {
  const error = Object.assign(new Error(message), { code: nativeCode })

  test('for committed positions', async () => {
    expect(await causeOf(fetchCommitted(failing(error), [place], 1000, waits))).toBe(code)
  })

  test('for the ends of a log', async () => {
    expect(await causeOf(fetchWatermarks(failing(error), place, 1000, waits))).toBe(code)
  })
})

test('of a partition that is refused the binding gives the text only', async () => {
  const client = {
    committed: (_asked: unknown, _timeoutMs: number, done: (error: null, list: readonly unknown[]) => void) =>
      done(null, [{ ...place, partition: 1, offset: 5 }, new Error('Broker: Topic authorization failed')]),
  } as unknown as NativeConsumer
  await expect(fetchCommitted(client, [place, { ...place, partition: 1 }], 1000, waits)).rejects.toMatchObject({
    code: 'NOT_AUTHORIZED',
    message: 'The committed positions could not be read: Broker: Topic authorization failed',
  })
})

// The client answers after its own time-out. Should it not, the assignment that waits for it would wait for ever.
describe('a question that the client never answers', () => {
  const silent = {
    committed: () => undefined,
    queryWatermarkOffsets: () => undefined,
  } as unknown as NativeConsumer

  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  test.each([
    ['for committed positions', () => fetchCommitted(silent, [place], 1000, waits)],
    ['for the ends of a log', () => fetchWatermarks(silent, place, 1000, waits)],
  ])('%s is given up', async (_, ask) => {
    let code: unknown = 'none yet'
    void causeOf(ask()).then((cause) => (code = cause))
    await vi.advanceTimersByTimeAsync(60_000)
    expect(code).toBe('ANSWER_OVERDUE')
  })
})
