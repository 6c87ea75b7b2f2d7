/** Case 47: what crosses is what was given, to the byte, and the originals stay whole. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  packBatch,
  packOutcomes,
  packReply,
  unpackBatch,
  unpackOutcomes,
  unpackReply,
  type PackedRun,
} from '../../../../src/actors/threads/protocol/thread-protocol.ts'
import type { Verdict } from '../../../../src/actors/handlers/verdict.ts'
import { RetryableError, TroupeError, fromWireError, toWireError } from '../../../../src/errors.ts'
import type { EncodedEffect } from '../../../../src/streams/flows/effect-encoder.ts'
import type { RecordHeader, SourceRecord } from '../../../../src/streams/record.ts'

const bytes = fc.uint8Array({ maxLength: 64 }).map((array) => Buffer.from(array))
const maybeBytes = fc.option(bytes)
const name = fc.string({ minLength: 1, maxLength: 12 })
const text = fc.string({ unit: 'binary', maxLength: 64 })
const headers: fc.Arbitrary<RecordHeader[]> = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'ünï', ''), maybeBytes), {
  maxLength: 5,
})
const offset = fc.oneof(
  fc.nat(),
  fc.integer({ min: 2 ** 31, max: 2 ** 33 }),
  fc.integer({ min: 2 ** 53 - 9, max: 2 ** 53 - 1 }),
)

const record: fc.Arbitrary<SourceRecord> = fc.record({
  topic: name,
  partition: fc.nat(100_000),
  offset,
  timestamp: fc.oneof(fc.constant(-1), fc.integer({ min: 0, max: 2 ** 42 })),
  key: maybeBytes,
  value: maybeBytes,
  headers,
})
const run: fc.Arbitrary<PackedRun> = fc.record({
  actor: name,
  records: fc.array(fc.record({ record, attempt: fc.integer({ min: 1, max: 100 }) }), { maxLength: 8 }),
})

const outputRecord: fc.Arbitrary<EncodedEffect> = fc
  .record(
    {
      topic: name,
      key: maybeBytes,
      value: maybeBytes,
      headers: headers.filter((list) => list.length > 0),
      partition: fc.nat(100_000),
      timestamp: fc.integer({ min: -1, max: 2 ** 42 }),
    },
    { requiredKeys: ['topic', 'key', 'value'] },
  )
  .map((output) => ({ type: 'record', record: output }))
const outputRow: fc.Arbitrary<EncodedEffect> = fc.record({
  type: fc.constant('row' as const),
  sink: name,
  row: fc.record({ table: name, values: fc.array(fc.option(text), { maxLength: 6 }) }),
})
const wireError = fc
  .tuple(text, fc.constantFrom('other', 'retryable', 'troupe'), fc.nat(9))
  .map(([message, kind, depth]) => {
    let error: Error = new TypeError(message)
    for (let level = 0; level < depth; level += 1) error = new Error(`level ${level}`, { cause: error })
    if (kind === 'retryable') error = new RetryableError(message, { retryAfterMs: 7, cause: error })
    if (kind === 'troupe') error = new TroupeError('DECODE_FAILED', message, { cause: error })
    return toWireError(Object.assign(error, { detail: { at: [1, null, 'ü'] } }))
  })
const verdict: fc.Arbitrary<Verdict> = fc.oneof(
  fc.record({
    type: fc.constant('done' as const),
    effects: fc.array(fc.oneof(outputRecord, outputRow), { maxLength: 4 }),
  }),
  fc.constant<Verdict>({ type: 'skip' }),
  fc.constant<Verdict>({ type: 'unrun' }),
  fc.record({
    type: fc.constantFrom('retry', 'retry-unlimited'),
    afterMs: fc.option(fc.double({ min: 0, noNaN: true }), { nil: undefined }),
    error: fc.option(wireError, { nil: undefined }),
  }),
  fc.record({
    type: fc.constantFrom('failed', 'dead-letter', 'park', 'stop', 'escalate', 'skip-failed'),
    error: wireError,
  }),
)

const result = fc.record({
  verdicts: fc.array(verdict, { maxLength: 5 }),
  elapsedMs: fc.double({ min: 0, noNaN: true }),
  promise: fc.option(
    fc.record({ heldMs: fc.double({ min: 0, noNaN: true }), hasWaited: fc.constantFrom(null, false, true) }),
  ),
})

/** As a thread gets it. */
function cross<Message extends { numbers: { buffer: ArrayBuffer }; slab: { buffer: ArrayBuffer } }>(message: Message) {
  return structuredClone(message, { transfer: [message.numbers.buffer, message.slab.buffer] })
}

