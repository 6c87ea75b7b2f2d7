/** When a registry is asked, how often, and who is told: by a manual clock and a registry in memory. */
import { describe, expect, test } from 'vitest'
import { sleep } from '../../../src/clock.ts'
import { TroupeError, isTroupeError } from '../../../src/errors.ts'
import { silentLog } from '../../../src/log.ts'
import { RegistryStats } from '../../../src/metrics/registry-stats.ts'
import { SchemaNeeded, type OwnSchema } from '../../../src/streams/flows/contract.ts'
import type { RegisterSchemas } from '../../../src/streams/registry/needed-schemas.ts'
import type {
  Compatibility,
  KeptSchema,
  KeptVersion,
  Registry,
  SchemaReference,
} from '../../../src/streams/registry/registry-client.ts'
import { RegistryError } from '../../../src/streams/registry/registry-error.ts'
import { SchemaBook } from '../../../src/streams/registry/schema-book.ts'
import type { SchemaNews } from '../../../src/streams/registry/schema-port.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { settled } from '../../support/settled.ts'

class FakeRegistry implements Registry {
  readonly name = 'schema registry http://fake'
  readonly ids = new Map<number, KeptSchema>()
  readonly versions: KeptVersion[] = []
  readonly asked: string[] = []
  mostOpen = 0
  isClosed = false
  /** Why this question fails; null: it does not. */
  fails: (question: string) => Error | null = () => null
  incompatible: string | null = null
  readonly #clock: ManualClock
  #open = 0

  constructor(clock: ManualClock) {
    this.#clock = clock
  }

  keep(subject: string, text: string, references: readonly SchemaReference[] = []): KeptVersion {
    const version = this.versions.filter((each) => each.subject === subject).length + 1
    const kept = { type: 'AVRO', text, references, subject, version, id: this.ids.size + 1 } as const
    this.ids.set(kept.id, kept)
    this.versions.push(kept)
    return kept
  }

  byId(id: number): Promise<KeptSchema | null> {
    return this.#answer(`id ${id}`, () => this.ids.get(id) ?? null)
  }

  version(subject: string, version: number | 'latest'): Promise<KeptVersion | null> {
    return this.#answer(`version ${subject} ${version}`, () => {
      const own = this.versions.filter((each) => each.subject === subject)
      return (version === 'latest' ? own.at(-1) : own[version - 1]) ?? null
    })
  }

  find(subject: string, schema: KeptSchema): Promise<KeptVersion | 'no-subject' | 'no-schema'> {
    return this.#answer(`find ${subject}`, () => {
      const own = this.versions.filter((each) => each.subject === subject)
      return own.find(({ text }) => text === schema.text) ?? (own.length === 0 ? 'no-subject' : 'no-schema')
    })
  }

  register(subject: string, { references, text }: KeptSchema): Promise<number> {
    const names = references.map(({ name, version }) => ` ${name}@${version}`).join('')
    return this.#answer(`register ${subject}${names}`, () => {
      if (this.incompatible !== null) throw new TroupeError('SCHEMA_INCOMPATIBLE', this.incompatible)
      return this.keep(subject, text, references).id
    })
  }

  compatibility(subject: string): Promise<Compatibility | null> {
    return this.#answer(`compatibility ${subject}`, () => {
      if (!this.versions.some((each) => each.subject === subject)) return null
      const { incompatible } = this
      return { isCompatible: incompatible === null, reasons: incompatible === null ? [] : [incompatible] }
    })
  }

  close(): void {
    this.isClosed = true
  }

  async #answer<Answer>(question: string, answer: () => Answer): Promise<Answer> {
    this.asked.push(question)
    this.#open += 1
    this.mostOpen = Math.max(this.mostOpen, this.#open)
    await sleep(this.#clock, 0)
    this.#open -= 1
    const failure = this.fails(question)
    if (failure !== null) throw failure
    return answer()
  }
}

class World {
  readonly clock = new ManualClock()
  readonly registry = new FakeRegistry(this.clock)
  readonly stats = new RegistryStats()
  readonly warnings: string[] = []
  readonly news: SchemaNews[] = []
  readonly known: number[] = []
  readonly book: SchemaBook

