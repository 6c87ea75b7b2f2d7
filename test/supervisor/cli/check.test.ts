/** `troupe check` finds what a start would end with: all of it, each with its actor or sink, and joins nothing. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { AnyHandler } from '../../../src/actors/handlers/any-handler.ts'
import { defineHandler, done } from '../../../src/actors/handlers/handler.ts'
import { tryHandler } from '../../../src/actors/handlers/handler-trial.ts'
import type { AppDefinition } from '../../../src/app.ts'
import { systemClock } from '../../../src/clock.ts'
import { TroupeError } from '../../../src/errors.ts'
import { silentLog } from '../../../src/log.ts'
import { OpenWaits } from '../../../src/metrics/open-waits.ts'
import { resolveOptions } from '../../../src/options/resolve.ts'
import { table, topic } from '../../../src/streams/flows/flow.ts'
import type { Sink } from '../../../src/streams/delivery/sink.ts'
import type { NeededSchema, SchemaPort } from '../../../src/streams/registry/schema-port.ts'
import { loadApp } from '../../../src/supervisor/cli/app-module.ts'
import { checkApp, type CheckResult } from '../../../src/supervisor/cli/check.ts'
import { FakeBroker } from '../../../src/testing/broker/fake-broker.ts'
import { FakeSchemas } from '../../support/fake-schemas.ts'
import { headed } from '../../support/header-codec.ts'
import { countHandler } from '../../support/state-app.ts'

const clicks = topic<number>('clicks')
const copies = topic<number>('copies')
const rows = table<{ id: string }>('rows', { columns: { id: 'text' }, key: ['id'] })
const handle = () => done()
const good = defineHandler({ input: clicks, handle })

interface Settings extends Partial<AppDefinition> {
  readonly broker?: FakeBroker
  /** What modules export, by their path. */
  readonly modules?: Readonly<Record<string, AnyHandler | Error>>
  readonly startTimeoutMs?: number
  readonly schemas?: SchemaPort
}

async function check(
  actors: AppDefinition['actors'],
  { broker, modules = {}, schemas, startTimeoutMs = 60_000, ...rest }: Settings = {},
): Promise<CheckResult & { readonly told: readonly string[] }> {
  const app = resolveOptions({ kafka: { brokers: 'a:1', groupId: 'g' }, actors, ...rest })
  const result = await checkApp({
    app,
    waits: new OpenWaits(systemClock),
    startTimeoutMs,
    verifyClient: () => Promise.resolve(),
    tryModule: ({ actor, url, shared }) => {
      const found = modules[new URL(url).pathname] ?? new Error(`${url} is no module of this test`)
      return tryHandler(
        actor,
        () => (found instanceof Error ? Promise.reject(found) : Promise.resolve(found)),
        shared,
        silentLog,
      )
    },
    openBroker: broker === undefined ? null : () => Promise.resolve(broker.client('check')),
    openSchemas: schemas === undefined ? null : () => Promise.resolve(schemas),
  })
  return { ...result, told: result.problems.map((error) => `${String(Reflect.get(error, 'code'))} ${error.message}`) }
}

function fakeSink(changes: Partial<Sink> = {}): Sink & { isClosed: boolean } {
  return {
    isClosed: false,
    maxBatch: 1,
    open: () => Promise.resolve(),
    prepare: () => Promise.resolve(),
    write: () => Promise.resolve([]),
    close() {
      this.isClosed = true
      return Promise.resolve()
    },
    ...changes,
  }
}

