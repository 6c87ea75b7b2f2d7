/** What users and data choose becomes neither a series nor an entry that stays: on the fake broker, with a clock of its own. */
import fc from 'fast-check'
import { Registry } from 'prom-client'
import { describe, expect, test } from 'vitest'
import { deadLetter, defineHandler, done, retry, skip, type Outcome } from '../../src/actors/handlers/handler.ts'
import { RetryableError, TerminalError } from '../../src/errors.ts'
import { silentLog, type Log } from '../../src/log.ts'
import { registerMetrics } from '../../src/metrics/metrics.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { resolveOptions } from '../../src/options/resolve.ts'
import { json, text } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'
import { Engine } from '../../src/supervisor/engine.ts'
import { FakeBroker } from '../../src/testing/broker/fake-broker.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { keptTexts } from '../support/kept-texts.ts'
import { settled } from '../support/settled.ts'

const MARK = 'chosen-by-a-user'
const NUMBER = 7_000_000_000_000

/** What a handler is to do with a record, and the texts and numbers with which it does so. */
interface Deed {
  readonly type: 'throw' | 'throw-terminal' | 'throw-retryable' | 'dead-letter' | 'retry' | 'skip' | 'topic' | 'table'
  readonly code: string | number
  readonly text: string
}

const out = topic('out', { value: text })

function act({ code, text: words, type }: Deed, attempt: number): Outcome {
  switch (type) {
    case 'throw':
      throw Object.assign(new Error(words), { code, name: words })
    case 'throw-terminal':
      throw Object.assign(new TerminalError(words), { code })
    case 'throw-retryable':
      throw Object.assign(new RetryableError(words), { code })
    case 'dead-letter':
      return deadLetter(words)
    case 'retry':
      return attempt === 1 ? retry() : done()
    case 'skip':
      return skip()
    case 'topic':
      return done([{ type: 'record', topic: words, value: words, options: {} }])
    case 'table':
      return done([{ type: 'row', table: words, row: { id: words } }])
  }
}

class World {
  readonly clock = new ManualClock()
  readonly stats = new EngineStats()
  readonly warnings: object[] = []
  readonly broker = new FakeBroker({ clock: this.clock })
  readonly #registry = new Registry()