describe('a batch', () => {
  test('arrives as it was, and the originals stay', () => {
    fc.assert(
      fc.property(fc.array(run, { maxLength: 6 }), fc.boolean(), (runs, isAlone) => {
        const before = structuredClone(runs)
        const message = cross(packBatch({ number: 9, row: 3, isAlone }, runs))
        expect(message).toMatchObject({ number: 9, row: 3, isAlone })
        expect(unpackBatch(message)).toEqual(runs)
        expect(structuredClone(runs)).toEqual(before)
      }),
    )
  })

  test('each name crosses once', () => {
    const of = (topic: string): PackedRun => ({
      actor: 'enrich',
      records: [1, 2].map((at) => ({
        attempt: 1,
        record: { topic, partition: 0, offset: at, timestamp: 0, key: null, value: null, headers: [] },
      })),
    })
    expect(packBatch({ number: 1, row: 0, isAlone: false }, [of('clicks'), of('views'), of('clicks')]).names).toEqual([
      'enrich',
      'clicks',
      'views',
    ])
  })
})

describe('a reply', () => {
  test('arrives as it was: outputs, rows, delays, errors with their causes', () => {
    fc.assert(
      fc.property(fc.array(fc.option(result), { maxLength: 5 }), fc.nat(10_000), (results, sizeHint) => {
        const message = cross(packReply(results, 1.5, sizeHint))
        expect(message).toMatchObject({ type: 'reply', busyMs: 1.5 })
        expect(unpackReply(message)).toEqual(results)
      }),
    )
  })

  test('so do outcomes that come after it, each with its batch and its run', () => {
    const late = fc.tuple(result, fc.nat(), fc.nat(1000)).map(([rest, batch, run]) => ({ ...rest, batch, run }))
    fc.assert(
      fc.property(fc.array(late, { maxLength: 5 }), (list) => {
        const notice = cross(packOutcomes(list, 2.5))
        expect(notice).toMatchObject({ type: 'outcomes', busyMs: 2.5 })
        expect(unpackOutcomes(notice)).toEqual(list)
      }),
    )
  })

  test('an error keeps name, code, message, stack, fields and causes', () => {
    const cause = Object.assign(new RangeError('the cause'), { code: 'E_CAUSE' })
    const error = Object.assign(new TypeError('boom', { cause }), { code: 'E_BOOM', detail: { at: 7 } })
    const message = cross(
      packReply([{ verdicts: [{ type: 'failed', error: toWireError(error) }], elapsedMs: 0, promise: null }], 0, 0),
    )
    const [result] = unpackReply(message)
    const [first] = result?.verdicts ?? []
    if (first?.type !== 'failed') throw new Error('the verdict has changed')
    const again = fromWireError(first.error)
    expect(again).toMatchObject({
      name: 'TypeError',
      message: 'boom',
      code: 'E_BOOM',
      detail: { at: 7 },
      stack: error.stack,
    })
    expect(again.cause).toMatchObject({ name: 'RangeError', message: 'the cause', code: 'E_CAUSE', stack: cause.stack })
  })

  test('values that do not fit the guess cross all the same', () => {
    const value = Buffer.alloc(3_000_000, 7)
    const effects: EncodedEffect[] = [{ type: 'record', record: { topic: 'out', key: null, value } }]
    const [result] = unpackReply(
      cross(packReply([{ verdicts: [{ type: 'done', effects }], elapsedMs: 1, promise: null }], 1, 10)),
    )
    const [verdict] = result?.verdicts ?? []
    const [effect] = verdict?.type === 'done' ? verdict.effects : []
    expect(effect?.type === 'record' && value.equals(effect.record.value!)).toBe(true)
  })
})
