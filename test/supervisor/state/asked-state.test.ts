/** What an operator is told of state: embedded, over HTTP and by `troupe state`. */
import { Registry } from 'prom-client'
import { afterEach, describe, expect, test } from 'vitest'
import { silentLog } from '../../../src/log.ts'
import { EngineStats } from '../../../src/metrics/stats.ts'
import { questionOf, type StateChoice } from '../../../src/state/state-question.ts'
import { partitionOf } from '../../../src/streams/murmur2.ts'
import { runCommandLine } from '../../../src/supervisor/cli/command-line.ts'
import type { Engine } from '../../../src/supervisor/engine.ts'
import { startHttpServer, type HttpServer } from '../../../src/supervisor/http/http-server.ts'
import { mergeState } from '../../../src/supervisor/instances/merged-state.ts'
import type { AskedGroup } from '../../../src/supervisor/instances/merged-answers.ts'
import { groupOfOne } from '../../../src/supervisor/instances/own-instance.ts'
import { MapStores } from '../../support/map-store.ts'
import { StateApp } from '../../support/state-app.ts'

const token = 'a-token-of-a-test'
const keys = ['ada', 'bob', 'eve', 'ida', 'max']
const placeOf = (key: string): number => partitionOf(Buffer.from(key), 2)
const of = (choice: StateChoice = {}) => questionOf('count', choice)

const open: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

/** Each key where Java's producer puts it, so many times as its place in the list says. */
async function counted(): Promise<{ app: StateApp; engine: Engine }> {
  const app = new StateApp()
  const engine = await app.start()
  open.push(() => app.settled(engine.stop()))
  keys.forEach((key, at) => {
    for (let time = 0; time <= at; time += 1) app.append(placeOf(key), key, `v${time}`)
  })
  await app.clock.advance(1_000)
  return { app, engine }
}

describe('supervisor.state', () => {
  test('of a key tells each of its states as its codec has it, and where the key belongs', async () => {
    const { engine } = await counted()
    const report = engine.report(of({ key: 'eve' }))
    expect(report.keyPartition).toEqual({ partition: placeOf('eve'), isHere: true })
    const entry = { partition: placeOf('eve'), key: 'eve', keyIs: 'text', setAtMs: null }
    expect(report.entries).toEqual([
      { ...entry, state: 'total', value: 3, valueIs: 'json' },
      { ...entry, state: 'last', value: 'v2', valueIs: 'text' },
    ])
    expect(engine.report(of({ key: Buffer.from('eve'), name: 'last' })).entries).toHaveLength(1)
    expect(engine.report(of({ key: 'nobody' })).entries).toEqual([])
  })

  test('lists no more than was asked for, and says whether there is more', async () => {
    const { engine } = await counted()
    const all = engine.report(of({ limit: 100, name: 'total' }))
    expect(Object.fromEntries(all.entries.map(({ key, value }) => [key, value]))).toEqual(
      Object.fromEntries(keys.map((key, at) => [key, at + 1])),
    )
    expect(all.hasMore).toBe(false)
    const some = engine.report(of({ limit: 3, name: 'total' }))
    expect([some.entries.length, some.hasMore]).toEqual([3, true])
    const one = engine.report(of({ limit: 100, name: 'total', partition: placeOf('eve') }))
    expect(one.entries.map(({ key }) => key).toSorted()).toEqual(keys.filter((key) => placeOf(key) === placeOf('eve')))
  })

  test('tells sizes, and of a partition that is not restored how far it is', async () => {
    const { app, engine } = await counted()
    expect(engine.report(of()).partitions).toMatchObject([
      { partition: 0, isRestored: true, restore: null },
      { partition: 1, isRestored: true, restore: null },
    ])
    const entries = engine.report(of()).partitions.reduce((sum, each) => sum + (each.keys ?? 0), 0)
    // Two states of each key; of each partition how the two are declared, and its checkpoint.
    expect(entries).toBe(2 * keys.length + 2 * 3)
    await app.settled(engine.stop())
    const stores = new MapStores()
    const openStore = stores.open.bind(stores)
    let begin: () => void = () => undefined
    const mayBegin = new Promise<void>((resolve) => (begin = resolve))
    stores.open = async (place) => {
      await mayBegin
      return await openStore(place)
    }
    const again = await app.start('two', new EngineStats(app.clock), { openStores: () => Promise.resolve(stores) })
    open.push(() => app.settled(again.stop()))
    for (let step = 0; again.report(of()).partitions.length === 0 && step < 1_000; step += 1) await app.clock.advance(1)
    const [first] = again.report(of({ key: 'eve', partition: 0 })).partitions
    expect(first).toMatchObject({ partition: 0, isRestored: false, keys: null, restore: { actor: 'count' } })
    begin()
    await app.clock.advance(5_000)
    expect(again.report(of({ key: 'eve' })).entries).toMatchObject([{ value: 3 }, { value: 'v2' }])
  })

  test('of an actor or a name that is none says which there are', async () => {
    const { engine } = await counted()
    expect(() => engine.report(questionOf('copy', {}))).toThrow('actor copy keeps no state; those that do: count')
    expect(() => engine.report(of({ name: 'sum' }))).toThrow('actor count keeps no state sum; it keeps total, last')
  })
})

async function serve(instances: AskedGroup, httpToken: string | null = token): Promise<string> {
  const options = { port: 0, host: '127.0.0.1', token: httpToken, registry: new Registry(), log: silentLog }
  const server: HttpServer = await startHttpServer({ ...options, instances })
  open.push(() => server.close())
  return `http://127.0.0.1:${server.port}`
}

