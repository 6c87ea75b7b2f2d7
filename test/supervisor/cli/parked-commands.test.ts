/** `troupe parked` and `troupe decide`, against the HTTP server that a running process has. */
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Registry } from 'prom-client'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
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
  key: 'sha256:0123456789abcdef',
  sinceMs: Date.UTC(2026, 0, 2, 3, 4, 5),
  attempts: 5,
  code: 'ATTEMPTS_EXHAUSTED',
  error: { code: 'E_GONE', message: 'it is gone' },
  waitingBehind: 12,
}

let parked: ParkedRecord[] = []
let decided: unknown[] = []
let server: HttpServer
let url: string

const token = 'a-token-of-a-test'
const env = { TROUPE_HTTP_TOKEN: token }

beforeEach(async () => {
  parked = [record]
  decided = []
  await start(token)
})

async function start(httpToken: string | null): Promise<void> {
  server = await startHttpServer({
    port: 0,
    host: '127.0.0.1',
    token: httpToken,
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
      report: () => {
        throw new TroupeError('NO_STATE', 'nobody keeps any')
      },
      decideKey: (topic, hash, decision) => {
        if (topic !== 'user.clicks')
          throw new TroupeError('NOT_PARKED', `nothing of ${topic} is parked in this process`)
        decided.push([topic, hash, decision])
        return [record.id, 'user.clicks/3/1742']
      },
    })),
    log: silentLog,
  })
  url = `http://127.0.0.1:${server.port}`
}

afterEach(async () => {
  await server.close()
})

function troupe(...args: string[]): Promise<Said> {
  return troupeIn(env, ...args)
}

interface Said {
  readonly code: number
  readonly out: string
  readonly err: string
}

