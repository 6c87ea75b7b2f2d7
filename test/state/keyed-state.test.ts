import { describe, expect, test } from 'vitest'
import type { AnyHandler } from '../../src/actors/handlers/any-handler.ts'
import { defineBatchHandler } from '../../src/actors/handlers/batch-handler.ts'
import { deadLetter, defineHandler, done, retry, skip, type Outcome } from '../../src/actors/handlers/handler.ts'
import { RetryableError, TerminalError } from '../../src/errors.ts'
import { state, type KeyedState } from '../../src/state/declared-state.ts'
import { bytes, json } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'
import { sleep } from '../../src/clock.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { keyedWorld, type KeyedWorldOptions } from './keyed-world.ts'

const clicks = topic('clicks', { value: bytes })
const out = topic('out', { value: json<number>() })

type Total = KeyedState<number, number>

/** Counts by key; `after` says what becomes of the record once it was counted. */
function counting(
  after: (record: {
    readonly offset: number
    readonly attempt: number
    readonly total: Total
  }) => Outcome | Promise<Outcome> = () => done(),
): AnyHandler {
  return defineHandler({
    input: clicks,
    outputs: [out],
    state: { total: state<number>({ initial: () => 0 }) },
    handle(_, { attempt, record, state: { total } }) {
      total.update((count) => count + 1)
      return after({ offset: record.offset, attempt, total })
    },
  }) as never
}

function countingBatch(
  outcome: (record: { readonly offset: number; readonly attempt: number; readonly count: number }) => Outcome,
): AnyHandler {
  return defineBatchHandler({
    input: clicks,
    state: { total: state<number>({ initial: () => 0 }) },
    handle: (records) =>
      records.map(({ attempt, record, state: { total } }) =>
        outcome({ offset: record.offset, attempt, count: total.update((count) => count + 1) }),
      ),
  }) as never
}

/** A handler that fails in this way at first, having counted, counts its key once in the end; one that fails for good, never. */
const failures: {
  readonly name: string
  readonly fail: () => Outcome | Promise<Outcome>
  readonly actor?: KeyedWorldOptions['actor']
}[] = [
  { name: 'retry()', fail: () => retry(1) },
  {
    name: 'an error',
    fail: () => {
      throw new Error('boom')
    },
  },
  {
    name: 'a RetryableError',
    fail: () => {
      throw new RetryableError('busy', { retryAfterMs: 1 })
    },
  },
  { name: 'a rejection', fail: () => Promise.reject(new Error('boom')) },
  { name: 'an outcome that is none', fail: () => 'done' as never },
  { name: 'an output that cannot be encoded', fail: () => done([out.record(undefined as never)]) },
  { name: 'deadLetter()', fail: () => deadLetter('no') },
  {
    name: 'a TerminalError',
    fail: () => {
      throw new TerminalError('no')
    },
  },
  {
    name: 'a TerminalError that parks',
    fail: () => {
      throw new TerminalError('no')
    },
    actor: { failedRecords: 'park' },
  },
  {
    name: 'a TerminalError that skips',
    fail: () => {
      throw new TerminalError('no')
    },
    actor: { failedRecords: 'skip' },
  },
]

describe('a failed attempt leaves no trace', () => {
  test.for(failures)(
    'of $name: what it has set is not there, for itself again or for others',
    async ({ actor, fail }) => {
      const seen: number[] = []
      const world = await keyedWorld(
        counting(({ attempt, offset, total }) => {
          seen.push(total.get())
          return offset === 1 && attempt === 1 ? fail() : done()
        }),
        { actor: { retry: { attempts: 3, backoffMs: 5, maxBackoffMs: 5, jitter: 0 }, ...actor } },
      )
      world.give(['a', 'a', 'b'])
      await world.settle()
      expect([world.valueOf('a'), world.valueOf('b')]).toEqual([1, 1])
      await world.advance(10)
      // Each attempt began with what there was before it, so it counted its record once.
      expect(seen.every((count) => count <= 2)).toBe(true)
      const wasTriedAgain = seen.length === 4
      expect(world.valueOf('a')).toBe(wasTriedAgain ? 2 : 1)
    },
  )

  test('a time-out: what comes late changes nothing', async () => {
    const clock = new ManualClock()
    const world = await keyedWorld(
      counting(async ({ attempt, total }) => {
        if (attempt > 1) return done()
        await sleep(clock, 5_000)
        total.set(100)
        return done()
      }),
      { clock, actor: { handlerTimeoutMs: 1_000, retry: { attempts: 3, backoffMs: 1, maxBackoffMs: 1, jitter: 0 } } },
    )
    world.give(['a'])
    await world.advance(1_000)
    expect(world.valueOf('a')).toBeUndefined()
    await world.advance(1_010)
    expect(world.valueOf('a')).toBe(1)
    await world.advance(10_000)
    expect(world.valueOf('a')).toBe(1)
  })

  test('an epoch that has ended: what was at the handler then changes nothing, and may still ask', async () => {
    const clock = new ManualClock()
    const errors: unknown[] = []
    const world = await keyedWorld(
      counting(async ({ total }) => {
        await sleep(clock, 10)
        try {
          total.get()
        } catch (error) {
          errors.push(error)
        }
        return done()
      }),
      { clock },
    )
    world.give(['a'])
    world.actor.fence()
    await world.advance(20)
    expect(world.state.hasChanges).toBe(false)
    expect(world.delivery.tickets).toEqual([])
    expect(errors).toEqual([])
  })

  test('an output that has no way to go: its record and those that saw what it has set count for nothing', async () => {
    const seen: number[][] = []
    const world = await keyedWorld(
      counting(({ offset, total }) => {
        seen.push([offset, total.get()])
        return done([out.record(1)])
      }),
      { actor: { order: 'partition' } },
    )
    world.delivery.refused.add('clicks/0/1')
    world.give(['a', 'a', 'a'])
    await world.settle()
    expect(world.delivery.deadLetters.map(({ id }) => id)).toEqual(['clicks/0/1'])
    expect(world.valueOf('a')).toBe(2)
    expect(seen.at(-1)).toEqual([2, 2])
  })
})

