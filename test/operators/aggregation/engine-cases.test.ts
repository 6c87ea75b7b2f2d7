import { describe, expect, test } from 'vitest'
import { startTestApp } from '../../../src/testing/app/start-test-app.ts'
import { aggregationOf, cases, recordOf, results } from './cases.ts'

/** Of what one record brings twice for a window, such as a session that is taken back and has grown at once, the last goes out. */
const lastsOf = (outputs: readonly string[]) =>
  outputs.filter((output, at) => !output.endsWith('=null') || outputs[at + 1]?.split('=')[0] !== output.split('=')[0])

describe('the cases of aggregations, on the engine', () => {
  // The client takes a timestamp of 0 for none: times are those that the values tell.
  test.for(cases)('$title', async (each) => {
    const app = await startTestApp(aggregationOf(each), { startMs: 1 })
    for (const { key, timeMs, value } of each.records.map(recordOf)) {
      await app.send(value, { key, timestamp: timeMs === 0 ? 1 : timeMs })
    }
    expect(app.read(results).map(({ value }) => value)).toEqual(lastsOf(each.outputs))
    const reasons = Object.values(each.aside ?? {})
    const counted = Object.fromEntries(
      reasons.map((reason) => [reason, reasons.filter((other) => other === reason).length]),
    )
    expect(app.status().actors[0]?.aside).toEqual(counted)
    expect(app.deadLetters()).toEqual([])
    await app.close()
  })
})