  constructor(registerSchemas: RegisterSchemas = 'never') {
    const { clock, registry, stats } = this
    const log = { ...silentLog, warn: (_: object, message: string) => this.warnings.push(message) }
    this.book = new SchemaBook({ registry, registerSchemas, clock, random: () => 0, log, stats })
    this.book.onNews = (news) => this.news.push(news)
  }

  want(...ids: number[]): (() => void)[] {
    return ids.map((id) => this.book.whenKnown(id, () => this.known.push(id)))
  }

  /** Lets the registry answer all that it is asked now. */
  async answered(): Promise<void> {
    await this.clock.settle()
  }
}

const down = (): Error => new RegistryError('SCHEMA_REGISTRY_UNREACHABLE', 'connect ECONNREFUSED 127.0.0.1:8081', null)

function codeOf(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    return isTroupeError(error) ? error.code : (error as Error).name
  }
  return 'fine'
}

describe('an id that is not known', () => {
  test('is needed first, then told as news, and only then to who waits', async () => {
    const { book, clock, known, news, registry } = new World()
    registry.keep('clicks-value', '"string"')
    expect(() => book.writerOf(1)).toThrow(SchemaNeeded)
    const newsBefore: number[] = []
    book.whenKnown(1, () => {
      newsBefore.push(news.length)
      known.push(1)
    })
    expect(known).toEqual([])
    await clock.settle()
    await clock.settle()
    expect(known).toEqual([1])
    expect(newsBefore).toEqual([1])
    expect(news).toEqual([{ ids: [], writers: [[1, { type: 'AVRO', text: '"string"', references: [] }]] }])
    expect(book.writerOf(1).text).toBe('"string"')
  })

  test('is one question, however many wait for it', async () => {
    const world = new World()
    world.registry.keep('clicks-value', '"string"')
    world.want(1, 1, 1)
    await world.answered()
    world.want(1)
    await world.answered()
    expect(world.known).toEqual([1, 1, 1, 1])
    expect(world.registry.asked).toEqual(['id 1'])
  })

  test('is told again to who has forgotten it, never before the call returns', async () => {
    const world = new World()
    world.registry.keep('clicks-value', '"string"')
    world.want(1)
    await world.answered()
    world.want(1, 1)
    expect(world.known).toEqual([1])
    await world.answered()
    expect(world.known).toEqual([1, 1, 1])
    expect(world.news).toHaveLength(2)
    expect(world.news[1]).toEqual(world.news[0])
  })

  test('is not asked for when nobody waits any more', async () => {
    const world = new World()
    for (const cancel of world.want(1, 2, 3, 4, 5, 6, 6)) cancel()
    await world.answered()
    expect(world.registry.asked).toEqual(['id 1', 'id 2', 'id 3', 'id 4'])
    expect(world.known).toEqual([])
    expect(world.stats.waiting()).toBe(0)
  })

  test('that the registry does not have is asked for again after a while only', async () => {
    const world = new World()
    world.want(9)
    await world.answered()
    expect(world.news).toEqual([{ ids: [], writers: [[9, null]] }])
    expect(codeOf(() => world.book.writerOf(9))).toBe('SCHEMA_UNKNOWN')
    for (let second = 0; second < 29; second += 1) {
      world.want(9)
      await world.clock.advance(1_000)
    }
    expect(world.registry.asked).toEqual(['id 9'])
    await world.clock.advance(2_000)
    expect(() => world.book.writerOf(9)).toThrow(SchemaNeeded)
    world.want(9)
    await world.answered()
    expect(world.registry.asked).toEqual(['id 9', 'id 9'])
  })

  test.each([-1, 2 ** 31, 4_294_967_295, 1.5, NaN])('that can be none (%d) is nobody asked for', async (id) => {
    const world = new World()
    expect(codeOf(() => world.book.writerOf(id))).toBe('SCHEMA_UNKNOWN')
    world.want(id)
    await world.answered()
    expect(world.known).toEqual([id])
    expect(world.registry.asked).toEqual([])
  })
})

