/** What a store of state promises, wherever it keeps it. */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { TestContext } from 'vitest'
import type { Clock } from '../../src/clock.ts'
import type { Change, StateStore, StoreEntry, StoreMark, StorePlace, Stores } from '../../src/state/store.ts'

export interface StoreWorld {
  /** In an empty place of its own; closed when the test ends. */
  stores(test: Pick<TestContext, 'onTestFinished'>, clock: Clock): Promise<Stores>
  /** Enough for it to grow several times. */
  readonly manyKeys: number
}

export function describeStoreContract(world: StoreWorld): void {
  it('knows nothing before anything was written', async (test) => {
    const store = await openOne(world, test)
    expect([store.mark, store.keyCount, store.get(bytes('a')), store.scan({}, 10)]).toEqual([null, 0, undefined, []])
    expect(store.walk(null, 10)).toEqual({ entries: [], next: null })
  })

  it('has what was written last of each key, and the mark that came with it', async (test) => {
    const store = await openOne(world, test)
    await store.write([set('a', '1'), set('b', '2'), set('c', '')], markOf(1))
    await store.write([set('a', '3'), remove('b'), remove('z'), set('d', '4'), set('d', '5')], markOf(2))
    expect(store.mark).toEqual(markOf(2))
    expect(['a', 'b', 'c', 'd'].map((key) => textOf(store.get(bytes(key))))).toEqual(['3', null, '', '5'])
    expect(store.keyCount).toBe(3)
  })

  it('moves the mark without a change', async (test) => {
    const store = await openOne(world, test)
    await store.write([], { changelogPosition: 7, streamTime: null, checkpoint: 0 })
    expect(store.mark).toEqual({ changelogPosition: 7, streamTime: null, checkpoint: 0 })
  })

  it('gives bytes that are of the caller alone, and keeps none that it was given', async (test) => {
    const store = await openOne(world, test)
    const [key, value] = [bytes('key'), bytes('value')]
    await store.write([[key, value]], markOf(1))
    key.fill(0)
    value.fill(0)
    const given = store.get(bytes('key'))!
    const other = store.get(bytes('key'))!
    given.fill(0)
    expect(textOf(other)).toBe('value')
    store.scan({}, 1)[0]![1].fill(0)
    store.walk(null, 1).entries[0]![1].fill(0)
    expect(textOf(store.get(bytes('key')))).toBe('value')
  })

  it('tells keys apart that only the last of their bytes does, and those that one is the beginning of', async (test) => {
    const store = await openOne(world, test)
    const keys = [1, 2, 1_977, 1_978, 1_979, 5_000].flatMap((length) => [
      Buffer.alloc(length, 7),
      Buffer.alloc(length, 7).fill(8, length - 1),
    ])
    await store.write(
      keys.map((key, index): Change => [key, bytes(String(index))]),
      markOf(1),
    )
    expect(keys.map((key) => textOf(store.get(key)))).toEqual(keys.map((_, index) => String(index)))
    const sorted = [...keys].sort((one, other) => Buffer.compare(one, other))
    expect(store.scan({}, 100).map(([key]) => Buffer.from(key))).toEqual(sorted)
    await store.write([[keys[8]!, null]], markOf(2))
    expect(keys.filter((key) => store.get(key) === undefined)).toEqual([keys[8]])
  })

  it('gives a range in the order of the bytes, its first key included and its end not, within the limit', async (test) => {
    const store = await openOne(world, test)
    const keys = ['b', 'a', 'ab', 'B', 'ä', 'c', 'aa']
    await store.write(
      keys.map((key) => set(key, key)),
      markOf(1),
    )
    const scan = (from: string | null, to: string | null, limit = 100): (string | null)[] =>
      store
        .scan({ ...(from === null ? {} : { from: bytes(from) }), ...(to === null ? {} : { to: bytes(to) }) }, limit)
        .map(([key]) => textOf(key))
    expect(scan(null, null)).toEqual(['B', 'a', 'aa', 'ab', 'b', 'c', 'ä'])
    expect(scan('a', 'b')).toEqual(['a', 'aa', 'ab'])
    expect(scan('ab', null, 2)).toEqual(['ab', 'b'])
    expect(scan('aaa', 'ab')).toEqual([])
    expect(scan(null, null, 0)).toEqual([])
  })

  it('is the model, whatever is written, asked for and forgotten, with keys and values of any length', async (test) => {
    const stores = await world.stores(test, quickClock())
    let partition = 0
    await fc.assert(
      fc.asyncProperty(somePrefixes, fc.array(step, { minLength: 1, maxLength: 25 }), async (ordered, steps) => {
        const store = await stores.open(placeOf(partition++))
        for (const prefix of ordered) store.order(Buffer.from(prefix, 'hex'))
        const model = new Map<string, Buffer>()
        for (const each of steps) await take(each, store, model)
        const all = sortedEntries(model)
        expect(shownEntries(store.scan({}, 1_000))).toEqual(all)
        expect(shownEntries(walkAll(store, 3)).sort()).toEqual(all.sort())
        await store.close()
      }),
      { numRuns: 150 },
    )
  })

  it('walks over every entry that is there all the time, though others come and go', async (test) => {
    const store = await openOne(world, test)
    const { manyKeys } = world
    await store.write(numbered(0, manyKeys), markOf(1))
    const found = new Set<number>()
    let round = 0
    for (let next: StepPlace = null, isFirst = true; isFirst || next !== null; isFirst = false) {
      const step = store.walk(next, 100)
      for (const [key] of step.entries) found.add(Buffer.from(key).readUInt32BE(0))
      next = step.next
      // Every third goes away, others come: tables split and are joined meanwhile.
      const gone = Array.from({ length: 300 }, (_, i): Change => [numberKey((round * 300 + i) * 3), null])
      const come = round < 100 ? numbered(manyKeys + round * 1_000, 1_000) : []
      await store.write([...gone, ...come], markOf(2))
      round += 1
    }
    const stayed = Array.from({ length: manyKeys }, (_, index) => index).filter((index) => index % 3 !== 0)
    expect(stayed.filter((index) => !found.has(index))).toEqual([])
  })

  it('grows to many keys and finds each, and takes no room for them when they are gone', async (test) => {
    const store = await openOne(world, test)
    const { manyKeys } = world
    await store.write(numbered(0, manyKeys), markOf(1))
    expect(store.keyCount).toBe(manyKeys)
    for (let index = 0; index < manyKeys; index++) {
      if (store.get(numberKey(index))?.byteLength !== 50) throw new Error(`key ${index} is not there`)
    }
    const bytesOfMany = store.byteCount
    await store.write(
      numbered(0, manyKeys).map(([key]): Change => [key, null]),
      markOf(2),
    )
    expect([store.keyCount, store.scan({}, 1), store.byteCount < bytesOfMany / 4]).toEqual([0, [], true])
  })

  it('takes room for what it has, however often it changes', async (test) => {
    const store = await openOne(world, test)
    const keys = Array.from({ length: 2_000 }, (_, index) => numberKey(index))
    const write = async (seed: number): Promise<void> => {
      const sizeOf = (index: number): number => ((index * 31 + seed * 17) % 200) + (index % 100 === 0 ? 40_000 : 0)
      await store.write(
        keys.map((key, index): Change => [key, Buffer.alloc(sizeOf(index), seed)]),
        markOf(seed),
      )
    }
    await write(1)
    const atFirst = store.byteCount
    for (let seed = 2; seed < 60; seed++) await write(seed)
    expect(store.byteCount).toBeLessThan(atFirst * 2)
    expect(keys.every((key, index) => store.get(key)!.byteLength >= (index % 100 === 0 ? 40_000 : 0))).toBe(true)
  })

  it('keeps what it was told to in order, of any number of keys, while they come and go in whatever order', async (test) => {
    const store = await openOne(world, test)
    const prefix = bytes('w/')
    const keyAt = (index: number): Buffer => Buffer.concat([prefix, numberKey(index)])
    store.order(prefix)
    const { manyKeys } = world
    await store.write([set('v', 'before'), set('w', 'before'), set('x', 'behind')], markOf(1))
    // Some in order, as times come, and the rest in any.
    const half = Math.floor(manyKeys / 2)
    const some = Array.from({ length: half }, (_, index): Change => [keyAt(2 * index), bytes('in order')])
    const others = Array.from({ length: half }, (_, index): Change => [
      keyAt(2 * ((index * 7_919) % half) + 1),
      bytes('in any'),
    ])
    await store.write([...some, ...others], markOf(2))
    // The first go away, many at a time, as windows close; and one in three of the rest.
    const numbersIn = (limit: number): string =>
      store
        .scan({ from: prefix, to: bytes('w0') }, limit)
        .map(([key]) => Buffer.from(key).readUInt32BE(2))
        .join()
    const all = Array.from({ length: 2 * half }, (_, index) => index)
    for (let gone = 0; gone < half; gone += 1_000) {
      expect(numbersIn(1_000)).toBe(all.slice(gone, gone + 1_000).join())
      await store.write(
        store.scan({ from: prefix, to: bytes('w0') }, 1_000).map(([key]): Change => [key, null]),
        markOf(3),
      )
    }
    const left = all.slice(half)
    await store.write(
      left.filter((index) => index % 3 === 0).map((index): Change => [keyAt(index), null]),
      markOf(4),
    )
    expect(numbersIn(manyKeys)).toBe(left.filter((index) => index % 3 !== 0).join())
    expect(store.scan({}, 2).map(([key]) => textOf(key))).toEqual(['v', 'w'])
  })

  it('gives way to the event loop while it writes', async (test) => {
    let turns = 0
    const store = await openOne(
      world,
      test,
      quickClock(() => (turns += 1)),
    )
    await store.write(numbered(0, 10_000), markOf(1))
    expect(turns).toBeGreaterThan(10)
  })

  it('says why a write has failed, stands where its mark says, and takes no more until it was wiped', async (test) => {
    const store = await openOne(world, test)
    await store.write([set('a', '1')], markOf(1))
    const broken = (function* (): Generator<Change> {
      yield set('a', '2')
      yield* numbered(0, 1_000)
      throw new Error('no more room')
    })()
    const code = { code: 'STORE_FAILED' }
    await expect(store.write(broken, markOf(2))).rejects.toMatchObject({
      ...code,
      message: expect.stringContaining('no more room') as string,
    })
    const stands = [store.mark, textOf(store.get(bytes('a'))), store.keyCount]
    expect(store.mark === null ? [null, null, 0] : [markOf(1), '1', 1]).toEqual(stands)
    await expect(store.write([set('b', '1')], markOf(3))).rejects.toMatchObject(code)
    await store.wipe()
    await store.write([set('b', '1')], markOf(4))
    expect(store.scan({}, 10).map(([key]) => textOf(key))).toEqual(['b'])
  })

  it('forgets everything when it is wiped, the mark too, and begins anew', async (test) => {
    const store = await openOne(world, test)
    await store.write(numbered(0, 1_000), markOf(1))
    await store.wipe()
    expect([store.mark, store.keyCount, store.get(numberKey(1)), store.scan({}, 1)]).toEqual([null, 0, undefined, []])
    await store.write([set('a', '1')], markOf(2))
    expect([store.mark, store.keyCount]).toEqual([markOf(2), 1])
  })

  it('keeps partitions and actors apart, and writes of several at the same time whole', async (test) => {
    const stores = await world.stores(test, quickClock())
    const places = [placeOf(0), placeOf(1), { ...placeOf(0), actor: 'other' }]
    const open = await Promise.all(places.map((place) => stores.open(place)))
    await Promise.all(
      open.map((store, index) => store.write([...numbered(0, 2_000), set('a', String(index))], markOf(index + 1))),
    )
    expect(open.map((store) => [store.keyCount, textOf(store.get(bytes('a'))), store.mark?.checkpoint])).toEqual([
      [2_001, '0', 1],
      [2_001, '1', 2],
      [2_001, '2', 3],
    ])
    await open[1]!.wipe()
    expect(open.map(({ keyCount }) => keyCount)).toEqual([2_001, 0, 2_001])
  })

  it('takes no write when it is closed', async (test) => {
    const store = await openOne(world, test)
    await store.close()
    await expect(store.write([set('a', '1')], markOf(1))).rejects.toMatchObject({ code: 'INTERNAL' })
  })
}

