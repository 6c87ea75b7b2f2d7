import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  packBatch,
  packReply,
  unpackBatch,
  unpackReply,
} from '../../../../src/actors/threads/protocol/thread-protocol.ts'
import type { StateToPack } from '../../../../src/actors/threads/protocol/packed-state.ts'
import { changesOf, type Verdict } from '../../../../src/actors/handlers/verdict.ts'
import { keyTextOf } from '../../../../src/state/partition-state.ts'
import { StateValue } from '../../../../src/state/state-value.ts'
import { sourceRecord } from '../../actor-fixture.ts'

const value = fc.oneof(
  fc.constant(null),
  fc
    .tuple(fc.uint8Array({ maxLength: 40 }), fc.option(fc.nat()))
    .map(([payload, time]) => StateValue.ofPayload(payload, time)),
  fc.integer().map((number) => StateValue.ofPrimitive(number, 5)),
)

/** As a thread gets it. */
function cross<Message extends { numbers: { buffer: ArrayBuffer }; slab: { buffer: ArrayBuffer } }>(message: Message) {
  return structuredClone(message, { transfer: [message.numbers.buffer, message.slab.buffer] })
}

function stateOf(values: ReadonlyMap<string, readonly (StateValue | null)[]>, stateCount: number): StateToPack {
  return { stateCount, read: (at, key) => values.get(key)?.[at] ?? null }
}

const bytesOf = (kept: StateValue | null): string | undefined =>
  kept === null ? undefined : Buffer.from(kept.bytes).toString('hex')

const records = (keys: readonly (string | null)[]) =>
  keys.map((key, offset) => ({
    record: sourceRecord(offset, key),
    attempt: 1,
    stateKey: key === null ? null : keyTextOf(Buffer.from(key)),
    streamTime: offset % 3 === 0 ? null : offset,
  }))

describe('the state of a run', () => {
  test('arrives as it was, for each of its keys, and is no other run’s', () => {
    const keys = ['a', 'b', 'ä', '']
    fc.assert(
      fc.property(
        fc.array(fc.option(fc.constantFrom(...keys)), { minLength: 1, maxLength: 12 }),
        fc.array(fc.tuple(value, value), { minLength: keys.length, maxLength: keys.length }),
        (of, values) => {
          const known = new Map(keys.map((key, at) => [keyTextOf(Buffer.from(key)), values[at]!]))
          const runs = [
            { actor: 'keeping', records: records(of), state: stateOf(known, 2) },
            { actor: 'plain', records: records(of).map(({ attempt, record }) => ({ attempt, record })) },
            { actor: 'keeping', records: records(of), state: stateOf(new Map(), 2) },
          ]
          const [full, plain, empty] = unpackBatch(cross(packBatch({ number: 1, row: 0, isAlone: false }, runs)))
          expect(full!.records.map(({ streamTime }) => streamTime)).toEqual(
            runs[0]!.records.map((_, at) => (at % 3 === 0 ? null : at)),
          )
          for (const key of new Set(of)) {
            if (key === null) continue
            const text = keyTextOf(Buffer.from(key))
            for (const at of [0, 1]) {
              expect(bytesOf(full!.state!.read(at, text))).toEqual(bytesOf(known.get(text)![at]!))
              expect(empty!.state!.read(at, text)).toBeNull()
            }
          }
          expect(plain).toEqual(runs[1])
        },
      ),
    )
  })

  test('goes along once for each key, however many records it has', () => {
    const large = StateValue.ofPayload(Buffer.alloc(100_000), null)
    const state = stateOf(new Map([['a', [large]]]), 1)
    const message = packBatch({ number: 1, row: 0, isAlone: false }, [
      { actor: 'keeping', records: records(Array.from({ length: 50 }, () => 'a')), state },
    ])
    expect(message.slab.byteLength).toBeLessThan(300_000)
  })

  test('costs a run of a handler that keeps none one number, and its verdicts nothing', () => {
    const sized = (of: readonly string[]) =>
      packBatch({ number: 1, row: 0, isAlone: false }, [{ actor: 'plain', records: records(of) }]).numbers.length
    // Eight of a record, and two of its header.
    expect(sized(['a', 'a', 'a']) - sized(['a', 'a'])).toBe(10)
  })
})

test('what a record has set comes back with its verdict, whatever else that says', () => {
  const changes = fc.array(fc.record({ at: fc.nat({ max: 9 }), value }), { minLength: 1, maxLength: 4 })
  const verdict: fc.Arbitrary<Verdict> = fc.oneof(
    changes.map((all): Verdict => ({ type: 'done', effects: [], changes: all })),
    changes.map((all): Verdict => ({
      type: 'done',
      effects: [{ type: 'record', record: { topic: 'out', key: null, value: Buffer.from('v') } }],
      changes: all,
    })),
    changes.map((all): Verdict => ({ type: 'skip', changes: all })),
    fc.constant<Verdict>({ type: 'done', effects: [] }),
    fc.constant<Verdict>({ type: 'skip' }),
    fc.constant<Verdict>({ type: 'unrun' }),
  )
  const told = (verdicts: readonly Verdict[]) =>
    verdicts.map((each) => ({
      ...each,
      changes: changesOf(each)?.map((change) => [
        change.at,
        change.value?.bytes && Buffer.from(change.value.bytes),
        change.value?.timeMs,
      ]),
    }))
  fc.assert(
    fc.property(fc.array(verdict, { maxLength: 6 }), (verdicts) => {
      const [back] = unpackReply(cross(packReply([{ verdicts, elapsedMs: 1, promise: null }], 1, 0)))
      expect(told(back!.verdicts)).toEqual(told(verdicts))
    }),
  )
})