test('a storm of 1,000 ids, good and bad, is one question each, a few at a time', async () => {
  const world = new World()
  for (let id = 1; id <= 1_000; id += 1) if (id % 2 === 0) world.registry.ids.set(id, kept('"int"'))
  for (let round = 0; round < 3; round += 1) {
    world.want(...Array.from({ length: 1_000 }, (_, at) => at + 1))
    await world.clock.advance(1)
  }
  await world.clock.runUntil(() => world.known.length === 3_000)
  expect(world.registry.asked).toHaveLength(1_000)
  expect(new Set(world.registry.asked).size).toBe(1_000)
  expect(world.registry.mostOpen).toBe(4)
  expect(world.clock.pendingTimers).toBe(0)
})

describe('a registry that is away', () => {
  test('is asked for one id at a time, ever more seldom, and for ever; then all is answered', async () => {
    const world = new World()
    for (let id = 1; id <= 20; id += 1) world.registry.ids.set(id, kept('"int"'))
    world.registry.fails = down
    world.want(...world.registry.ids.keys())
    await world.answered()
    expect(world.registry.asked).toHaveLength(4)
    expect(world.book.trouble()).toEqual({
      reason: 'connect ECONNREFUSED 127.0.0.1:8081',
      sinceMs: world.clock.now(),
      waitingIds: 20,
    })
    const startMs = world.clock.now()
    const times: number[] = []
    let seen = 4
    await world.clock.runUntil(
      () => {
        if (world.registry.asked.length > seen) times.push(world.clock.now() - startMs)
        expect(world.registry.asked.length - seen).toBeLessThanOrEqual(1)
        seen = world.registry.asked.length
        return times.length === 12
      },
      { maxMs: 600_000 },
    )
    const gaps = times.map((time, at) => time - (times[at - 1] ?? 0))
    expect(gaps.slice(0, 9)).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
    expect(new Set(world.registry.asked).size).toBeGreaterThan(10)
    expect(world.known).toEqual([])
    await world.clock.advance(3_600_000)
    expect(world.registry.asked.length).toBeLessThan(seen + 122)
    world.registry.fails = () => null
    await world.clock.advance(61_000)
    expect([...world.known].sort((a, b) => a - b)).toEqual([...world.registry.ids.keys()])
    expect(world.book.trouble()).toBeNull()
    expect(world.clock.pendingTimers).toBe(0)
  })

  test('leaves what is known as it is', async () => {
    const world = new World()
    world.registry.keep('clicks-value', '"string"')
    world.want(1)
    await world.answered()
    world.registry.fails = down
    world.want(2)
    await world.answered()
    expect(world.book.writerOf(1).text).toBe('"string"')
    world.want(1)
    await world.answered()
    expect(world.known).toEqual([1, 1])
  })

  test('is no answer: what is not known stays needed', async () => {
    const world = new World()
    world.registry.fails = down
    world.want(1)
    await world.clock.advance(600_000)
    expect(() => world.book.writerOf(1)).toThrow(SchemaNeeded)
    expect(world.news).toEqual([])
  })

  test('and asks to be left alone is left alone for so long, five minutes at most', async () => {
    for (const [askedMs, waitedMs] of [
      [40_000, 40_000],
      [3_600_000, 300_000],
    ] as const) {
      const world = new World()
      world.registry.fails = () => new RegistryError('SCHEMA_REGISTRY_UNREACHABLE', 'it answered 429', askedMs)
      world.want(1)
      await world.answered()
      world.want(2)
      await world.clock.advance(waitedMs - 1)
      expect(world.registry.asked).toEqual(['id 1'])
      await world.clock.advance(2)
      expect(world.registry.asked).toEqual(['id 1', 'id 2'])
    }
  })

  test('for one id only does not hold up others', async () => {
    const world = new World()
    for (let id = 2; id <= 100; id += 1) world.registry.ids.set(id, kept('"int"'))
    world.registry.fails = (question) =>
      question === 'id 1' ? new RegistryError('SCHEMA_REGISTRY_UNREACHABLE', 'it answered 500', null) : null
    world.want(1)
    await world.clock.advance(120_000)
    const before = world.registry.asked.length
    expect(before).toBeLessThan(15)
    for (let id = 2; id <= 100; id += 1) {
      world.want(id)
      await world.clock.settle()
      await world.clock.settle()
      expect(world.known.at(-1)).toBe(id)
    }
    expect(world.registry.asked.length).toBeLessThan(before + 102)
    expect(world.book.trouble()).toMatchObject({ reason: 'it answered 500', waitingIds: 1 })
  })

  test('is no trouble when nobody waits for it', async () => {
    const world = new World()
    world.registry.fails = down
    const cancels = world.want(1, 2)
    await world.answered()
    expect(world.book.trouble()).not.toBeNull()
    for (const cancel of cancels) cancel()
    expect(world.book.trouble()).toBeNull()
    await world.answered()
    expect(world.clock.pendingTimers).toBe(0)
  })

  test('delays differ from process to process', async () => {
    const clock = new ManualClock()
    const registry = new FakeRegistry(clock)
    registry.fails = down
    const parts = { registry, registerSchemas: 'never', clock, log: silentLog, stats: new RegistryStats() } as const
    const book = new SchemaBook({ ...parts, random: () => 1 })
    book.whenKnown(1, () => undefined)
    await clock.settle()
    await clock.settle()
    await clock.advance(200)
    await clock.settle()
    expect(registry.asked).toEqual(['id 1', 'id 1'])
  })
})

