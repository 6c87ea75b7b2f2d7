import { once } from 'node:events'
import { request } from 'node:http'
import { Agent, createServer, type IncomingMessage } from 'node:http'
import { connect, Server as NetServer, type AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { Counter, Registry } from 'prom-client'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { TroupeError, isTroupeError } from '../../../src/errors.ts'
import { silentLog } from '../../../src/log.ts'
import { groupOfOne } from '../../../src/supervisor/instances/own-instance.ts'
import type { AskedGroup } from '../../../src/supervisor/instances/merged-answers.ts'
import type { Health } from '../../../src/supervisor/status/health.ts'
import type { EngineStatus } from '../../../src/supervisor/status/status.ts'
import { startHttpServer, type HttpServer, type HttpServerOptions } from '../../../src/supervisor/http/http-server.ts'

/** As they are before anything has started. */
const own = { Request: globalThis.Request, Response: globalThis.Response }

const open: HttpServer[] = []
afterEach(async () => {
  for (const server of open.splice(0)) await server.close()
})

type Engine = NonNullable<ReturnType<Parameters<typeof groupOfOne>[0]>>

/** A process that is the only one of its app, and says this. */
function one(said: Partial<Engine>): AskedGroup {
  const engine: Engine = {
    health: () => ({ healthy: true, status: 'ok', reasons: [] }),
    readiness: () => ({ ready: true, reasons: [] }),
    state: 'running',
    status: () => running,
    parked: () => [],
    decide: () => undefined,
    decideKey: () => [],
    report: () => {
      throw new TroupeError('NO_STATE', 'nobody keeps any')
    },
    ...said,
  }
  return groupOfOne(() => engine)
}

const running = { state: 'running', group: 'g' } as EngineStatus

async function start(options: Partial<HttpServerOptions> = {}): Promise<string> {
  const server = await startHttpServer({
    port: 0,
    host: '127.0.0.1',
    token: null,
    registry: new Registry(),
    instances: one({}),
    log: silentLog,
    ...options,
  })
  open.push(server)
  return `http://127.0.0.1:${server.port}`
}

async function refused(options: Partial<HttpServerOptions>): Promise<TroupeError> {
  const error: unknown = await start(options).then(
    () => new Error('it listens'),
    (reason: unknown) => reason,
  )
  if (!isTroupeError(error)) throw error
  return error
}

test('whether a process is stopping is known without its whole status', () => {
  const status = (): never => {
    throw new Error('nobody needs it')
  }
  expect(one({ state: 'stopping', status }).isStopping).toBe(true)
})

describe('GET', () => {
  test('/metrics is the page of the registry, in its own content type', async () => {
    const registry = new Registry()
    new Counter({ name: 'seen_total', help: 'Seen.', registers: [registry] }).inc(3)
    const answer = await fetch(`${await start({ registry })}/metrics`)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe(registry.contentType)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(await answer.text()).toContain('seen_total 3\n')
  })

  test('/healthz is 200 while healthy and 503 with the reasons when not; degraded it is 200, and says why', async () => {
    let health: Health = { healthy: true, status: 'ok', reasons: [] }
    const url = await start({ instances: one({ health: () => health }) })
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
    health = { healthy: true, status: 'degraded', reasons: ['sink postgres is unavailable for 12 s'] }
    const degraded = await fetch(`${url}/healthz`)
    expect([degraded.status, await degraded.json()]).toEqual([200, health])
    health = { healthy: false, status: 'unhealthy', reasons: ['the poll loop has not come round for 61 s'] }
    const answer = await fetch(`${url}/healthz`)
    expect(answer.status).toBe(503)
    expect(await answer.json()).toEqual(health)
  })

  test('/readyz is 200 while ready and 503 with the reasons when not', async () => {
    let readiness = { ready: false, reasons: ['sink postgres is unavailable'] }
    const url = await start({ instances: one({ readiness: () => readiness }) })
    const answer = await fetch(`${url}/readyz`)
    expect(answer.status).toBe(503)
    expect(await answer.json()).toEqual(readiness)
    readiness = { ready: true, reasons: [] }
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
    expect((await fetch(`${url}/readyz`, { method: 'HEAD' })).status).toBe(200)
  })

  test('/status has one form, of one process too', async () => {
    const answer = await fetch(`${await start()}/status`)
    const only = { instance: 1, state: 'running', pid: process.pid, restarts: 0, lastEnd: null, status: running }
    expect(await answer.json()).toEqual({ state: 'running', instances: [only] })
  })

  test('a process that starts is healthy, not ready, has nothing parked, and says so', async () => {
    const url = await start({ instances: groupOfOne(() => null) })
    const said = async (path: string): Promise<unknown> => await (await fetch(`${url}/${path}`)).json()
    expect(await said('healthz')).toEqual({ healthy: true, status: 'ok', reasons: ['it is starting'] })
    expect(await said('readyz')).toEqual({ ready: false, reasons: ['it is starting'] })
    expect(await said('parked')).toEqual({ records: [] })
    expect(await said('status')).toMatchObject({ instances: [{ state: 'starting', status: null }] })
  })

  test('anything else lists what there is', async () => {
    const url = await start()
    expect(await (await fetch(url)).json()).toHaveProperty('paths')
    const answer = await fetch(`${url}/nothing`)
    expect(answer.status).toBe(404)
    expect(await answer.json()).toMatchObject({ paths: expect.arrayContaining(['/metrics']) as unknown })
    expect((await fetch(`${url}/status`, { method: 'POST' })).status).toBe(404)
  })

  test('a failure is logged and answered without its text', async () => {
    const logged: unknown[] = []
    const url = await start({
      instances: {
        get all(): never {
          throw new Error('hunter2')
        },
        isStopping: false,
      },
      log: { ...silentLog, error: (fields, message) => logged.push({ fields, message }) },
    })
    const answer = await fetch(`${url}/status`)
    expect(answer.status).toBe(500)
    expect(await answer.text()).not.toContain('hunter2')
    expect(logged).toHaveLength(1)
  })
})

describe('start', () => {
  test('a taken port is named, with the flag that chooses another', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as AddressInfo
    const error = await refused({ port })
    expect(error.code).toBe('PORT_IN_USE')
    expect(error.message).toContain(`port ${port} `)
    expect(error.message).toContain('--http-port')
    await new Promise((resolve) => other.close(resolve))
    await start({ port })
  })

  test('an address of another machine is an option to correct', async () => {
    const error = await refused({ host: '203.0.113.1' })
    expect(error.code).toBe('OPTIONS_INVALID')
    expect(error.message).toContain('http.host: not an address of this machine')
  })

  test('the log says where it listens, as an address to open', async () => {
    const said: string[] = []
    const log = { ...silentLog, info: (_fields: object, message: string) => said.push(message) }
    await start({ host: '0.0.0.0', log })
    expect(said[0]).toMatch(/^http:\/\/localhost:\d+\/metrics$/)
  })
})

