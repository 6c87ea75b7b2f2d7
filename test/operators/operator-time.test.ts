/** What an operator is told of time in the engine: by what the values of its topic say, in the order of the partition. */
import { describe, expect, test } from 'vitest'
import { nothing, type Operator } from '../../src/operators/operator.ts'
import { checkpointPoints } from '../../src/streams/delivery/checkpoint-points.ts'
import { json, text } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'
import { startTestApp } from '../../src/testing/app/start-test-app.ts'

interface Sale {
  readonly at: number
  readonly amount: number
}

const sales = topic('sales', { key: text, value: json<Sale>(), time: (sale) => sale.at })
const totals = topic('totals', { key: text, value: json<string>() })

interface Rules {
  readonly sizeMs: number
  readonly graceMs: number
  readonly maxAdvanceMs?: number
  readonly idleAfterMs?: number
}

/** Sums a key's sales in windows, each told once when it is closed; what came late, or is far ahead, is told too. */
function summing({ graceMs, idleAfterMs, maxAdvanceMs, sizeMs }: Rules): Operator {
  type Open = Readonly<Record<string, number>>
  const closeMs = (start: string | number): number => Number(start) + sizeMs + graceMs
  const tell = (key: string, line: string) => ({ effect: totals.record(line, { key }) })
  const first = (open: Open): number | null => {
    const starts = Object.keys(open)
    return starts.length === 0 ? null : Math.min(...starts.map(closeMs))
  }
  return {
    kind: 'operator',
    what: 'summing',
    inputs: [sales],
    outputs: [totals],
    states: [{ name: 'open', codec: { ...json<unknown>(), name: 'sums' }, ttlMs: null }],
    maxAdvanceMs: maxAdvanceMs ?? null,
    idleAfterMs: idleAfterMs ?? null,
    take({ isFarFuture, keyText, streamTimeMs, timeMs, value }, kept) {
      if (keyText === null) return nothing
      if (isFarFuture) return { effects: [], deadLetter: `${timeMs} is far from ${streamTimeMs}`, aside: 'far-future' }
      const start = Math.floor(timeMs / sizeMs) * sizeMs
      if (streamTimeMs >= closeMs(start)) return { effects: [tell(keyText, `${timeMs} is late`)], aside: 'late' }
      const before = (kept.get(0, keyText) ?? {}) as Open
      const open = { ...before, [start]: (before[start] ?? 0) + (value as Sale).amount }
      kept.set(0, keyText, open)
      kept.setTimer(keyText, first(open))
      return nothing
    },
    due({ dueMs, keyText }, kept) {
      const open = kept.get(0, keyText) as Open
      const over = Object.entries(open).filter(([start]) => closeMs(start) <= dueMs)
      const left = Object.fromEntries(Object.entries(open).filter(([start]) => closeMs(start) > dueMs))
      kept.set(0, keyText, Object.keys(left).length === 0 ? undefined : left)
      kept.setTimer(keyText, first(left))
      return { effects: over.map(([start, sum]) => tell(keyText, `${start}: ${sum}`)) }
    },
  }
}

type App = Awaited<ReturnType<typeof startTestApp>>

const seen = (app: App) => app.read(totals).map(({ options, value }) => `${String(options.key)} ${value}`)

async function sell(app: App, key: string, amount: number, at: number, partition = 0): Promise<void> {
  await app.send({ at, amount }, { key, partition })
}

test('a window is closed for all keys of its partition by the time that values tell, with grace (T12)', async () => {
  const app = await startTestApp(summing({ sizeMs: 10, graceMs: 2 }))
  await sell(app, 'key1', 1, 100)
  await sell(app, 'key2', 5, 102)
  await sell(app, 'key1', 3, 105)
  await sell(app, 'key2', 7, 108)
  await sell(app, 'key1', 9, 110)
  expect(seen(app)).toEqual([])
  await sell(app, 'key2', 2, 109)
  expect(seen(app)).toEqual([])
  await sell(app, 'key1', 9, 112)
  expect(seen(app)).toEqual(['key1 100: 4', 'key2 100: 14'])
  await app.close()
})