describe('references', () => {
  const at = (name: string, version = 1): SchemaReference => ({ name: `com.acme.${name}`, subject: name, version })

  test('are fetched however deep, each once, each before who refers to it', async () => {
    const world = new World()
    const { registry } = world
    registry.keep('money', 'M')
    registry.keep('line', 'L', [at('money')])
    registry.keep('address', 'A')
    const order = registry.keep('orders-value', 'O', [at('line'), at('address'), at('money')])
    const other = registry.keep('carts-value', 'C', [at('line')])
    world.want(order.id, other.id)
    await world.answered()
    expect(world.book.writerOf(order.id).references).toEqual([
      { name: 'com.acme.money', text: 'M' },
      { name: 'com.acme.line', text: 'L' },
      { name: 'com.acme.address', text: 'A' },
    ])
    expect(world.book.writerOf(other.id).references.map(({ text }) => text)).toEqual(['M', 'L'])
    expect(registry.asked.filter((question) => question.startsWith('version')).sort()).toEqual([
      'version address 1',
      'version line 1',
      'version money 1',
    ])
  })

  test.each([
    ['a circle', [at('b')], 'version 1 of subject a refers to itself'],
    [
      'one that is missing',
      [at('nowhere')],
      'it refers to version 1 of subject nowhere, which the registry does not have',
    ],
  ])('%s cannot be read with: no outage', async (_, references, says) => {
    const world = new World()
    world.registry.keep('a', 'A', references)
    world.registry.keep('b', 'B', [at('a')])
    const { id } = world.registry.keep('clicks-value', 'X', [at('a')])
    world.want(id)
    await world.answered()
    expect(world.known).toEqual([id])
    expect(codeOf(() => world.book.writerOf(id))).toBe('SCHEMA_UNKNOWN')
    expect(world.warnings).toEqual([`schema ${id} cannot be read with: ${says}`])
    expect(world.book.trouble()).toBeNull()
  })

  test('that cannot be fetched for now are waited for', async () => {
    const world = new World()
    world.registry.keep('money', 'M')
    const { id } = world.registry.keep('clicks-value', 'X', [at('money')])
    world.registry.fails = (question) => (question === 'version money 1' ? down() : null)
    world.want(id)
    await world.answered()
    expect(world.known).toEqual([])
    world.registry.fails = () => null
    await world.clock.advance(1_000)
    expect(world.known).toEqual([id])
  })

  test('that are too many, or too deep, have an end', async () => {
    const world = new World()
    for (let depth = 0; depth < 40; depth += 1)
      world.registry.keep(`s${depth}`, 'S', depth === 0 ? [] : [at(`s${depth - 1}`)])
    const { id } = world.registry.keep('clicks-value', 'X', [at('s39')])
    world.want(id)
    await world.clock.advance(1_000)
    await world.answered()
    expect(codeOf(() => world.book.writerOf(id))).toBe('SCHEMA_UNKNOWN')
  })
})