test('a service and its handlers keep the Request and Response of Node.js', async () => {
  await start()
  expect([globalThis.Request === own.Request, globalThis.Response === own.Response]).toEqual([true, true])
})

test('what was decided for a key is logged and told, though another instance refuses', async () => {
  const token = 'a-token-of-a-test'
  const refuse = (): never => {
    throw new TroupeError('NO_DEAD_LETTER_TOPIC', 'there is none')
  }
  const of = (number: number, said: Partial<Engine>) => one(said).all.map((each) => ({ ...each, number }))
  const all = [...of(1, { decideKey: () => ['clicks/0/1'] }), ...of(2, { decideKey: refuse })]
  const said: object[] = []
  const log = { ...silentLog, info: (fields: object) => said.push(fields) }
  const url = await start({ token, log, instances: { all, isStopping: false } })
  const answer = await fetch(`${url}/parked`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ topic: 'clicks', key: 'a', decision: 'dead-letter' }),
  })
  expect([answer.status, await answer.json()]).toEqual([
    409,
    { code: 'NO_DEAD_LETTER_TOPIC', error: 'decided for clicks/0/1, and refused for others: there is none' },
  ])
  expect(said).toContainEqual(expect.objectContaining({ ids: ['clicks/0/1'], decision: 'dead-letter' }))
})

describe('a decision that does not say how long it is', () => {
  const post = async (bytes: number): Promise<[number, unknown]> => {
    const token = 'a-token-of-sixteen'
    const url = await start({ token, instances: one({ decide: () => undefined }) })
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
    const sent = request(`${url}/parked/clicks/0/1`, { method: 'POST', headers })
    sent.write('{"decision": ')
    sent.end(`"dead-letter"${' '.repeat(bytes)}}`)
    const [answer] = (await once(sent, 'response')) as [IncomingMessage]
    return [answer.statusCode ?? 0, JSON.parse(await text(answer))]
  }

  test('is taken', async () => {
    expect(await post(0)).toEqual([200, { id: 'clicks/0/1', decision: 'dead-letter' }])
  })

  test('is refused where it is too long', async () => {
    expect(await post(20_000)).toEqual([413, { error: 'the body is longer than 16384 bytes' }])
  })
})

test.each([
  ['without one, as a plain probe', 'GET /healthz HTTP/1.0\r\n\r\n'],
  ['that is empty', 'GET /healthz HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n'],
  ['that is no name', 'GET /healthz HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n'],
])('a request is answered whatever Host it has: %s', async (_, asked) => {
  const { port } = new URL(await start())
  const socket = connect(Number(port), '127.0.0.1')
  socket.write(asked)
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 200 [^]*"healthy":true/)
})

test('a connection that cannot be taken is told, and ends nothing', async () => {
  const listen = vi.spyOn(NetServer.prototype, 'listen')
  const said: string[] = []
  const url = await start({ log: { ...silentLog, warn: (_fields: object, message: string) => said.push(message) } })
  const server = listen.mock.contexts.at(-1) as NetServer
  listen.mockRestore()
  server.emit('error', new Error('accept EMFILE'))
  expect(said).toEqual(['the HTTP port could not take a connection: accept EMFILE'])
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
})

test('closing does not wait for a scraper that keeps its connection', async () => {
  const url = await start()
  const agent = new Agent({ keepAlive: true })
  await new Promise<void>((resolve, reject) => {
    request(`${url}/metrics`, { agent }, (answer) => answer.resume().on('end', resolve))
      .on('error', reject)
      .end()
  })
  // It would keep it for longer than the test may take.
  await open.pop()?.close()
  agent.destroy()
})
