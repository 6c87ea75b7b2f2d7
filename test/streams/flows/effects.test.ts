import { describe, expect, test } from 'vitest'
import { describeError, type TroupeError } from '../../../src/errors.ts'
import { bytes, text } from '../../../src/streams/flows/codec.ts'
import { EffectEncoder } from '../../../src/streams/flows/effect-encoder.ts'
import { table, topic, type Effect } from '../../../src/streams/flows/flow.ts'
import type { OutputRecord } from '../../../src/streams/record.ts'

const documents = topic<{ id: number } | null>('documents')
const deletions = topic<{ id: number }>('deletions', { tombstones: true })
const texts = topic('texts', { value: text })
const blobs = topic('blobs', { value: bytes })
const rows = table<{ id: unknown; note?: unknown }>('rows', { columns: { id: 'bigint', note: 'text' }, key: ['id'] })
const named = table<{ id: unknown }>('named', {
  columns: { id: 'bigint', ['__proto__']: 'text', constructor: 'text', toString: 'text' } as { id: 'bigint' },
  key: ['id'],
})
const encoder = new EffectEncoder([documents, deletions, texts, blobs, rows, named])

function recordOf(effect: Effect): OutputRecord {
  const encoded = encoder.encode(effect)
  if (encoded.type !== 'record') throw new Error('no record')
  return encoded.record
}

function valuesOf(effect: Effect): readonly (string | null)[] {
  const encoded = encoder.encode(effect)
  if (encoded.type !== 'row') throw new Error('no row')
  return encoded.row.values
}

/** The message of what was refused, with its cause. */
function refusal(effect: Effect): string {
  try {
    encoder.encode(effect)
  } catch (error) {
    return `${(error as TroupeError).code}: ${describeError(error)}`
  }
  throw new Error('it was not refused')
}

describe('null', () => {
  test('is a document where the topic has no tombstones', () => {
    expect(recordOf(documents.record(null)).value).toEqual(Buffer.from('null'))
  })

  test('is a tombstone where the topic declares them', () => {
    expect(recordOf(deletions.record(null)).value).toBeNull()
  })

  test('is refused by a codec that has no null, and never a tombstone', () => {
    expect(refusal(texts.record(null as never))).toMatch(/^ENCODE_FAILED.*texts/)
    expect(refusal(blobs.record(null as never))).toMatch(/^ENCODE_FAILED.*blobs/)
  })
})

describe('the time of a record', () => {
  const at = (timestamp: number) => recordOf(documents.record({ id: 1 }, { timestamp })).timestamp

  test('−1 is what a record without one has: none is given', () => {
    expect(at(-1)).toBeUndefined()
  })

  test('0 is refused: the client would write its own time for it', () => {
    expect(refusal(documents.record({ id: 1 }, { timestamp: 0 }))).toMatch(/^ENCODE_FAILED.*1970/)
  })

  test('any other is kept', () => {
    expect(at(1)).toBe(1)
    expect(at(1_764_450_000_123)).toBe(1_764_450_000_123)
  })
})

describe('two different values never become one', () => {
  const half = '\ud83d'

  test('text that is no valid Unicode is refused as key, header and column', () => {
    expect(refusal(documents.record({ id: 1 }, { key: half }))).toMatch(/key.*no valid Unicode/)
    expect(refusal(documents.record({ id: 1 }, { headers: { trace: half } }))).toMatch(/trace.*no valid Unicode/)
    expect(refusal(documents.record({ id: 1 }, { headers: [[half, null]] }))).toMatch(/no valid Unicode/)
    expect(refusal(rows.upsert({ id: half }))).toMatch(/column id.*no valid Unicode/)
  })

  test('a name of a header ends at NUL for the client, so that is refused', () => {
    expect(refusal(documents.record({ id: 1 }, { headers: { 'a\0b': 'x' } }))).toMatch(/NUL/)
  })

  test('a number that was rounded, or is none, is no key', () => {
    expect(refusal(documents.record({ id: 1 }, { key: 2 ** 53 }))).toMatch(/9007199254740992.*bigint/)
    expect(refusal(documents.record({ id: 1 }, { key: Number.NaN }))).toMatch(/NaN/)
  })

  test('an empty key, header or column is not a missing one', () => {
    const record = recordOf(documents.record({ id: 1 }, { key: '', headers: { empty: '', none: null } }))
    expect(record.key).toEqual(Buffer.alloc(0))
    expect(record.headers).toEqual([
      ['empty', Buffer.alloc(0)],
      ['none', null],
    ])
    expect(recordOf(documents.record({ id: 1 })).key).toBeNull()
    expect(valuesOf(rows.upsert({ id: '', note: null }))).toEqual(['', null])
    expect(valuesOf(rows.upsert({ id: 0 }))).toEqual(['0', null])
  })

  test('a column takes integers of any size from a document too', () => {
    expect(valuesOf(rows.upsert({ id: { exact: 2n ** 64n } }))[0]).toBe('{"exact":18446744073709551616}')
  })
})

test('a column with a name of JavaScript’s own is null where the row has none of it', () => {
  expect(valuesOf(named.upsert({ id: 1 }))).toEqual(['1', null, null, null])
})

test('and what the row has is written, also by a getter of its class', () => {
  class Row {
    get id() {
      return 7
    }
  }
  expect(valuesOf(named.upsert(Object.assign(new Row(), { constructor: 'c' })))).toEqual(['7', null, 'c', null])
})

test('what is no output is refused with how to make one', () => {
  expect(refusal({ hello: 1 } as never)).toMatch(/^ENCODE_FAILED: an output is .*hello.*record\(\) of a topic/)
})