const own = (name: string, text: string, references: readonly OwnSchema[] = []): OwnSchema => ({
  type: 'AVRO',
  name,
  text,
  references,
})

describe('before the first record', () => {
  test('ids of what is written are looked up, and the latest of what is read is fetched', async () => {
    const world = new World()
    const { book, clock, registry } = world
    registry.keep('clicks-value', 'C1')
    registry.keep('clicks-value', 'C2')
    registry.keep('out-value', 'O')
    await settled(
      clock,
      book.prepare([
        { subject: 'clicks-value', schema: own('Click', 'C1'), use: 'read' },
        { subject: 'out-value', schema: own('Out', 'O'), use: 'write' },
        { subject: 'out-value', schema: own('Out', 'O'), use: 'write' },
        { subject: 'nobody-wrote-value', schema: own('New', 'N'), use: 'read' },
      ]),
    )
    expect(book.idOf('out-value')).toBe(3)
    expect(book.writerOf(2).text).toBe('C2')
    const news = {
      ids: [['out-value', 3]],
      writers: [
        [3, writer('O')],
        [2, writer('C2')],
      ],
    }
    expect(world.news).toEqual([news])
    expect(book.all()).toEqual(news)
    expect(registry.asked).toEqual([
      'find out-value',
      'version clicks-value latest',
      'version nobody-wrote-value latest',
    ])
  })

  test('a subject that nobody has looked for has no id', () => {
    expect(codeOf(() => new World().book.idOf('out-value'))).toBe('SCHEMA_MISSING')
  })

  test("never registers: every subject that is missing is named, with the registry's own reason", async () => {
    const world = new World()
    world.registry.keep('b-value', 'B0')
    const needed = [
      { subject: 'a-value', schema: own('A', 'A'), use: 'write' },
      { subject: 'b-value', schema: own('B', 'B'), use: 'write' },
    ] as const
    await expect(settled(world.clock, world.book.prepare(needed))).rejects.toMatchObject({
      code: 'SCHEMA_MISSING',
      message:
        'what the app writes with is not in schema registry http://fake:\n' +
        '  - subject a-value: there is no such subject\n' +
        '  - subject b-value: other versions, but not this schema; it could be registered',
    })
    world.registry.incompatible = 'READER_FIELD_MISSING_DEFAULT_VALUE at /fields/1'
    await expect(settled(world.clock, world.book.prepare(needed))).rejects.toMatchObject({
      code: 'SCHEMA_INCOMPATIBLE',
      message:
        'what the app writes with is not in schema registry http://fake:\n' +
        '  - subject a-value: there is no such subject\n' +
        '  - subject b-value: not compatible with its latest version, the registry says: READER_FIELD_MISSING_DEFAULT_VALUE at /fields/1',
    })
    expect(world.registry.asked.some((question) => question.startsWith('register'))).toBe(false)
  })

  test('on-start registers what is missing, references first, by their versions', async () => {
    const world = new World('on-start')
    const { book, clock, registry } = world
    registry.keep('com.acme.Money', 'M0')
    const money = own('com.acme.Money', 'M')
    const order = own('com.acme.Order', 'O', [own('com.acme.Line', 'L', [money]), money])
    await settled(
      clock,
      book.prepare([
        { subject: 'orders-value', schema: order, use: 'write' },
        { subject: 'orders-key', schema: own('Key', '"string"'), use: 'write' },
      ]),
    )
    expect(registry.asked.filter((question) => question.startsWith('register'))).toEqual([
      'register com.acme.Money',
      'register com.acme.Line com.acme.Money@2',
      'register orders-value com.acme.Line@1 com.acme.Money@2',
      'register orders-key',
    ])
    expect(book.writerOf(book.idOf('orders-value'))).toEqual({
      type: 'AVRO',
      text: 'O',
      references: [
        { name: 'com.acme.Money', text: 'M' },
        { name: 'com.acme.Line', text: 'L' },
      ],
    })
    registry.asked.length = 0
    await settled(clock, book.prepare([{ subject: 'orders-value', schema: order, use: 'write' }]))
    expect(registry.asked.some((question) => question.startsWith('register'))).toBe(false)
  })

  test('a reference that is missing is named, and so is who refers to it', async () => {
    const { book, clock } = new World()
    const schema = own('Order', 'O', [own('com.acme.Money', 'M'), own('com.acme.Address', 'A')])
    await expect(
      settled(clock, book.prepare([{ subject: 'orders-value', schema, use: 'write' }])),
    ).rejects.toMatchObject({
      code: 'SCHEMA_MISSING',
      message:
        'what the app writes with is not in schema registry http://fake:\n' +
        '  - subject com.acme.Money: there is no such subject\n' +
        '  - subject com.acme.Address: there is no such subject\n' +
        '  - subject orders-value: it refers to com.acme.Money, com.acme.Address',
    })
  })

  test('on-start says what the registry refuses, and why', async () => {
    const world = new World('on-start')
    world.registry.incompatible = 'field total has no default'
    const needed = [{ subject: 'out-value', schema: own('Out', 'O'), use: 'write' }] as const
    await expect(settled(world.clock, world.book.prepare(needed))).rejects.toMatchObject({
      code: 'SCHEMA_INCOMPATIBLE',
      message: expect.stringContaining('subject out-value: refused: field total has no default') as string,
    })
  })

  test('two schemas cannot be written with under one subject', async () => {
    const needed = ['A', 'B'].map((text) => ({ subject: 'out-value', schema: own('Out', text), use: 'write' }) as const)
    await expect(new World().book.prepare(needed)).rejects.toMatchObject({
      code: 'OPTIONS_INVALID',
      message: expect.stringContaining('out-value') as string,
    })
  })

  test('a registry that is away is one clear error, at once', async () => {
    const world = new World()
    world.registry.fails = down
    const needed = [{ subject: 'out-value', schema: own('Out', 'O'), use: 'write' }] as const
    await expect(settled(world.clock, world.book.prepare(needed))).rejects.toMatchObject({
      code: 'SCHEMA_REGISTRY_UNREACHABLE',
      message: 'connect ECONNREFUSED 127.0.0.1:8081',
    })
    expect(world.registry.asked).toEqual(['find out-value'])
  })

  test.each([
    [2_000, true],
    [0, true],
    [60_000, false],
  ])('one that asks to wait for %i ms is waited for, within reason', async (retryAfterMs, isPatient) => {
    const world = new World()
    world.registry.keep('out-value', 'O')
    let left = 3
    world.registry.fails = () =>
      (left -= 1) < 0 ? null : new RegistryError('SCHEMA_REGISTRY_UNREACHABLE', 'it answered 429', retryAfterMs)
    const needed = [{ subject: 'out-value', schema: own('Out', 'O'), use: 'write' }] as const
    const prepared = settled(world.clock, world.book.prepare(needed))
    if (isPatient) await expect(prepared).resolves.toBeUndefined()
    else await expect(prepared).rejects.toMatchObject({ message: 'it answered 429' })
  })
})