describe('without servers', () => {
  test('an app that would start has no problems', async () => {
    const { problems, found } = await check([{ name: 'copy', handler: good }])
    expect(problems).toEqual([])
    expect(found).toEqual(['actor copy: loaded and set up'])
  })

  test('every problem is told, with its actor or its sink', async () => {
    const noPackage = new TroupeError('OPTIONS_INVALID', 'troupe/postgres needs the package pg')
    const { told } = await check(
      [
        { name: 'broken', handler: new URL('file:///broken.js') },
        {
          name: 'unset',
          handler: defineHandler({
            input: topic('a'),
            handle,
            setup: (): Promise<void> => Promise.reject(new Error('no key')),
          }),
        },
        {
          name: 'stuck',
          handler: defineHandler({ input: topic('b'), handle, teardown: () => Promise.reject(new Error('busy')) }),
        },
        { name: 'one', handler: good },
        { name: 'other', handler: good },
        { name: 'writer', handler: defineHandler({ input: topic('c'), outputs: [rows], handle }) },
      ],
      {
        modules: { '/broken.js': new TroupeError('HANDLER_NOT_LOADED', '/broken.js does not load') },
        sinks: { warehouse: fakeSink({ verify: () => Promise.reject(noPackage) }) },
      },
    )
    expect(told).toEqual([
      'OPTIONS_INVALID sink warehouse: troupe/postgres needs the package pg',
      'HANDLER_NOT_LOADED actor broken: /broken.js does not load',
      'SETUP_FAILED actor unset: setup of handler unset failed: no key',
      'SETUP_FAILED actor stuck: teardown of handler stuck, called right after its setup, failed',
      expect.stringContaining('OPTIONS_INVALID actors one and other both read topic clicks'),
      'SINK_MISSING actor writer writes table rows to sink postgres; the app has only: warehouse',
    ])
  })

  test('what is set up is torn down, and gets the shared data', async () => {
    const events: string[] = []
    const handler = defineHandler({
      input: clicks,
      setup: ({ shared }) => shared('geo').toString(),
      teardown: (setup) => void events.push(setup),
      handle,
    })
    const { problems } = await check([{ handler }], { shared: { geo: () => Buffer.from('FR') } })
    expect({ problems, events }).toEqual({ problems: [], events: ['FR'] })
  })

  test('shared data that does not load is the problem, and not the setup that lacks it', async () => {
    const handler = defineHandler({ input: clicks, setup: ({ shared }) => shared('geo'), handle })
    const shared = { geo: () => Promise.reject(new Error('no file')), dictionary: () => 'text' as never }
    const { told } = await check([{ handler }], { shared })
    expect(told).toEqual([
      'SHARED_NOT_LOADED the shared data geo does not load: no file',
      'SHARED_NOT_LOADED the loader of the shared data dictionary returned no Buffer or Uint8Array',
    ])
  })

  test('what never ends is told, step by step', async () => {
    const never = <Value>(): Promise<Value> => new Promise<Value>(() => undefined)
    const { told } = await check(
      [{ name: 'slow', handler: defineHandler({ input: clicks, setup: never<string>, handle }) }],
      {
        sinks: { warehouse: fakeSink({ verify: never<void> }) },
        startTimeoutMs: 1,
      },
    )
    expect(told).toEqual([
      'SINK_UNAVAILABLE sink warehouse: verify has not ended within 1 ms',
      'SETUP_FAILED actor slow: it was not loaded, set up and torn down within 1 ms',
    ])
    const shared = { geo: never<Buffer> }
    const other = await check([{ name: 'a', handler: good }], { shared, startTimeoutMs: 1 })
    expect(other.told).toEqual(['SHARED_NOT_LOADED the shared data geo is not loaded after 1 ms'])
  })

  test('a sink by a name that every object knows is missing, too', async () => {
    const odd = table<{ id: string }>('rows', { sink: 'constructor', columns: { id: 'text' }, key: ['id'] })
    const { told } = await check([{ name: 'a', handler: defineHandler({ input: clicks, outputs: [odd], handle }) }])
    expect(told).toEqual(['SINK_MISSING actor a writes table rows to sink constructor; the app has no sinks'])
  })
})