test('time is of a partition: a far time in one closes nothing in another (T18)', async () => {
  const app = await startTestApp(summing({ sizeMs: 10, graceMs: 0 }), { partitions: 2 })
  await sell(app, 'a', 1, 100, 0)
  await sell(app, 'b', 2, 100, 1)
  await sell(app, 'a', 1, 4_070_908_800_000, 0)
  expect(seen(app)).toEqual(['a 100: 1'])
  await sell(app, 'b', 3, 101, 1)
  await sell(app, 'b', 1, 110, 1)
  expect(seen(app)).toEqual(['a 100: 1', 'b 100: 5'])
  await app.close()
})

test('a record of the year 2099 goes aside and closes nothing, where it may not move time so far; the first of all may (T19)', async () => {
  const app = await startTestApp(summing({ sizeMs: 10, graceMs: 0, maxAdvanceMs: 1_000 }))
  await sell(app, 'a', 1, 1_767_000_000_000)
  await sell(app, 'a', 1, 4_070_908_800_000)
  await sell(app, 'a', 2, 1_767_000_000_001)
  await app.crash()
  await sell(app, 'a', 1, 4_070_908_800_000)
  await sell(app, 'a', 4, 1_767_000_000_002)
  expect(seen(app)).toEqual([])
  expect(app.deadLetters().map(({ id }) => id)).toEqual(['sales/0/1', 'sales/0/3'])

  await sell(app, 'a', 8, 1_767_000_001_002)
  expect(seen(app)).toEqual(['a 1767000000000: 7'])
  await app.close()
})

describe('a crash', () => {
  test.each(checkpointPoints)(
    '%s: stream time and what it has closed are those of the position after it',
    async (point) => {
      const app = await startTestApp(summing({ sizeMs: 10, graceMs: 0 }))
      await sell(app, 'a', 1, 100)
      await sell(app, 'b', 2, 104)
      app.append({ at: 111, amount: 4 }, { key: 'a' })
      app.append({ at: 105, amount: 8 }, { key: 'b' })
      await app.crash({ at: point })
      await app.rebalance()
      await sell(app, 'b', 8, 106)
      expect(seen(app)).toEqual(['a 100: 1', 'b 100: 2', 'b 105 is late', 'b 106 is late'])
      await app.close()
    },
  )
})

describe('an idle input', () => {
  const rules = { sizeMs: 60_000, graceMs: 0 }

  test('has its windows closed after a while of silence, and what comes for them then is late, after a restart too (T17)', async () => {
    const app = await startTestApp(summing({ ...rules, idleAfterMs: 5_000 }))
    await sell(app, 'a', 1, 10_000)
    await app.idle(3_000)
    expect(seen(app)).toEqual([])
    await app.idle(4_000)
    expect(seen(app)).toEqual(['a 0: 1'])
    await app.crash()
    await sell(app, 'a', 1, 20_000)
    await sell(app, 'a', 1, 60_000)
    expect(seen(app)).toEqual(['a 0: 1', 'a 20000 is late'])
    await app.close()
  })

  test('has them closed after a restart, where silence goes on', async () => {
    const app = await startTestApp(summing({ ...rules, idleAfterMs: 60_000 }))
    await sell(app, 'a', 1, 10_000)
    await app.crash()
    await app.idle(70_000)
    expect(seen(app)).toEqual(['a 0: 1'])
    await app.close()
  })

  test('has none closed by the clock, unless that is asked for', async () => {
    const app = await startTestApp(summing(rules))
    await sell(app, 'a', 1, 10_000)
    await app.idle(86_400_000)
    expect(seen(app)).toEqual([])
    await app.close()
  })
})