type StepPlace = ReturnType<StateStore['walk']>['next']

export const placeOf = (partition: number): StorePlace => ({
  groupId: 'shop',
  actor: 'totals',
  partition,
  changelogId: 'first',
  deleteRetentionMs: 86_400_000,
})

export const markOf = (checkpoint: number): StoreMark => ({
  changelogPosition: checkpoint * 100,
  streamTime: 1_700_000_000_000 + checkpoint,
  checkpoint,
})

export const bytes = (text: string): Buffer => Buffer.from(text)
export const textOf = (value: Uint8Array | undefined): string | null =>
  value === undefined ? null : Buffer.from(value).toString()
export const set = (key: string, value: string): Change => [bytes(key), bytes(value)]
const remove = (key: string): Change => [bytes(key), null]

export function numberKey(index: number): Buffer {
  const key = Buffer.alloc(9, 'k')
  key.writeUInt32BE(index)
  return key
}

/** Values of 50 bytes. */
function numbered(first: number, count: number): Change[] {
  return Array.from({ length: count }, (_, index) => [numberKey(first + index), Buffer.alloc(50, index)])
}

async function openOne(
  world: StoreWorld,
  test: Pick<TestContext, 'onTestFinished'>,
  clock: Clock = quickClock(),
): Promise<StateStore> {
  return await (await world.stores(test, clock)).open(placeOf(0))
}

