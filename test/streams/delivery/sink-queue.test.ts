import { describe, expect, test } from 'vitest'
import { TroupeError } from '../../../src/errors.ts'
import { silentLog } from '../../../src/log.ts'
import type { WriteAnswer, WriteResult } from '../../../src/streams/broker-port.ts'
import { SinkQueue } from '../../../src/streams/delivery/sink-queue.ts'
import { OpenWaits } from '../../../src/metrics/open-waits.ts'
import { SinkStats } from '../../../src/metrics/stats.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'

function makeQueue(maxBatch = 100, lingerMs = 0) {
  const clock = new ManualClock()
  const stats = new SinkStats('db')
  const waits = new OpenWaits(clock)
  const writes: string[][] = []
  const answers: ((results: readonly WriteAnswer[] | Error) => void)[] = []
  const settled: [string, WriteResult][] = []
  const lines: string[] = []
  const log = { ...silentLog, warn: (_: object, line: string) => lines.push(line) }
  const queue = new SinkQueue<string>({
    name: 'db',
    maxBatch,
    lingerMs,
    clock,
    log,
    stats,
    waits,
    write: (batch) => {
      writes.push(batch.map(({ output }) => output))
      return new Promise((resolve, reject) => {
        answers.push((results) => {
          if (results instanceof Error) reject(results)
          else resolve(results)
        })
      })
    },
  })
  const owner = { isFenced: false }
  const push = (output: string, by: { isFenced: boolean } = owner): void => {
    queue.push({ id: output, output, ticket: { owner: by, settle: (result) => void settled.push([output, result]) } })
  }
  const answer = async (results: readonly WriteAnswer[] | Error): Promise<void> => {
    answers.shift()?.(results)
    await clock.settle()
  }
  return { queue, clock, stats, waits, writes, settled, lines, push, answer }
}

const away = new TroupeError('SINK_UNAVAILABLE', 'connection refused')

describe('order and batches', () => {
  test('what is pushed in one turn is written as one batch, in order; what comes meanwhile as the next', async () => {
    const { clock, push, writes, answer } = makeQueue()
    push('a')
    push('b')
    await clock.settle()
    push('c')
    push('d')
    await clock.settle()
    expect(writes).toEqual([['a', 'b']])
    await answer([null, null])
    expect(writes).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ])
  })

  test('a batch holds no more than the sink takes', async () => {
    const { clock, push, writes, answer } = makeQueue(2)
    for (const output of ['a', 'b', 'c']) push(output)
    await clock.settle()
    await answer([null, null])
    expect(writes).toEqual([['a', 'b'], ['c']])
  })
})

describe('a queue that lingers', () => {
  test('gathers what comes within that time, and waits for nothing once it writes', async () => {
    const { clock, push, writes, answer } = makeQueue(100, 20)
    push('a')
    await clock.advance(19)
    push('b')
    expect(writes).toEqual([])
    await clock.advance(1)
    expect(writes).toEqual([['a', 'b']])
    push('c')
    await answer([null, null])
    expect(writes).toEqual([['a', 'b'], ['c']])
  })

  test('writes a full batch at once', async () => {
    const { clock, push, writes } = makeQueue(2, 20)
    push('a')
    push('b')
    push('c')
    await clock.settle()
    expect(writes).toEqual([['a', 'b']])
  })

  test('that is closed meanwhile writes nothing', async () => {
    const { clock, push, queue, writes } = makeQueue(100, 20)
    push('a')
    queue.close()
    await clock.advance(100)
    expect(writes).toEqual([])
  })
})

describe('unavailable', () => {
  test('each outage is told of as it begins, and when its reason changes: also a second one for the same reason', async () => {
    const { answer, clock, lines, push } = makeQueue()
    const told = `sink db is unavailable; records wait, nothing is lost: ${away.message}`
    for (const outage of ['first', 'second']) {
      push(outage)
      await clock.settle()
      for (let write = 0; write < 25; write += 1) {
        await answer(away)
        await clock.advance(5_000)
      }
      await answer([null])
    }
    expect(lines).toEqual([told, told])
  })

  test('waits without limit, writes the same batch again before anything else, and settles nothing meanwhile', async () => {
    const { clock, push, queue, writes, settled, answer } = makeQueue()
    push('a')
    await clock.settle()
    push('b')
    await answer(away)
    expect(queue.trouble?.reason).toBe('connection refused')
    for (let times = 0; times < 50; times += 1) {
      await clock.advance(5_000)
      await answer(away)
    }
    expect(settled).toEqual([])
    expect(new Set(writes.map((batch) => batch.join()))).toEqual(new Set(['a']))
    await clock.advance(5_000)
    await answer([null])
    expect(queue.trouble).toBeNull()
    await answer([null])
    expect(settled).toEqual([
      ['a', null],
      ['b', null],
    ])
  })

  test('what is durable of a batch stays durable; the rest goes again, in order and before anything else', async () => {
    const { clock, push, queue, stats, writes, settled, answer } = makeQueue()
    for (const output of ['a', 'b', 'c', 'd']) push(output)
    await clock.settle()
    push('e')
    await answer([null, 'again', null, 'again'])
    expect(settled).toEqual([
      ['a', null],
      ['c', null],
    ])
    expect(writes.at(-1)).toEqual(['b', 'd'])
    expect([queue.trouble, stats.queued, stats.durable]).toEqual([null, 3, 2])
    await answer([null, null])
    expect(writes.at(-1)).toEqual(['e'])
  })

  test('a destination that gets on with nothing at all is left alone for a while', async () => {
    const { clock, push, writes, answer } = makeQueue()
    push('a')
    await clock.settle()
    await answer(['again'])
    expect(writes).toHaveLength(1)
    await clock.advance(100)
    expect(writes).toEqual([['a'], ['a']])
  })

  test('outputs of an epoch that ended meanwhile are not written again', async () => {
    const { clock, push, stats, writes, settled, answer } = makeQueue()
    const lost = { isFenced: false }
    push('lost', lost)
    push('kept')
    await clock.settle()
    await answer(away)
    lost.isFenced = true
    await clock.advance(100)
    expect(writes.at(-1)).toEqual(['kept'])
    await answer([null])
    expect(settled).toEqual([['kept', null]])
    expect([stats.purged, stats.queued]).toEqual([1, 0])
  })
})