const authorized = { headers: { authorization: `Bearer ${token}` } }

describe('GET /state/<actor>', () => {
  test('is answered with the token only, and never without one', async () => {
    const { engine } = await counted()
    const url = await serve(groupOfOne(() => engine))
    const without = await fetch(`${url}/state/count?key=eve`)
    expect([without.status, await without.json()]).toMatchObject([401, { code: 'STATE_NOT_SHOWN' }])
    const wrong = await fetch(`${url}/state/count`, { headers: { authorization: 'Bearer another-token-of-a-test' } })
    expect([wrong.status, await wrong.json()]).toMatchObject([401, { code: 'STATE_NOT_SHOWN' }])
    const off = await fetch(
      `${await serve(
        groupOfOne(() => engine),
        null,
      )}/state/count`,
      authorized,
    )
    expect([off.status, await off.json()]).toEqual([
      403,
      {
        error: 'this process shows no state over HTTP: it has no http.token (TROUPE_HTTP_TOKEN)',
        code: 'STATE_NOT_SHOWN',
      },
    ])
    const right = await fetch(`${url}/state/count?keyHex=657665&name=total`, authorized)
    expect(await right.json()).toMatchObject({ entries: [{ instance: 1, key: 'eve', value: 3 }] })
  })

  test.each(['key=a&keyHex=61', 'keyHex=6', 'limit=0', 'limit=1e3', 'limit=5&key=a', 'partition=x', 'offset=1'])(
    'refuses %s with what there is',
    async (query) => {
      const { engine } = await counted()
      const answer = await fetch(`${await serve(groupOfOne(() => engine))}/state/count?${query}`, authorized)
      expect(answer.status).toBe(400)
      expect(((await answer.json()) as { error: string }).error).toMatch(/key|limit|partition/)
    },
  )
})

describe('several processes', () => {
  test('answer as one: each partition with its instance, a key from the one that has it, and a list of no more than was asked for', async () => {
    const { app, engine } = await counted()
    const other = await app.start('two', new EngineStats(app.clock))
    open.push(() => app.settled(other.stop()))
    await app.clock.advance(10_000)
    const all = [engine, other].map((each, at) => ({ ...groupOfOne(() => each).all[0]!, number: at + 1 }))
    const group = { all, isStopping: false }
    const report = await mergeState(group, of({ key: 'eve', name: 'total' }))
    expect(report.partitions.map(({ partition }) => partition)).toEqual([0, 1])
    expect(new Set(report.partitions.map(({ instance }) => instance)).size).toBe(2)
    expect(report.keyPartition).toEqual({ partition: placeOf('eve'), isHere: true })
    const owner = report.partitions.find(({ partition }) => partition === placeOf('eve'))?.instance
    expect(report.entries).toMatchObject([{ instance: owner, value: 3 }])
    const some = await mergeState(group, of({ limit: 4, name: 'total' }))
    expect([some.entries.length, some.hasMore]).toEqual([4, true])
    const silent = { ...all[1]!, process: { ...all[1]!.process!, report: () => Promise.reject(new Error('silent')) } }
    await expect(mergeState({ all: [all[0]!, silent], isStopping: false }, of())).rejects.toMatchObject({
      code: 'PROCESS_UNREACHABLE',
    })
  })
})

describe('troupe state', () => {
  async function troupe(url: string, ...args: string[]): Promise<[code: number, said: string]> {
    let said = ''
    const note = (text: string): void => void (said += text)
    const nothing = (): never => {
      throw new Error('nothing is started here')
    }
    const code = await runCommandLine(['state', ...args, '--url', url], {
      env: { TROUPE_HTTP_TOKEN: token },
      stdout: note,
      stderr: note,
      startSupervisor: nothing,
      startInstances: nothing,
    })
    return [code, said]
  }

  test('tells sizes, a key by text or bytes, a list, and where a key would be', async () => {
    const { engine } = await counted()
    const url = await serve(groupOfOne(() => engine))
    const [code, sizes] = await troupe(url, 'count')
    expect(code).toBe(0)
    expect(sizes).toMatch(
      /^actor count, store memory: 2 of 2 partitions are here\n {2}partition 0 \(instance 1\): \d+ entries, \d+ bytes, checkpoint \d+\n/,
    )
    const at = placeOf('eve')
    const eve = `partition ${at}, total, key "eve": 3\npartition ${at}, last, key "eve": "v2"\n`
    expect(await troupe(url, 'count', '--key', 'eve')).toEqual([0, eve])
    expect(await troupe(url, 'count', '--key-hex', '657665')).toEqual([0, eve])
    expect(await troupe(url, 'count', '--key-base64', 'ZXZl')).toEqual([0, eve])
    const [, list] = await troupe(url, 'count', '--list', '3', '--name', 'total')
    expect(list.trimEnd().split('\n')).toHaveLength(4)
    expect(list).toMatch(/… there is more\n$/)
    expect(await troupe(url, 'count', '--key', 'nobody')).toEqual([
      0,
      `nothing is kept here for this key; murmur2 puts it in partition ${placeOf('nobody')}, which is here\n`,
    ])
  })

  test('says what is wrong with the question', async () => {
    const { engine } = await counted()
    const url = await serve(groupOfOne(() => engine))
    const [code, said] = await troupe(url, 'copy')
    expect([code, said]).toEqual([1, expect.stringContaining('NO_STATE')])
    expect((await troupe(url, 'count', '--key', 'a', '--list', '3'))[0]).toBe(2)
  })
})
