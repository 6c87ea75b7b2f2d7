/** Schemas that are not known yet, on real threads: what main learns reaches them before the record goes again. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import type { SourceRecord } from '../../src/streams/record.ts'
import { FakeSchemas } from '../support/fake-schemas.ts'
import { withId } from '../support/header-codec.ts'
import { expectNoMoreThan, fixtureUrl, resources, startPool, until, type PoolSettings } from './pool-fixture.ts'

let directory = ''
let running: Awaited<ReturnType<typeof startPool>> | undefined

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'troupe-schemas-'))
})

afterAll(() => {
  rmSync(directory, { recursive: true })
})

afterEach(async () => {
  await running?.pool.destroy()
  running = undefined
})

async function start({ query = {}, ...settings }: PoolSettings & { query?: Record<string, string> } = {}) {
  const schemas = new FakeSchemas(systemClock)
  running = await startPool(fixtureUrl('headed.js', query), { ...settings, pool: { schemas, ...settings.pool } })
  let offset = 0
  const record = (key: string, id: number, script: object = {}): SourceRecord => {
    const value = withId(id, { key, ...script })
    const at = { topic: 'scripts', partition: 0, timestamp: 1_000, headers: [], offset: offset++ }
    return { ...at, key: Buffer.from(key), value }
  }
  return { ...running, record, schemas, keys: () => running!.results().map(({ key }) => key) }
}

describe('a record whose schema is not known', () => {
  test('waits while others go on, and is handled in its order when the schema has come', async () => {
    const { actorOf, finished, keys, record, results, schemas, send, stats } = await start()
    schemas.register(1)
    send([
      record('a', 17, { n: 1 }),
      record('a', 1, { n: 2 }),
      record('b', 1),
      record('c', 1),
      record('a', 17, { n: 3 }),
    ])
    await until(() => keys().length === 2 && actorOf(0).load.waitingForSchemas === 3)
    expect(keys().toSorted()).toEqual(['b', 'c'])
    schemas.register(17)
    await finished()
    const ofA = results().filter(({ key }) => key === 'a')
    expect(ofA.map(({ attempt, n, schema }) => [n, attempt, schema])).toEqual([
      [1, 1, '{"id":17}'],
      [2, 1, '{"id":1}'],
      [3, 1, '{"id":17}'],
    ])
    expect(stats.partition('enrich', 'scripts', 0)).toMatchObject({ attempts: 5, retries: 0, deadLettered: 0 })
  })

  test('finds it at once where its thread was held while it came', async () => {
    const { actorOf, finished, keys, record, schemas, send } = await start({ threads: { count: 1 } })
    const [first, second] = [join(directory, 'first'), join(directory, 'second')]
    schemas.register(1)
    send([record('a', 17)])
    await until(() => actorOf(0).load.waitingForSchemas === 1)
    send([record('b', 1, { do: 'hold', file: first }), record('b', 1, { do: 'hold', file: second }), record('b', 17)])
    writeFileSync(first, '')
    // In one batch: the last is decoded in the turn of the loop in which the one before lets the thread go, before any message comes in.
    await until(() => actorOf(0).load.atHandler === 2)
    schemas.register(17)
    await until(() => actorOf(0).load.waitingForSchemas === 0)
    writeFileSync(second, '')
    await finished()
    expect(keys().toSorted()).toEqual(['a', 'b', 'b', 'b'])
    // By a, which came before anybody knew it.
    expect(schemas.asked.filter((id) => id === 17)).toHaveLength(1)
  })

  test('is told again to a thread that has forgotten it', async () => {
    const { finished, record, results, schemas, send } = await start({ threads: { count: 1 } })
    for (let id = 1; id <= 1_101; id += 1) schemas.register(id)
    // Used up before any other comes: sent with them, it may be the one that goes again last, and is then remembered.
    send([record('0', 1)])
    await finished()
    send(Array.from({ length: 1_100 }, (_, at) => record(`${at}`, at + 2)))
    await finished()
    send([record('again', 1)])
    await finished()
    expect(results().at(-1)).toMatchObject({ key: 'again', schema: '{"id":1}', attempt: 1 })
    // With what it knows by now it could go on for ever: each is asked for once, and once more where it was forgotten.
    expect(schemas.asked.filter((id) => id === 1)).toHaveLength(2)
  })

  test('outlives the threads, and is handled by those that take their place', async () => {
    const { actorOf, deadLetters, finished, keys, record, results, schemas, send, stats } = await start({
      actor: { retry: { attempts: 1, backoffMs: 1, maxBackoffMs: 1, jitter: 0 } },
    })
    schemas.register(1)
    send([record('a', 17)])
    await until(() => actorOf(0).load.waitingForSchemas === 1)
    // They know schema 1 no more than schema 17, and have to be told of both.
    for (const key of ['b', 'c']) {
      const before = stats.threadRestarts
      send([record(key, 1, { do: 'exit' })])
      await until(() => stats.threadRestarts > before)
    }
    schemas.register(17)
    send([record('d', 1)])
    await finished()
    expect(keys().toSorted()).toEqual(['a', 'd'])
    expect(results().every(({ attempt }) => attempt === 1)).toBe(true)
    expect(deadLetters().map(({ headers }) => headers['troupe.offset'])).toEqual(['1', '2'])
  })

  test('is a dead letter with its bytes where the registry has none', async () => {
    const { deadLetters, finished, record, schemas, send, stats } = await start()
    schemas.register(17, null)
    const unknown = record('a', 17)
    send([unknown])
    await finished()
    const [letter] = deadLetters()
    expect(Buffer.from(letter!.record.value!)).toEqual(unknown.value)
    expect(letter!.headers).toMatchObject({ 'troupe.error-code': 'SCHEMA_UNKNOWN', 'troupe.attempts': '1' })
    expect(letter!.headers['troupe.error-message']).toContain('has no schema 17')
    expect(stats.partition('enrich', 'scripts', 0)).toMatchObject({ attempts: 1, deadLettered: 1 })
  })
})

describe('a thread whose handlers write with schemas', () => {
  test('runs nothing before it knows their ids, also one that takes the place of another', async () => {
    const { delivery, finished, manifests, record, schemas, send, stats } = await start({ query: { writes: '' } })
    expect(manifests[0]?.schemas.map(({ subject, use }) => [use, subject])).toEqual([
      ['read', 'scripts-value'],
      ['write', 'results-value'],
    ])
    schemas.register(1)
    send([record('a', 1)])
    schemas.write('results-value', 5)
    await finished()
    for (let thread = 0; thread < 2; thread += 1) {
      const before = stats.threadRestarts
      send([record('x', 1, { do: 'exit' })])
      await until(() => stats.threadRestarts > before)
    }
    send([record('b', 1), record('c', 1)])
    await finished()
    const headers = delivery.outputs.map(({ value }) => Buffer.from(value!).readUInt32BE(0))
    expect(headers.length).toBeGreaterThanOrEqual(3)
    expect(new Set(headers)).toEqual(new Set([5]))
  })

  test('is torn down also while it waits for them, and leaves nothing behind', async () => {
    const before = resources()
    const { lines, pool, record, schemas, send } = await start({ query: { writes: '' }, threads: { count: 1 } })
    schemas.register(1)
    send([record('a', 1)])
    await pool.destroy()
    expect(lines.filter(({ message }) => message === 'torn down')).toHaveLength(1)
    await expectNoMoreThan(before)
  })
})