/** A look at it takes a millisecond, a turn of the loop none. */
export function quickClock(onTurn: () => void = () => undefined): Clock {
  let nowMs = 0
  return {
    now: () => (nowMs += 1),
    wallNow: () => 1_700_000_000_000,
    after(_delayMs, callback) {
      const immediate = setImmediate(() => {
        onTurn()
        callback()
      })
      return () => {
        clearImmediate(immediate)
      }
    },
  }
}

type Step =
  | { readonly kind: 'write'; readonly changes: readonly (readonly [string, Uint8Array | null])[] }
  | { readonly kind: 'scan'; readonly from: string; readonly to: string; readonly limit: number }
  | { readonly kind: 'get'; readonly key: string }
  | { readonly kind: 'order'; readonly prefix: string }
  | { readonly kind: 'wipe' }

/** Few of them, so that they meet; some are longer than LMDB takes, with the same beginning. */
const someKey = fc.oneof(
  { weight: 4, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 2, max: 3 }) },
  { weight: 1, arbitrary: fc.constantFrom(1_977, 1_978, 1_979, 2_500).map((length) => new Uint8Array(length)) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constant(new Uint8Array(1_978)), fc.uint8Array({ maxLength: 2, max: 3 }))
      .map((parts) => Buffer.concat(parts)),
  },
)
const hexKey = someKey.map((key) => Buffer.from(key).toString('hex'))
const someValue = fc.oneof(
  fc.uint8Array({ maxLength: 20 }),
  fc.constantFrom(0, 7, 8, 9, 5_000, 40_000, 300_000).map((length) => new Uint8Array(length).fill(length % 251)),
)