describe('records of a key', () => {
  test.for(['key', 'partition'] as const)(
    'see what those before them have set, in %s order, within a run too',
    async (order) => {
      const world = await keyedWorld(counting(), { actor: { order } })
      world.give(Array.from({ length: 500 }, (_, at) => `k${at % 7}`))
      await world.settle()
      for (let key = 0; key < 7; key += 1) expect(world.valueOf(`k${key}`)).toBe(key < 3 ? 72 : 71)
    },
  )

  test('see it over checkpoints and restarts', async () => {
    const first = await keyedWorld(counting())
    first.give(['a', 'a', 'b'])
    await first.settle()
    await first.checkpoint()
    const { store } = first
    const second = await keyedWorld(counting(), { store })
    second.give(['a'])
    await second.settle()
    expect([second.valueOf('a'), second.valueOf('b')]).toEqual([3, 1])
  })

  test('that are skipped count as handled: what was set before skip() is kept', async () => {
    const world = await keyedWorld(counting(() => skip()))
    world.give(['a', 'a'])
    await world.settle()
    expect(world.valueOf('a')).toBe(2)
  })

  test('that the handler writes over keep their state', async () => {
    const world = await keyedWorld(
      defineHandler({
        input: clicks,
        state: { total: state<number>({ initial: () => 0 }) },
        handle(_, { record, state: { total } }) {
          record.key!.fill(0)
          total.update((count) => count + 1)
          return done()
        },
      }) as never,
    )
    world.give(['a'])
    await world.settle()
    expect(world.valueOf('a')).toBe(1)
  })

  test('hold their credit until the checkpoint, also without outputs, and count as finished at once', async () => {
    const world = await keyedWorld(counting())
    world.give(['a', 'b'])
    await world.settle()
    expect(world.actor.heldRecords).toBe(2)
    expect(world.actor.inputs[0]!.tracker.safePosition).toBe(2)
    await world.checkpoint()
    expect(world.actor.heldRecords).toBe(0)
  })

  test('wait until their state is restored', async () => {
    const world = await keyedWorld(counting(), { isRestored: false })
    world.give(['a'])
    await world.settle()
    expect(world.actor.readyRecordCount).toBe(0)
    await world.state.begin(world.store)
    expect(world.ready).not.toEqual([])
    world.pump()
    await world.settle()
    expect(world.valueOf('a')).toBe(1)
  })
})

describe('a call of a batch handler', () => {
  test('with several records of one key: they see each other’s sets, in their order', async () => {
    const world = await keyedWorld(countingBatch(() => done()))
    world.give(['a', 'b', 'a', 'a'])
    await world.settle()
    expect([world.valueOf('a'), world.valueOf('b')]).toEqual([3, 1])
  })

  test.for([
    { name: 'fails and goes again', outcome: retry(1), total: 3 },
    { name: 'is dead-lettered', outcome: deadLetter('no'), total: 2 },
  ])('of which one $name: it leaves no trace, and what was made of it goes again', async ({ outcome, total }) => {
    const counts: number[] = []
    const world = await keyedWorld(
      countingBatch(({ attempt, count, offset }) => {
        if (offset === 2) counts.push(count)
        return offset === 1 && attempt === 1 ? outcome : done()
      }),
    )
    world.give(['a', 'a', 'a', 'b'])
    await world.settle()
    await world.advance(1_000)
    expect([world.valueOf('a'), world.valueOf('b')]).toEqual([total, 1])
    expect(counts.at(-1)).toBe(total)
  })

  test('that fails as a whole leaves no trace of any of its records', async () => {
    let calls = 0
    const world = await keyedWorld(
      defineBatchHandler({
        input: clicks,
        state: { total: state<number>({ initial: () => 0 }) },
        handle(records) {
          for (const {
            state: { total },
          } of records)
            total.update((count) => count + 1)
          calls += 1
          if (calls === 1) throw new Error('boom')
          return done()
        },
      }) as never,
    )
    world.give(['a', 'a', 'b'])
    await world.settle()
    expect(calls).toBeGreaterThan(1)
    expect([world.valueOf('a'), world.valueOf('b')]).toEqual([2, 1])
  })
})