describe('the outputs of one record', () => {
  const pushRecord = ({ queue }: ReturnType<typeof makeQueue>, ...outputs: string[]): void => {
    const ticket = { owner: { isFenced: false }, settle: () => undefined }
    for (const output of outputs) queue.push({ id: output, output, ticket })
  }

  test.each([
    ['begin the next batch where they do not fit', 3, [['a1', 'a2'], ['b1', 'b2', 'b3'], ['c1']]],
    ['fill a batch to the last place', 5, [['a1', 'a2', 'b1', 'b2', 'b3'], ['c1']]],
    ['are more than a batch holds, and are written at once', 1, [['a1', 'a2'], ['b1', 'b2', 'b3'], ['c1']]],
  ])('are never cut apart: they %s', async (_, maxBatch, expected) => {
    const made = makeQueue(maxBatch)
    pushRecord(made, 'a1', 'a2')
    pushRecord(made, 'b1', 'b2', 'b3')
    pushRecord(made, 'c1')
    await made.clock.settle()
    for (const batch of expected) await made.answer(batch.map(() => null))
    expect(made.writes).toEqual(expected)
  })
})

test('a refused output is answered alone', async () => {
  const { clock, push, settled, answer } = makeQueue()
  const refusal = new Error('not an inet')
  push('a')
  push('b')
  await clock.settle()
  await answer([refusal, null])
  expect(settled).toEqual([
    ['a', refusal],
    ['b', null],
  ])
})

test('a sink that answers for fewer outputs than it was given has made none of the others durable', async () => {
  const { clock, push, settled, answer } = makeQueue()
  push('a')
  push('b')
  await clock.settle()
  await answer([null])
  expect(settled[1]?.[1]).toBeInstanceOf(Error)
})

// JavaScript does not ask what `write` returns.
test.each([undefined, null, 5])('a sink that answers with %s has said nothing: outputs wait', async (nonsense) => {
  const { clock, push, queue, settled, writes, answer } = makeQueue()
  push('a')
  await clock.settle()
  await answer(nonsense as unknown as WriteResult[])
  expect(queue.trouble?.reason).toMatch(/answer/)
  await clock.advance(10_000)
  await answer([null])
  expect(writes).toEqual([['a'], ['a']])
  expect(settled).toEqual([['a', null]])
})

test('an error thrown by whoever waits for an output is a bug of theirs, not an outage: nothing is written again', async () => {
  const { queue, clock, stats, writes, answer } = makeQueue()
  const bug = new Error('a bug')
  const failures: unknown[] = []
  queue.onFailure = (error) => failures.push(error)
  queue.push({
    id: 'a',
    output: 'a',
    ticket: {
      owner: { isFenced: false },
      settle: () => {
        throw bug
      },
    },
  })
  await clock.settle()
  await answer([null])
  expect(queue.trouble).toBeNull()
  expect(stats.unavailable).toBe(0)
  await clock.advance(10_000)
  expect(writes).toEqual([['a']])
  expect(failures).toEqual([bug])
})

// Case 7: the write of an ended epoch comes back late.
test('nothing is settled for an epoch that ended while its output was being written', async () => {
  const { clock, push, settled, answer } = makeQueue()
  const lost = { isFenced: false }
  push('a', lost)
  await clock.settle()
  lost.isFenced = true
  await answer([null])
  expect(settled).toEqual([])
})

test('a closed queue ends its wait and writes nothing more', async () => {
  const { clock, push, queue, writes, answer } = makeQueue()
  push('a')
  await clock.settle()
  await answer(away)
  queue.close()
  await clock.advance(60_000)
  expect(writes).toHaveLength(1)
  expect(clock.pendingTimers).toBe(0)
})

// A write beside one that is not answered could turn the order round.
test('a write that is not answered is told of, and neither given up nor made again', async () => {
  const { clock, push, waits, writes, settled, answer } = makeQueue()
  push('a')
  await clock.settle()
  await clock.advance(119_000)
  expect(waits.describeOverdue()).toEqual([])
  await clock.advance(481_000)
  expect(waits.describeOverdue().map(({ says }) => says)).toEqual(['sink db has not answered for 600 s'])
  expect(waits.overdue('sink-write')).toBe(1)
  expect(writes).toEqual([['a']])
  await answer([null])
  expect(settled).toEqual([['a', null]])
  expect(waits.describeOverdue()).toEqual([])
  expect([waits.overdue('sink-write'), waits.everOverdue('sink-write')]).toEqual([0, 1])
})
