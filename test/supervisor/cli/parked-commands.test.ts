/** `troupe parked` and `troupe decide`, against the HTTP server that a running process has. */
import { Registry } from 'prom-client'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ParkedRecord } from '../../../src/actors/parking-lot.ts'
import { TroupeError } from '../../../src/errors.ts'
import { silentLog } from '../../../src/log.ts'
import { runCommandLine } from '../../../src/supervisor/cli/command-line.ts'
import { groupOfOne } from '../../../src/supervisor/instances/own-instance.ts'
import type { EngineStatus } from '../../../src/supervisor/status/status.ts'
import { startHttpServer, type HttpServer } from '../../../src/supervisor/http/http-server.ts'

const record: ParkedRecord = {
  id: 'user.clicks/3/1741',
  actor: 'enrich',
  key: 'user 7',
  sinceMs: Date.UTC(2026, 0, 2, 3, 4, 5),
  attempts: 5,
  error: { code: 'E_GONE', message: 'it is gone' },
  waitingBehind: 12,
}

let parked: ParkedRecord[] = []
let decided: unknown[] = []
let server: HttpServer
let url: string

beforeEach(async () => {
  parked = [record]
  decided = []
  server = await startHttpServer({
    port: 0,
    host: '127.0.0.1',
    registry: new Registry(),
    instances: groupOfOne(() => ({
      health: () => ({ healthy: true, status: 'ok', reasons: [] }),
      readiness: () => ({ ready: true, reasons: [] }),
      state: 'running',
      status: () => ({ state: 'running' }) as EngineStatus,
      parked: () => parked,
      decide: (id, decision) => {
        if (id !== record.id) throw new TroupeError('NOT_PARKED', `record ${id} is not parked in this process`)
        if (decision === 'dead-letter') throw new TroupeError('NO_DEAD_LETTER_TOPIC', 'actor enrich has none')
        decided.push([id, decision])
      },
    })),
    log: silentLog,
  })
  url = `http://127.0.0.1:${server.port}`
})

afterEach(async () => {
  await server.close()
})

async function troupe(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = ''
  let err = ''
  const code = await runCommandLine(args, {
    env: {},
    stdout: (text) => (out += text),
    stderr: (text) => (err += text),
    startSupervisor: () => Promise.reject(new Error('nothing is started here')),
    startInstances: () => Promise.reject(new Error('nothing is started here')),
  })
  return { code, out, err }
}

describe('troupe parked', () => {
  test('lists what waits: which record, whose, since when, why, and how much behind it', async () => {
    const { code, out } = await troupe('parked', '--url', url)
    expect(code).toBe(0)
    expect(out).toBe(
      'user.clicks/3/1741  actor enrich, key "user 7", since 2026-01-02T03:04:05.000Z, attempts 5, waiting behind it 12\n' +
        '    E_GONE: it is gone\n',
    )
  })

  test('says so when nothing does', async () => {
    parked = []
    expect((await troupe('parked', '--url', url)).out).toBe('nothing is parked\n')
  })

  test('names the address where no process answers', async () => {
    const { port } = server
    await server.close()
    const { code, err } = await troupe('parked', '--url', url)
    expect(code).toBe(1)
    expect(err).toContain(`error PROCESS_UNREACHABLE: http://127.0.0.1:${port}/parked does not answer`)
  })

  test('a URL that is none is an option to correct', async () => {
    const { code, err } = await troupe('parked', '--url', 'nowhere at all')
    expect([code, err]).toEqual([2, expect.stringContaining('--url')])
  })
})

describe('troupe decide', () => {
  test.each(['retry', 'skip'])('%s is carried out', async (decision) => {
    const { code, out } = await troupe('decide', record.id, decision, '--url', url)
    expect([code, out, decided]).toEqual([0, `${record.id}: ${decision}\n`, [[record.id, decision]]])
  })

  test('a record that is not parked there is told', async () => {
    const { code, err } = await troupe('decide', 'user.clicks/3/1', 'skip', '--url', url)
    expect(code).toBe(1)
    expect(err).toContain('error NOT_PARKED: record user.clicks/3/1 is not parked here')
  })

  test('a decision that cannot be carried out is told', async () => {
    const { code, err } = await troupe('decide', record.id, 'dead-letter', '--url', url)
    expect(code).toBe(1)
    expect(err).toContain('error NO_DEAD_LETTER_TOPIC: actor enrich has none')
  })

  test('anything but the three decisions is refused before anybody is asked', async () => {
    const { code, err } = await troupe('decide', record.id, 'drop', '--url', url)
    expect([code, err]).toEqual([2, expect.stringContaining('retry, dead-letter, skip')])
  })
})

describe('POST /parked', () => {
  const post = async (body: string, type: string): Promise<number> =>
    (await fetch(`${url}/parked/${record.id}`, { method: 'POST', headers: { 'content-type': type }, body })).status

  test('takes nothing but JSON, which no form of a web page can send', async () => {
    expect(await post('{"decision":"skip"}', 'text/plain')).toBe(400)
    expect(await post('decision=skip', 'application/x-www-form-urlencoded')).toBe(415)
    expect(await post('{"decision":', 'application/json')).toBe(400)
    expect(await post('{"decision":"drop"}', 'application/json')).toBe(400)
    expect(decided).toEqual([])
    expect(await post('{"decision":"skip"}', 'application/json')).toBe(200)
    expect(decided).toHaveLength(1)
  })

  test('reading decides nothing', async () => {
    expect((await fetch(`${url}/parked/${record.id}`)).status).toBe(404)
    expect(await (await fetch(`${url}/parked`)).json()).toEqual({ records: [{ instance: 1, ...record }] })
    expect(decided).toEqual([])
  })
})
