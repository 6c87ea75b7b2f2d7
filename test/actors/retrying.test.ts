/** What a partition actor says of the records that it tries again. */
import { expect, test } from 'vitest'
import { failure, makeActor, sourceRecord } from './actor-fixture.ts'

test('what is tried again is the first record of each lane that failed, with those behind it, from the oldest failure on', async () => {
  const { actor, clock, take } = makeActor()
  actor.admit([sourceRecord(0, 'a'), sourceRecord(1, 'a'), sourceRecord(2, 'b'), sourceRecord(3, 'c')])
  expect(actor.retrying).toBeNull()
  const [a, b] = [take(1), take(1)]
  take(1)
  await clock.advance(50)
  const sinceMs = clock.now()
  actor.settle(b, [failure])
  await clock.advance(40)
  actor.settle(a, [failure])
  expect(actor.retrying).toMatchObject({ lanes: 2, records: 3, oldest: { id: 'clicks/0/2', failures: 1, sinceMs } })
  // Also while it is at the handler again, and whatever somebody does to the wall clock.
  await clock.advance(60)
  const again = take(1)
  expect(actor.retrying).toMatchObject({ lanes: 2, oldest: { id: 'clicks/0/2', failures: 1 } })
  clock.stepWall(-3_600_000)
  actor.settle(again, [failure])
  expect(actor.retrying).toMatchObject({ oldest: { failures: 2, sinceMs, error: { message: 'boom' } } })
})

test('a parked record is not tried again by itself; on the word of an operator it is, from then on', async () => {
  const { actor, clock, take } = makeActor({
    actor: { failedRecords: 'park', retry: { attempts: 2, backoffMs: 10, maxBackoffMs: 10, jitter: 0 } },
  })
  actor.admit([sourceRecord(0, 'a'), sourceRecord(1, 'a')])
  actor.settle(take(1), [failure])
  await clock.advance(10)
  expect(actor.retrying).toMatchObject({ lanes: 1, records: 2 })
  actor.settle(take(1), [failure])
  expect(actor.retrying).toBeNull()
  await clock.advance(3_600_000)
  actor.admit([sourceRecord(2, 'b')])
  actor.settle(take(1), [failure])
  const other = { oldest: { id: 'clicks/0/2', sinceMs: clock.now() } }
  expect(actor.retrying).toMatchObject({ lanes: 1, records: 1, ...other })
  await clock.advance(5)
  actor.decide('clicks/0/0', 'retry')
  expect(actor.retrying).toMatchObject({ lanes: 2, records: 3, ...other })
})