async function troupeIn(of: Record<string, string>, ...args: string[]): Promise<Said> {
  let out = ''
  let err = ''
  const code = await runCommandLine(args, {
    env: of,
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
      'user.clicks/3/1741  actor enrich, key "sha256:0123456789abcdef", since 2026-01-02T03:04:05.000Z, attempts 5, waiting behind it 12\n' +
        '    ATTEMPTS_EXHAUSTED: E_GONE: it is gone\n',
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

describe('troupe decide of a key', () => {
  test.each([
    ['--key', 'user 7', '08ae6a73238f8fe2'],
    ['--key-hash', '0123456789abcdef', '0123456789abcdef'],
    ['--key-hash', 'SHA256:0123456789ABCDEF', '0123456789abcdef'],
  ])('%s %s is carried out for all that is parked of it', async (flag, key, hash) => {
    const { code, out } = await troupe('decide', 'user.clicks', 'retry', flag, key, '--url', url)
    expect([code, out]).toEqual([0, `${record.id}: retry\nuser.clicks/3/1742: retry\n`])
    expect(decided).toEqual([['user.clicks', hash, 'retry']])
  })

  test('of which nothing is parked is told', async () => {
    const { code, err } = await troupe('decide', 'orders', 'skip', '--key', 'user 7', '--url', url)
    expect([code, err]).toEqual([1, expect.stringContaining('error NOT_PARKED: of topic orders')])
  })
})

describe('the token', () => {
  test('comes from --token, over the environment', async () => {
    const said = await troupeIn(
      { TROUPE_HTTP_TOKEN: 'another-of-the-kind' },
      'decide',
      record.id,
      'skip',
      '--token',
      token,
      '--url',
      url,
    )
    expect([said.code, decided]).toEqual([0, [[record.id, 'skip']]])
  })

  test.each([
    ['none', {}],
    ['another', { TROUPE_HTTP_TOKEN: `${token}x` }],
  ])('%s is refused, and says what to do', async (_, of) => {
    const { code, err } = await troupeIn(of, 'decide', record.id, 'skip', '--url', url)
    expect([code, err]).toEqual([1, expect.stringMatching(/^error DECISION_REFUSED: [^]*TROUPE_HTTP_TOKEN/)])
    expect(err).not.toContain(token)
    expect(decided).toEqual([])
  })

  test.each(['not one token', 'secret\ntoken-of-two-lines', 'short'])(
    'that cannot be one is refused before anybody is asked, and not shown: %j',
    async (none) => {
      const { code, err } = await troupeIn({ TROUPE_HTTP_TOKEN: none }, 'decide', record.id, 'skip', '--url', url)
      expect([code, err]).toEqual([2, expect.stringMatching(/TROUPE_HTTP_TOKEN: what it has is not a token of 16/)])
      for (const part of none.split('\n')) expect(err).not.toContain(part)
    },
  )
})

describe('whoever answers there', () => {
  async function askedOf(listener: RequestListener): Promise<Said> {
    const other = createServer(listener)
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as AddressInfo
    const said = await troupe('parked', '--url', `127.0.0.1:${port}`)
    other.closeAllConnections()
    other.close()
    return said
  }

  test.each([
    ['<html>', 'its answer is no JSON'],
    ['{}', 'its answer has no records'],
    ['null', 'its answer has no records'],
  ])('and is no process of Troupe is told: %s', async (page, why) => {
    const { code, err } = await askedOf((_, answer) => answer.end(page))
    expect([code, err]).toEqual([1, expect.stringContaining(`is no HTTP port of Troupe: ${why}`)])
  })

  test('is waited for ten seconds', async () => {
    const timeout = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(AbortSignal.abort())
    const { err } = await askedOf(() => undefined)
    expect(timeout.mock.calls).toEqual([[10_000]])
    timeout.mockRestore()
    expect(err).toContain('does not answer within 10000 ms')
  })
})

describe('--url', () => {
  test.each([
    ['host:port', (port: number) => `127.0.0.1:${port}`],
    ['a name', (port: number) => `localhost:${port}`],
    ['a slash at the end', (port: number) => `http://127.0.0.1:${port}/`],
    ['capitals', (port: number) => `HTTP://127.0.0.1:${port}`],
  ])('takes %s', async (_, address) => {
    expect((await troupe('parked', '--url', address(server.port))).out).toContain(record.id)
  })

  test.each(['nowhere at all', 'ftp://localhost:9464', 'http://', ':9464', 'localhost:port'])(
    '%s is none',
    async (address) => {
      const { code, err } = await troupe('parked', '--url', address)
      expect([code, err]).toEqual([
        2,
        expect.stringMatching(/--url: .* is no address of a process, such as localhost:9464/),
      ])
    },
  )

  test('a path, as of a proxy, comes before ours', async () => {
    const { err } = await troupe('parked', '--url', `${url}/proxy/`)
    expect(err).toContain(`${url}/proxy/parked: not found`)
  })
})

describe('POST /parked', () => {
  test('is refused where no token is set: the port listens on all addresses', async () => {
    await server.close()
    await start(null)
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(`${url}/parked/${record.id}`, { method: 'POST', headers, body: '{"decision":"skip"}' })
    expect(answer.status).toBe(403)
    expect(await answer.text()).toContain('TROUPE_HTTP_TOKEN')
    expect(decided).toEqual([])
  })

  const post = async (body: string, type: string): Promise<number> =>
    (
      await fetch(`${url}/parked/${record.id}`, {
        method: 'POST',
        headers: { 'content-type': type, authorization: `Bearer ${token}` },
        body,
      })
    ).status

  test('takes nothing but JSON, which no form of a web page can send', async () => {
    expect(await post('{"decision":"skip"}', 'text/plain')).toBe(415)
    expect(await post('decision=skip', 'application/x-www-form-urlencoded')).toBe(415)
    expect(await post('{"decision":', 'application/json')).toBe(400)
    expect(await post('{"decision":"drop"}', 'application/json')).toBe(400)
    expect(decided).toEqual([])
    expect(await post('{"decision":"skip"}', 'application/json')).toBe(200)
    expect(decided).toHaveLength(1)
  })

  test('that is too long is refused as JSON', async () => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
    const body = JSON.stringify({ decision: 'x'.repeat(20_000) })
    const answer = await fetch(`${url}/parked/${record.id}`, { method: 'POST', headers, body })
    expect([answer.status, await answer.json()]).toEqual([413, { error: 'the body is longer than 16384 bytes' }])
  })

  test('of a key takes the key or its hash, not both and not neither', async () => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
    const decide = async (of: object): Promise<number> => {
      const body = JSON.stringify({ topic: 'user.clicks', decision: 'skip', ...of })
      return (await fetch(`${url}/parked`, { method: 'POST', headers, body })).status
    }
    expect(await decide({})).toBe(400)
    expect(await decide({ key: 'a', keyHash: 'b' })).toBe(400)
    expect(await decide({ key: 7 })).toBe(400)
    expect(await decide({ key: 'a', topic: undefined })).toBe(400)
    expect(decided).toEqual([])
    expect(await decide({ key: '' })).toBe(200)
    expect(decided).toEqual([['user.clicks', 'e3b0c44298fc1c14', 'skip']])
  })

  test('reading decides nothing', async () => {
    expect((await fetch(`${url}/parked/${record.id}`)).status).toBe(404)
    expect(await (await fetch(`${url}/parked`)).json()).toEqual({ records: [{ instance: 1, ...record }] })
    expect(decided).toEqual([])
  })
})
