import { describe, expect, test } from 'vitest'
import { defineBatchHandler } from '../../src/actors/handlers/batch-handler.ts'
import { defineHandler, done } from '../../src/actors/handlers/handler.ts'
import { shapesOf, state } from '../../src/state/declared-state.ts'
import { bytes, json } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'

const input = topic('clicks', { value: bytes })
const registry = { name: 'avro', encode: () => Buffer.alloc(0), decode: () => null, contract: {} }

describe('state()', () => {
  test.for([
    [null, /the options are null, which is no object/],
    [{ initial: 0 }, /initial: 0 is no function, and each key needs a value of its own: write \(\) => …/],
    [{ ttlMs: 0 }, /ttlMs: 0 is no whole number of milliseconds, 1 or more/],
    [{ ttlMs: Infinity }, /ttlMs: Infinity is no whole number/],
    [{ maxBytes: 1.5 }, /maxBytes: 1.5 is no whole number of bytes, 1 or more/],
    [{ ttl: 5 }, /ttl: unknown, did you mean ttlMs\?/],
    [{ codec: json }, /codec: json is a function: write json\(\)/],
    [{ codec: {} }, /codec: \{\} is no codec; there are json\(\), text and bytes/],
    [{ codec: registry }, /codec: the schemas of avro are kept by a registry/],
    [{ initial: 1, ttlMs: -1 }, /initial: .*; ttlMs: /],
  ] as const)('refuses %o, and says what is wrong', ([options, message]) => {
    expect(() => state(options as never)).toThrow(message)
    expect(() => state(options as never)).toThrow(expect.objectContaining({ code: 'OPTIONS_INVALID' }))
  })
})

describe('the states of a handler', () => {
  const define = [
    {
      kind: 'defineHandler',
      of: (states: unknown) => defineHandler({ input, state: states as never, handle: () => done() }),
    },
    {
      kind: 'defineBatchHandler',
      of: (states: unknown) => defineBatchHandler({ input, state: states as never, handle: () => done() }),
    },
  ]

  test.for(
    define.flatMap(({ kind, of }) =>
      (
        [
          [[], /state: \[\] is no object of states/],
          [{}, /state: there is none in it; leave it out/],
          [{ '0th': state() }, /state: '0th' is no name of a state/],
          [{ total: state }, /state\.total: state is a function: write state\(\)/],
          [{ total: 0 }, /state\.total: 0 is no state; make one with state\(\)/],
        ] as const
      ).map(([states, message]) => ({ kind, of, states, message })),
    ),
  )('of $kind have to be some: $message', ({ kind, message, of, states }) => {
    expect(() => of(states)).toThrow(message)
    expect(() => of(states)).toThrow(kind)
  })

  test('are told to others in the order in which they are declared', () => {
    const handler = defineHandler({
      input,
      state: {
        total: state<number>({ initial: () => 0 }),
        last: state<Uint8Array>({ codec: bytes, ttlMs: 5, maxBytes: 9 }),
      },
      handle: () => done(),
    })
    expect(shapesOf(handler.state)).toEqual([
      { name: 'total', codec: 'json', ttlMs: null, maxBytes: 1_000_000 },
      { name: 'last', codec: 'bytes', ttlMs: 5, maxBytes: 9 },
    ])
  })

  test('of an instance of a class are read from it', () => {
    class Counting {
      readonly input = input
      readonly state = { total: state<number>() }
      handle() {
        return done()
      }
    }
    expect(shapesOf(defineHandler(new Counting()).state)).toHaveLength(1)
  })
})