describe('closed', () => {
  test('a start that waits for it to be asked again waits no more', async () => {
    const { book, clock, registry } = new World()
    registry.fails = () => new RegistryError('SCHEMA_REGISTRY_UNREACHABLE', 'it answered 429', 20_000)
    let told: unknown = 'waits'
    book.prepare([{ subject: 'out-value', schema: own('Out', 'O'), use: 'write' }]).catch((error: unknown) => {
      told = isTroupeError(error) ? error.code : error
    })
    await clock.settle()
    book.close()
    await clock.settle()
    expect([told, clock.pendingTimers]).toEqual(['SCHEMA_REGISTRY_UNREACHABLE', 0])
  })

  test('nobody is called any more, no timer is left, and the registry is let go', async () => {
    const world = new World()
    world.registry.keep('clicks-value', '"string"')
    world.want(1)
    await world.answered()
    world.registry.fails = down
    world.want(1, 2, 3)
    world.book.close()
    await world.clock.advance(60_000)
    expect(world.known).toEqual([1])
    expect(world.clock.pendingTimers).toBe(0)
    expect(world.registry.isClosed).toBe(true)
  })
})

function kept(text: string): KeptSchema {
  return { type: 'AVRO', text, references: [] }
}

function writer(text: string): KeptSchema {
  return kept(text)
}