  constructor() {
    this.broker.createTopic('clicks', 1)
    this.broker.createTopic('out', 1)
    this.broker.createTopic('dead', 1)
    registerMetrics(this.#registry, this.stats)
  }

  async start(): Promise<Engine> {
    const handler = defineHandler({
      name: 'deeds',
      input: topic<Deed>('clicks', { value: json<Deed>() }),
      outputs: [out],
      handle: (deed, { attempt }) => act(deed, attempt),
    })
    const app = resolveOptions({
      kafka: { brokers: 'fake:9092', groupId: 'group' },
      actors: [{ name: 'deeds', handler, deadLetter: 'dead', retry: { attempts: 2, backoffMs: 1, maxBackoffMs: 1 } }],
    })
    const client = this.broker.client('one')
    const log: Log = { ...silentLog, warn: (fields) => this.warnings.push(fields) }
    const parts = { app, broker: client, clock: client.clock, random: () => 0, log, stats: this.stats }
    return await settled(this.clock, Engine.start(parts))
  }

  append(deed: Deed): void {
    // Nobody writes a NUL into the name of a header: to the client it would end there.
    const headers = [[deed.text.replaceAll('\0', ''), Buffer.from(deed.text)]] as const
    this.broker.append('clicks', { value: JSON.stringify(deed), key: deed.text, partition: 0, headers })
  }

  async series(): Promise<string[]> {
    const page = await this.#registry.metrics()
    const lines = page.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    return lines.map((line) => line.slice(0, line.lastIndexOf(' ')))
  }

  async value(series: string): Promise<number> {
    const page = await this.#registry.metrics()
    const line = page.split('\n').find((each) => each.startsWith(`${series} `))
    return Number(line?.slice(series.length))
  }
}

const types: readonly Deed['type'][] = [
  ...(['throw', 'throw-terminal', 'throw-retryable', 'dead-letter', 'retry', 'skip', 'topic', 'table'] as const),
]
const words = fc.string({ unit: 'binary' }).map((tail) => `${MARK} ${tail}`)
const numbers = fc.integer({ min: 0, max: 1_000_000_000 }).map((more) => NUMBER + more)
const deeds = fc.array(
  fc.record({
    type: fc.constantFrom(...types),
    code: fc.oneof(words, numbers, fc.constantFrom('__proto__', 'constructor', 'ECONNREFUSED', '')),
    text: words,
  }),
  { minLength: 1, maxLength: 20 },
)

test(
  'the net catches: an entry behind a private field is found, by its key or its value, text or number',
  { timeout: 60_000 },
  () => {
    class Keeper {
      readonly #kept = new Map<unknown, unknown>([[`${MARK} key`, NUMBER + 1]])
      readonly #names = new Set([`${MARK} name`])

      get size(): number {
        return this.#kept.size + this.#names.size
      }
    }
    const keeper = new Keeper()
    expect(keptTexts(MARK, NUMBER).sort()).toEqual([String(NUMBER + 1), `${MARK} key`, `${MARK} name`])
    expect(keeper.size).toBe(2)
  },
)

describe('what users and data choose', () => {
  test('makes no series, and leaves no entry in memory when its record has gone', { timeout: 60_000 }, async () => {
    const world = new World()
    const engine = await world.start()
    // Each kind once, with words of our own: from then on nothing is new.
    for (const type of types) world.append({ type, code: 'E_FIRST', text: 'first' })
    await world.clock.advance(2_000)
    const before = await world.series()
    await fc.assert(
      fc.asyncProperty(deeds, async (round) => {
        for (const deed of round) world.append(deed)
        await world.clock.advance(2_000)
        expect(engine.status().recordsInFlight).toBe(0)
        expect(await world.series()).toEqual(before)
      }),
      { numRuns: 25 },
    )
    expect(keptTexts(MARK, NUMBER)).toEqual([])
    await settled(world.clock, engine.stop())
  })

  test('is counted under a code of ours, and stays in the dead letter and its log line', async () => {
    const world = new World()
    const engine = await world.start()
    for (let at = 0; at < 120; at += 1) world.append({ type: 'throw-terminal', code: `E_${at}`, text: 'x' })
    await world.clock.advance(2_000)
    expect(await world.value('troupe_attempt_failures_total{actor="deeds",code="TERMINAL_ERROR"}')).toBe(120)
    expect(await world.value('troupe_dead_letters_total{actor="deeds",code="TERMINAL_ERROR"}')).toBe(120)
    // The 1st, 10th and 100th, though each has a code of its own.
    expect(world.warnings).toMatchObject([{ errorCode: 'E_0' }, { errorCode: 'E_9' }, { errorCode: 'E_99' }])
    const letters = world.broker.records('dead').map(({ headers }) => new Map(headers).get('troupe.error-code'))
    expect(letters.map((code) => Buffer.from(code ?? []).toString())).toEqual(
      Array.from({ length: 120 }, (_, at) => `E_${at}`),
    )
    await settled(world.clock, engine.stop())
  })

  test('an error without a code counts the same as a failure and as a dead letter', async () => {
    const world = new World()
    const engine = await world.start()
    world.append({ type: 'throw-terminal', code: undefined as never, text: 'x' })
    await world.clock.advance(2_000)
    expect(await world.value('troupe_attempt_failures_total{actor="deeds",code="TERMINAL_ERROR"}')).toBe(1)
    expect(await world.value('troupe_dead_letters_total{actor="deeds",code="TERMINAL_ERROR"}')).toBe(1)
    await settled(world.clock, engine.stop())
  })
})
