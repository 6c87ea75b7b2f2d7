/** A window whose result fails for good costs that window, and nothing that comes after it. */
import { expect, test } from 'vitest'
import { defineAggregation } from '../../../src/operators/aggregation/aggregation.ts'
import { hopping, session, sliding, tumbling } from '../../../src/operators/windows/declared-window.ts'
import { json, text } from '../../../src/streams/flows/codec.ts'
import { topic } from '../../../src/streams/flows/flow.ts'
import { startTestApp } from '../../../src/testing/app/start-test-app.ts'

const START_MS = Date.UTC(2026, 0, 1)
const input = topic('clicks', { key: text, value: json<number>() })
const finals = topic('finals', { key: text, value: json<number>() })

const windows = {
  tumbling: { window: tumbling({ sizeMs: 10_000 }), each: 1 },
  hopping: { window: hopping({ sizeMs: 10_000, advanceMs: 5_000 }), each: 2 },
  session: { window: session({ gapMs: 2_000 }), each: 1 },
  sliding: { window: sliding({ sizeMs: 5_000 }), each: 1 },
}

test.each(Object.entries(windows))(
  'a window that is given up is the only one that is missing: %s',
  async (_, { each, window }) => {
    const aggregation = defineAggregation({
      input,
      window,
      outputs: [finals],
      values: ({ count }) => ({ count: count() }),
      result: ({ values: { count }, window: { endMs } }) => {
        if (endMs < START_MS + 15_000) throw new Error('a bad division')
        return [finals.record(count)]
      },
    })
    const app = await startTestApp(aggregation, { startMs: START_MS, actor: { retry: { attempts: 1 } } })
    for (const ms of [0, 20_000, 40_000, 60_000, 80_000]) {
      await app.send(1, { key: 'k', timestamp: START_MS + ms })
    }
    expect(app.deadLetters().map(({ message }) => message)).toContain('a bad division')
    expect(app.read(finals).map(({ value }) => value)).toEqual(Array.from({ length: 3 * each }, () => 1))
    await app.close()
  },
)