/** What is asked for in ranges: nothing, everything, or what begins like this. Keys have few beginnings, so it is often met. */
const somePrefixes = fc.uniqueArray(fc.constantFrom('', '00', '01', '0101', '02', 'ff'), { maxLength: 3 })

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      changes: fc.array(fc.tuple(hexKey, fc.option(someValue)), { maxLength: 12 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('scan' as const),
      from: hexKey,
      to: hexKey,
      limit: fc.integer({ min: 0, max: 6 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('get' as const), key: hexKey }) },
  // As one asks who wants all that begins like something.
  {
    weight: 3,
    arbitrary: fc
      .record({ prefix: fc.constantFrom('00', '01', '0101', '02', 'ff'), limit: fc.integer({ min: 0, max: 6 }) })
      .map(({ limit, prefix }) => ({ kind: 'scan' as const, from: prefix, to: behind(prefix), limit })),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('order' as const), prefix: fc.constantFrom('', '00', '0101') }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'wipe' as const }) },
)

async function take(each: Step, store: StateStore, model: Map<string, Buffer>): Promise<void> {
  switch (each.kind) {
    case 'write':
      await store.write(
        each.changes.map(([key, value]): Change => [Buffer.from(key, 'hex'), value]),
        markOf(1),
      )
      for (const [key, value] of each.changes) {
        if (value === null) model.delete(key)
        else model.set(key, Buffer.from(value))
      }
      return
    case 'scan': {
      const { from, limit, to } = each
      const expected = sortedEntries(model, (key) => key >= from && key < to)
      const range = { from: Buffer.from(from, 'hex'), to: Buffer.from(to, 'hex') }
      expect(shownEntries(store.scan(range, limit))).toEqual(expected.slice(0, limit))
      return
    }
    case 'get':
      expect(shownOf(store.get(Buffer.from(each.key, 'hex')))).toBe(shownOf(model.get(each.key)))
      return
    case 'order':
      store.order(Buffer.from(each.prefix, 'hex'))
      return
    case 'wipe':
      await store.wipe()
      model.clear()
  }
}

/** Its last byte one greater; 'ff' has nothing behind it of the same length. */
function behind(prefix: string): string {
  return prefix === 'ff' ? 'ffff' : `${prefix.slice(0, -1)}${Number(prefix.at(-1)) + 1}`
}

/** Long ones by their length and a digest. */
function shownOf(value: Uint8Array | undefined): string | null {
  if (value === undefined) return null
  if (value.byteLength <= 20) return Buffer.from(value).toString('hex')
  return `${value.byteLength} bytes ${createHash('sha256').update(value).digest('hex').slice(0, 8)}`
}

const shownEntries = (entries: readonly StoreEntry[]): string[] =>
  entries.map(([key, value]) => `${shownOf(key)!}: ${shownOf(value)!}`)

/** Hexadecimal digits are in the order of the bytes. */
function sortedEntries(model: ReadonlyMap<string, Buffer>, isIn: (key: string) => boolean = () => true): string[] {
  const entries = [...model].filter(([key]) => isIn(key)).sort(([one], [other]) => (one < other ? -1 : 1))
  return shownEntries(entries.map(([key, value]) => [Buffer.from(key, 'hex'), value]))
}

function walkAll(store: StateStore, limit: number): StoreEntry[] {
  const entries: StoreEntry[] = []
  for (let next: StepPlace = null, isFirst = true; isFirst || next !== null; isFirst = false) {
    const step = store.walk(next, limit)
    entries.push(...step.entries)
    next = step.next
  }
  return entries
}