describe('with servers', () => {
  const handler = defineHandler({ input: clicks, outputs: [copies, rows], handle })

  test('says what is there', async () => {
    const broker = new FakeBroker({ clock: systemClock })
    for (const name of ['clicks', 'copies', 'dlq']) broker.createTopic(name, 3)
    const postgres = fakeSink()
    const { problems, found } = await check([{ name: 'copy', handler, deadLetter: 'dlq' }], {
      broker,
      sinks: { postgres },
    })
    expect(problems).toEqual([])
    expect(found).toEqual([
      'actor copy: loaded and set up',
      'Kafka: connected to a:1',
      'topic clicks: partitions: 3 (input of actor copy)',
      'topic copies: partitions: 3 (output of actor copy)',
      'topic dlq: partitions: 3 (dead letters of actor copy)',
      'group g: positions committed of 0 of 3 partitions',
      'sink postgres: connected; tables: rows',
    ])
    expect(postgres.isClosed).toBe(true)
  })

  test('names every topic, sink and table that is not, whatever failed before', async () => {
    const broker = new FakeBroker({ clock: systemClock })
    broker.createTopic('clicks', 1)
    const postgres = fakeSink({
      prepare: () => Promise.reject(new TroupeError('TABLE_MISSING', 'table "rows" does not exist')),
    })
    const away = fakeSink({ open: () => Promise.reject(new Error('ECONNREFUSED')) })
    const { told } = await check([{ name: 'copy', handler, deadLetter: 'dlq' }], { broker, sinks: { postgres, away } })
    expect(told).toEqual([
      'TOPIC_MISSING topic copies does not exist (output of actor copy); topic dlq does not exist (dead letters of actor copy)',
      'TABLE_MISSING sink postgres: table "rows" does not exist',
      'SINK_UNAVAILABLE sink away: ECONNREFUSED',
    ])
    expect([postgres.isClosed, away.isClosed]).toEqual([true, true])
  })

  test('a sink whose close throws ends nothing', async () => {
    const broker = new FakeBroker({ clock: systemClock })
    broker.createTopic('clicks', 1)
    const close = (): never => {
      throw new Error('not open')
    }
    const { problems } = await check([{ handler: good }], { broker, sinks: { rude: fakeSink({ close }) } })
    expect(problems).toEqual([])
  })
})

test('an app module whose top-level await never ends is told', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-app-'))
  const path = join(folder, 'app.mjs')
  writeFileSync(path, 'await new Promise(() => undefined)\nexport default {}\n')
  await expect(loadApp(path, 1)).rejects.toMatchObject({
    code: 'APP_NOT_LOADED',
    message: expect.stringMatching(/app\.mjs does not load: Error: it still waits for something/) as string,
  })
  rmSync(folder, { recursive: true })
})

test('state that goes with neither its order nor its guarantee is a problem before any start', async () => {
  const { told } = await check([{ name: 'count', handler: countHandler, order: 'unordered' }], {
    guarantee: 'at-least-once',
  })
  expect(told).toEqual([
    expect.stringMatching(/^OPTIONS_INVALID order of count: 'unordered' does not go with a handler that keeps state/),
    expect.stringMatching(/^OPTIONS_INVALID .*guarantee/),
  ])
})

describe('schemas', () => {
  const url = 'http://registry:8081'
  const handler = defineHandler({
    input: topic('orders', { value: headed() }),
    outputs: [topic('copies', { key: headed() })],
    handle: () => done(),
  })
  const missing = new TroupeError('SCHEMA_MISSING', 'subject copies-key: there is no such subject')

  /** A registry that has all, or fails; notes what it was asked for. */
  class Asked extends FakeSchemas {
    readonly needed: string[] = []
    isClosed = false
    readonly #failure: Error | null

    constructor(failure: Error | null) {
      super(systemClock)
      this.#failure = failure
    }

    override prepare(needed: readonly NeededSchema[] = []): Promise<void> {
      this.needed.push(...needed.map(({ subject, use }) => `${use} ${subject}`))
      return this.#failure === null ? Promise.resolve() : Promise.reject(this.#failure)
    }

    override close(): void {
      this.isClosed = true
    }
  }

  test('without a registry are a problem that names the topics', async () => {
    const { told } = await check([{ name: 'copy', handler }])
    expect(told).toEqual([
      'SCHEMA_REGISTRY_MISSING a registry keeps the schemas of the values of topic orders (headed), the keys of topic copies (headed), and none is named: set schemaRegistry.url',
    ])
  })

  test('are looked for where servers are asked, and the registry is let go', async () => {
    const schemas = new Asked(null)
    const { found, told } = await check([{ name: 'copy', handler }], { schemas, schemaRegistry: { url } })
    expect(told).toEqual([])
    expect(schemas.needed).toEqual(['read orders-value', 'write copies-key'])
    expect(found).toContain('schema registry: asked for subjects: orders-value, copies-key')
    expect(schemas.isClosed).toBe(true)
  })

  test('that are missing are a problem, unless a start registers them', async () => {
    const settings = { schemas: new Asked(missing), schemaRegistry: { url } }
    const { told } = await check([{ name: 'copy', handler }], settings)
    expect(told).toEqual([`SCHEMA_MISSING ${missing.message}`])
    const onStart = await check([{ name: 'copy', handler }], { ...settings, registerSchemas: 'on-start' })
    expect(onStart.told).toEqual([])
    expect(onStart.found).toContain(`schema registry: a start would register: ${missing.message}`)
  })
})
