/** What handlers of both kinds make of a record whose schema is not known: nobody is asked, and nothing overtakes it. */
import { describe, expect, test } from 'vitest'
import { defineBatchHandler } from '../../../src/actors/handlers/batch-handler.ts'
import { BatchRunner } from '../../../src/actors/handlers/batch-runner.ts'
import { defineHandler, done, type ErrorDecision } from '../../../src/actors/handlers/handler.ts'
import { HandlerRunner } from '../../../src/actors/handlers/handler-runner.ts'
import { silentLog } from '../../../src/log.ts'
import type { Order } from '../../../src/options/options.ts'
import { topic } from '../../../src/streams/flows/flow.ts'
import type { SourceRecord } from '../../../src/streams/record.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { FakeSchemas } from '../../support/fake-schemas.ts'
import { headed, withId } from '../../support/header-codec.ts'

const input = topic('orders', { value: headed() })
let offset = 0

function record(key: string | null, id: number, body: unknown = null): SourceRecord {
  const at = { topic: 'orders', partition: 0, offset: offset++, timestamp: 0, headers: [] }
  return { ...at, key: key === null ? null : Buffer.from(key), value: withId(id, body) }
}

async function knowing(...ids: number[]): Promise<FakeSchemas> {
  const clock = new ManualClock()
  const schemas = new FakeSchemas(clock)
  for (const id of ids) {
    schemas.register(id, id < 100 ? undefined : null)
    schemas.whenKnown(id, () => undefined)
  }
  await clock.settle()
  return schemas
}

const common = { name: 'bill', handlerTimeoutMs: 1_000, idHeader: false, log: silentLog, clock: new ManualClock() }

async function single(schemas: FakeSchemas, word?: ErrorDecision) {
  const asked: unknown[] = []
  const onError = (error: unknown): ErrorDecision | undefined => {
    asked.push(error)
    return word
  }
  const handler = defineHandler({
    input: topic('orders', { key: headed(), value: headed() }),
    onError,
    handle: () => done(),
  })
  return { asked, runner: await HandlerRunner.open({ ...common, handler: handler as never, schemas }) }
}

async function batch(schemas: FakeSchemas, order: Order, word?: ErrorDecision) {
  const calls: unknown[][] = []
  const asked: unknown[] = []
  const handler = defineBatchHandler({
    input,
    onError(error): ErrorDecision | undefined {
      asked.push(error)
      return word
    },
    handle(records) {
      calls.push(records.map(({ value }) => value.body))
      return done()
    },
  })
  const runner = await BatchRunner.open({ ...common, handler: handler as never, schemas, order })
  const run = async (...records: readonly SourceRecord[]) =>
    (await runner.run(records.map((each) => ({ record: each, attempt: 1 })))).map(({ type }) => type)
  return { asked, calls, run }
}

describe('a record whose schema is not known', () => {
  test('is none of the handler and none of its onError: of its key and of its value', async () => {
    const { asked, runner } = await single(await knowing(1), 'dead-letter')
    const both = { ...record('', 17), key: withId(1, 'k') }
    expect(await runner.run(both, 1)).toEqual({ type: 'needs-schema', id: 17 })
    expect(await runner.run({ ...both, key: withId(18, 'k') }, 1)).toEqual({ type: 'needs-schema', id: 18 })
    expect(asked).toEqual([])
  })

  test('is an ordinary failure where the registry has none: onError is asked', async () => {
    const { asked, runner } = await single(await knowing(1, 117))
    const verdict = await runner.run({ ...record('', 117), key: withId(1, 'k') }, 1)
    expect(verdict).toMatchObject({
      type: 'dead-letter',
      error: { code: 'SCHEMA_UNKNOWN' },
    })
    expect(asked).toMatchObject([{ code: 'SCHEMA_UNKNOWN' }])
  })

  test.each([
    ['key', ['a', 'a', 'b', null], ['needs-schema', 'unrun', 'done', 'done'], [[2, 3]]],
    ['partition', ['a', 'a', 'b', null], ['needs-schema', 'unrun', 'unrun', 'unrun'], []],
    ['unordered', ['a', 'a', 'b', null], ['needs-schema', 'done', 'done', 'done'], [[1, 2, 3]]],
  ] as const)(
    'in a call, by %s: others go on with it, what comes after it in its order does not',
    async (order, keys, verdicts, calls) => {
      const made = await batch(await knowing(1), order, 'dead-letter')
      expect(await made.run(...keys.map((key, at) => record(key, at === 0 ? 17 : 1, at)))).toEqual(verdicts)
      expect([made.calls, made.asked]).toEqual([calls, []])
    },
  )

  test('in a call, without a key, holds back nothing of its partition', async () => {
    const { calls, run } = await batch(await knowing(1), 'key')
    expect(await run(record(null, 17, 0), record(null, 1, 1))).toEqual(['needs-schema', 'done'])
    expect(calls).toEqual([[1]])
  })
})

test('what onError has go again because it does not decode is not overtaken in its call either', async () => {
  const { calls, run } = await batch(await knowing(1, 117), 'key', 'retry')
  expect(await run(record('a', 117, 0), record('a', 1, 1), record('b', 1, 2))).toEqual(['retry', 'unrun', 'done'])
  expect(calls).toEqual([[2]])
})