describe('a state', () => {
  const handled = async (
    handle: (context: { state: { list: KeyedState<number[]>; text: KeyedState<string> } }) => void,
    key: string | null = 'a',
  ) => {
    const world = await keyedWorld(
      defineHandler({
        input: clicks,
        state: { list: state<number[]>(), text: state<string>({ maxBytes: 100 }) },
        handle(_, context) {
          handle(context)
          return done()
        },
      }) as never,
    )
    world.give([key])
    await world.settle()
    return {
      ...world,
      /** Of each dead letter, all that its headers say. */
      errors: world.delivery.deadLetters.map(({ letter }) =>
        letter.headers.map(([, value]) => String(value)).join('\n'),
      ),
    }
  }

  test('gives a value of its own: what is done to it is kept only by set', async () => {
    const world = await handled(({ state: { list } }) => {
      const value = [1]
      list.set(value)
      value.push(2)
      list.get()!.push(3)
      expect(list.get()).toEqual([1])
    })
    expect(world.valueOf('a', 'list')).toEqual([1])
  })

  test('that was deleted is as if it never was', async () => {
    const world = await handled(({ state: { list, text } }) => {
      expect(list.get()).toBeUndefined()
      list.set([1])
      list.delete()
      expect(list.get()).toBeUndefined()
      text.delete()
    })
    expect(world.state.hasChanges).toBe(false)
  })

  test.for([
    {
      name: 'cannot be encoded',
      key: 'a',
      use: ({ list }: { list: KeyedState<number[]> }) => list.set([NaN]),
      what: /state list: a value could not be encoded as json/,
    },
    {
      name: 'has an integer that would be read as another',
      key: 'a',
      use: ({ list }: { list: KeyedState<number[]> }) => list.set([1, 2 ** 53]),
      what: /state list: a value is written and could not be read back: the integer 9007199254740992 .* is beyond 2\^53/,
    },
    {
      name: 'is undefined',
      key: 'a',
      use: ({ list }: { list: KeyedState<number[]> }) => list.set(undefined as never),
      what: /state list: a value could not be encoded as json/,
    },
    {
      name: 'is larger than maxBytes',
      key: 'a',
      use: ({ text }: { text: KeyedState<string> }) => text.set('x'.repeat(100)),
      what: /state text: a value and its key take 1\d\d bytes, and it takes 100 at most/,
    },
    {
      name: 'is of a key as large as maxBytes',
      key: 'k'.repeat(100),
      use: ({ text }: { text: KeyedState<string> }) => text.set(''),
      what: /maxBytes/,
    },
    {
      name: 'is of a record without a key',
      key: null,
      use: ({ text }: { text: KeyedState<string> }) => text.get(),
      what: /state text: the record has no key/,
    },
  ])('whose value $name fails its record, and that alone, with STATE_INVALID', async ({ key, use, what }) => {
    const world = await handled((context) => {
      use(context.state)
    }, key)
    expect(world.errors).toHaveLength(1)
    expect(world.errors[0]).toMatch(/STATE_INVALID/)
    expect(world.errors[0]).toMatch(what)
    expect(world.state.hasChanges).toBe(false)
  })

  test('that nobody asks for does not mind a record without a key', async () => {
    const world = await handled(() => undefined, null)
    expect(world.errors).toEqual([])
  })
})

describe('a state with ttlMs', () => {
  const seen: [number, number | undefined][] = []
  const remembering = defineHandler({
    input: clicks,
    state: { last: state<number>({ ttlMs: 100 }) },
    handle(_, { record, state: { last } }) {
      seen.push([record.offset, last.get()])
      if (record.offset === 0) last.set(record.offset)
      return done()
    },
  }) as never

  test('is gone when stream time has gone on for so long, for its key and by whatever record', async () => {
    seen.length = 0
    const world = await keyedWorld(remembering, { actor: { order: 'partition' } })
    world.give(['a', 'a', 'other', 'a', 'a'], [1_000, 1_099, 1_100, 1_050, 1_100])
    await world.settle()
    expect(seen).toEqual([
      [0, undefined],
      [1, 0],
      [2, undefined],
      [3, undefined],
      [4, undefined],
    ])
  })
})
