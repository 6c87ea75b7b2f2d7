/** What goes wrong between us and a registry, each against a real HTTP server. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import { isTroupeError, type TroupeError } from '../../../src/errors.ts'
import { RegistryClient, type KeptSchema } from '../../../src/streams/registry/registry-client.ts'
import { RegistryError, type RegistryOutcome } from '../../../src/streams/registry/registry-error.ts'
import type { RegistrySettings } from '../../../src/streams/registry/registry-settings.ts'
import { RegistryServer, send, settingsOf } from '../../support/registry-server.ts'

const text = '"string"'
const schema: KeptSchema = { type: 'AVRO', text, references: [] }

let server: RegistryServer
const opened: RegistryClient[] = []
const outcomes: RegistryOutcome[] = []

beforeEach(async () => {
  outcomes.length = 0
  server = await RegistryServer.start()
})

afterEach(async () => {
  for (const client of opened.splice(0)) client.close()
  await server.stop()
})

async function clientOf(
  url: string | readonly string[],
  settings?: Partial<RegistrySettings>,
): Promise<RegistryClient> {
  const onOutcome = (outcome: RegistryOutcome): unknown => outcomes.push(outcome)
  const client = await RegistryClient.open({ settings: settingsOf(url, settings), clock: systemClock, onOutcome })
  opened.push(client)
  return client
}

async function failureOf(asked: Promise<unknown>): Promise<TroupeError> {
  try {
    await asked
  } catch (error) {
    if (isTroupeError(error)) return error
    throw error
  }
  throw new Error('it was answered')
}

describe('what is asked', () => {
  test('a schema by its id, with its references', async () => {
    server.keep('common', '"int"')
    server.keep('clicks-value', text, [{ name: 'com.acme.Common', subject: 'common', version: 1 }])
    const client = await clientOf(server.url)
    expect(await client.byId(2)).toEqual({
      type: 'AVRO',
      text,
      references: [{ name: 'com.acme.Common', subject: 'common', version: 1 }],
    })
    expect(await client.byId(3)).toBeNull()
    expect(outcomes).toEqual(['answered', 'not-found'])
  })

  test('a version of a subject, whatever the name of the subject', async () => {
    const subject = ':.ctx:a/b c?d#é-value'
    server.keep(subject, text)
    const client = await clientOf(server.url)
    expect(await client.version(subject, 'latest')).toMatchObject({ subject, version: 1, id: 1, text })
    expect(await client.version(subject, 1)).toMatchObject({ subject, version: 1 })
    expect(await client.version(subject, 2)).toBeNull()
    expect(await client.version('other', 'latest')).toBeNull()
  })

  test('a schema under a subject, before and after it is registered', async () => {
    const client = await clientOf(server.url)
    expect(await client.find('clicks-value', schema)).toBe('no-subject')
    server.keep('clicks-value', '"int"')
    expect(await client.find('clicks-value', schema)).toBe('no-schema')
    expect(await client.compatibility('clicks-value', schema)).toEqual({ isCompatible: true, reasons: [] })
    expect(await client.register('clicks-value', schema)).toBe(2)
    expect(await client.find('clicks-value', schema)).toMatchObject({ id: 2, version: 2 })
    expect(server.asked.at(-1)?.body).toEqual({ schema: text })
  })

  test('a schema that is written in another way is found where the registry normalizes', async () => {
    server.keep('clicks-value', '{"type": "string"}')
    server.spoil = ({ path }, response) => {
      if (!path.endsWith('?normalize=true')) return false
      send(response, 200, server.kept[0])
      return true
    }
    const client = await clientOf(server.url)
    expect(await client.find('clicks-value', schema)).toMatchObject({ id: 1, version: 1 })
  })

  test('a schema that is not Avro says what it is, and references go along', async () => {
    const client = await clientOf(server.url)
    const references = [{ name: 'a', subject: 'a', version: 1 }]
    await client.register('clicks-value', { type: 'JSON', text: '{}', references })
    expect(server.asked.at(-1)?.body).toEqual({ schema: '{}', schemaType: 'JSON', references })
  })

  test('a registry below a path', async () => {
    server.spoil = ({ path }, response) => {
      if (path === '/apis/ccompat/v7/schemas/ids/1') send(response, 200, { schema: text })
      else send(response, 404, '<html>Not here</html>')
      return true
    }
    for (const path of ['/apis/ccompat/v7', '/apis/ccompat/v7/']) {
      expect(await (await clientOf(`${server.url}${path}`)).byId(1)).toEqual(schema)
    }
  })

  test('what a registry refuses is SCHEMA_INCOMPATIBLE with its own reason', async () => {
    server.keep('clicks-value', '"int"')
    server.incompatible = 'READER_FIELD_MISSING_DEFAULT_VALUE'
    const client = await clientOf(server.url)
    expect(await client.compatibility('clicks-value', schema)).toEqual({
      isCompatible: false,
      reasons: ['READER_FIELD_MISSING_DEFAULT_VALUE'],
    })
    const failure = await failureOf(client.register('clicks-value', schema))
    expect(failure).toMatchObject({ code: 'SCHEMA_INCOMPATIBLE', message: 'READER_FIELD_MISSING_DEFAULT_VALUE' })
  })
})

describe('a registry that is away says why', () => {
  test('stopped', async () => {
    const { port, url } = server
    await server.stop()
    const failure = await failureOf((await clientOf(url)).byId(1))
    expect(failure.code).toBe('SCHEMA_REGISTRY_UNREACHABLE')
    expect(failure.message).toBe(`schema registry ${url}: connect ECONNREFUSED 127.0.0.1:${port}`)
    expect(failure.retryable).toBe(true)
    server = await RegistryServer.start()
  })

  test('a name that nobody knows', async () => {
    const failure = await failureOf((await clientOf('http://registry.invalid:8081')).byId(1))
    expect(failure.message).toMatch(/^schema registry http:\/\/registry\.invalid:8081: .*(ENOTFOUND|EAI_AGAIN)/)
  })

  test('hanging: it takes the connection and never answers', async () => {
    server.spoil = () => true
    const failure = await failureOf((await clientOf(server.url, { timeoutMs: 50 })).byId(1))
    expect(failure.code).toBe('SCHEMA_REGISTRY_UNREACHABLE')
    expect(failure.message).toBe(`schema registry ${server.url}: no whole answer within 50 ms`)
  })

  test('slow: it sends a byte now and then', async () => {
    server.spoil = (_, response) => {
      const timer = setInterval(() => response.write(' '), 5)
      response.on('close', () => {
        clearInterval(timer)
      })
      return true
    }
    const failure = await failureOf((await clientOf(server.url, { timeoutMs: 50 })).byId(1))
    expect(failure.message).toContain('no whole answer within 50 ms')
  })

  test('a connection that is never made: TLS that nobody answers', async () => {
    const silent = await silentServer()
    const url = `https://127.0.0.1:${(silent.server.address() as AddressInfo).port}`
    const failure = await failureOf((await clientOf(url, { connectTimeoutMs: 50 })).byId(1))
    expect(failure.message).toBe(`schema registry ${url}: no connection within 50 ms`)
    silent.close()
  })

  test('https where it speaks plain HTTP', async () => {
    const url = server.url.replace('http:', 'https:')
    const failure = await failureOf((await clientOf(url)).byId(1))
    expect(failure.message).toBe(
      `schema registry ${url}: what answers there speaks no TLS (EPROTO): write http://, or another port`,
    )
  })

  test('the port of something else', async () => {
    const other = createServer((socket) => socket.on('data', () => socket.resetAndDestroy()))
    await once(other.listen(0, '127.0.0.1'), 'listening')
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`
    const failure = await failureOf((await clientOf(url)).byId(1))
    other.close()
    expect(failure.message).toMatch(/(ECONNRESET|hang up): nothing was answered; is it a port for http:\/\/\?$/)
  })

  test.each([
    [
      500,
      { error_code: 50001, message: 'Error in the backend data store' },
      'it answered 500 (Error in the backend data store)',
    ],
    [503, '<html>\n<b>Bad gateway</b>', 'it answered 503 (text/html: <html> <b>Bad gateway</b>)'],
    [200, '<html>Sign in</html>', 'it answered 200 with something that is no JSON (text/html: <html>Sign in</html>)'],
    [200, { subjects: [] }, `its answer is no schema registry's: {"subjects":[]}`],
    [
      404,
      '<html>Not here</html>',
      'it answered 404 (text/html: <html>Not here</html>): is the path in schemaRegistry.url right?',
    ],
    [
      404,
      { error_code: 404, message: 'HTTP 404 Not Found' },
      'it answered 404 (HTTP 404 Not Found): is the path in schemaRegistry.url right?',
    ],
    [418, '', 'it answered 418 (text/html: empty)'],
  ])('%i with %o', async (status, body, says) => {
    server.spoil = (_, response) => {
      send(response, status, body)
      return true
    }
    const failure = await failureOf((await clientOf(server.url)).byId(1))
    expect(failure).toBeInstanceOf(RegistryError)
    expect(failure.code).toBe('SCHEMA_REGISTRY_UNREACHABLE')
    expect(failure.message).toBe(`schema registry ${server.url}: ${says}`)
    expect(outcomes).toEqual(['unreachable'])
  })

  test('an answer without end is cut off', async () => {
    let sent = 0
    server.spoil = (_, response) => {
      const chunk = Buffer.alloc(1024 * 1024, ' ')
      const go = (): void => {
        sent += 1
        if (!response.destroyed) response.write(chunk, go)
      }
      go()
      return true
    }
    const failure = await failureOf((await clientOf(server.url)).byId(1))
    expect(failure.message).toContain('the answer is longer than 8388608 bytes')
    expect(sent).toBeLessThan(64)
  })

  test('an answer that breaks off', async () => {
    server.spoil = (_, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('{"schema":')
      setImmediate(() => response.destroy())
      return true
    }
    const failure = await failureOf((await clientOf(server.url)).byId(1))
    expect(failure.message).toMatch(/aborted|broke off|hang up/)
  })

  test('a redirect is not followed: it may lead the credentials astray', async () => {
    server.spoil = (_, response) => {
      send(response, 302, '', { location: 'http://elsewhere.example/login' })
      return true
    }
    const failure = await failureOf((await clientOf(server.url, { token: 'hunter2' })).byId(1))
    expect(failure.message).toContain('it redirects (302) to http://elsewhere.example/login')
    expect(server.asked).toHaveLength(1)
  })

  test.each([
    ['7', 7_000],
    [new Date(systemClock.wallNow() + 3_600_000).toUTCString(), 3_600_000],
    [undefined, 0],
    ['soon', 0],
  ])('429 with Retry-After %o', async (header, ms) => {
    server.spoil = (_, response) => {
      send(
        response,
        429,
        { error_code: 429, message: 'slow down' },
        header === undefined ? {} : { 'retry-after': header },
      )
      return true
    }
    const failure = await failureOf((await clientOf(server.url)).byId(1))
    expect(failure.message).toContain('it answered 429 (slow down)')
    const asked = failure instanceof RegistryError ? (failure.retryAfterMs ?? -1) : NaN
    expect(Math.abs(asked - ms)).toBeLessThan(60_000)
  })
})

describe('who asks', () => {
  test.each([
    [{ username: 'me', password: 'hunter2' }, `Basic ${Buffer.from('me:hunter2').toString('base64')}`],
    [{ token: 'hunter2' }, 'Bearer hunter2'],
    [{}, undefined],
  ])('%o', async (settings, header) => {
    await (await clientOf(server.url, { ...settings, headers: { 'x-tenant': 'a' } })).byId(1)
    expect(server.asked[0]?.headers.authorization).toBe(header)
    expect(server.asked[0]?.headers['x-tenant']).toBe('a')
  })

  test('a user and a password within the URL, which nobody sees', async () => {
    const url = server.url.replace('//', '//me:hunter%202@')
    const client = await clientOf(url)
    server.spoil = ({ headers }, response) => {
      send(response, 500, `<p>${headers.authorization ?? ''} hunter 2</p>`)
      return true
    }
    const failure = await failureOf(client.byId(1))
    expect(server.asked[0]?.headers.authorization).toBe(`Basic ${Buffer.from('me:hunter 2').toString('base64')}`)
    expect(failure.message).toContain('it answered 500 (text/html: <p>Basic *** ***</p>)')
    expect(client.name + failure.message).not.toMatch(/hunter/)
  })

  describe('is not shown, whoever echoes it', () => {
    const secrets = { token: 'hunter2', headers: { 'x-api-key': 'hunter3' } }

    test.each([
      ['in JSON that is no registry answer', 200, (echo: string) => ({ echo })],
      ['in an error of its own', 500, (echo: string) => ({ error_code: 500, message: echo })],
      ['where its text is cut off', 500, (echo: string) => `${' -'.repeat(95)}${echo}`],
    ])('%s', async (_, status, body) => {
      server.spoil = ({ headers }, response) => {
        send(response, status, body(`${headers.authorization ?? ''} ${String(headers['x-api-key'])}`))
        return true
      }
      const failure = await failureOf((await clientOf(server.url, secrets)).byId(1))
      expect(failure.message).toContain('***')
      expect(failure.message).not.toMatch(/hunt/)
    })
  })

  test.each([
    [401, 'Unauthorized'],
    [403, 'User is denied operation Read on Subject'],
  ])('%i is SCHEMA_REGISTRY_REFUSED', async (status, message) => {
    server.spoil = (_, response) => {
      send(response, status, { error_code: status, message })
      return true
    }
    const failure = await failureOf((await clientOf(server.url)).byId(1))
    expect(failure.code).toBe('SCHEMA_REGISTRY_REFUSED')
    expect(failure.message).toBe(
      `schema registry ${server.url} refuses GET schemas/ids/1: it answered ${status} (${message})`,
    )
    expect(outcomes).toEqual(['refused'])
  })

  describe('a token that is fetched', () => {
    let valid = 'token-1'
    let fetched = 0
    const token = async (): Promise<string> => {
      fetched += 1
      return `token-${fetched}`
    }

    beforeEach(() => {
      valid = 'token-1'
      fetched = 0
      server.keep('clicks-value', text)
      server.spoil = ({ headers }, response) => {
        if (headers.authorization === `Bearer ${valid}`) return false
        send(response, 401, { error_code: 401, message: 'expired' })
        return true
      }
    })

    test('is fetched once, and again when it has expired, by one for all', async () => {
      const client = await clientOf(server.url, { token })
      await Promise.all([client.byId(1), client.byId(1)])
      expect(fetched).toBe(1)
      valid = 'token-2'
      expect(await Promise.all([client.byId(1), client.byId(1), client.byId(1)])).toEqual([schema, schema, schema])
      expect(fetched).toBe(2)
      expect(outcomes.every((outcome) => outcome === 'answered')).toBe(true)
    })

    test('that is refused as well is no loop', async () => {
      const client = await clientOf(server.url, { token })
      valid = 'none'
      const failure = await failureOf(client.byId(1))
      expect(failure.code).toBe('SCHEMA_REGISTRY_REFUSED')
      expect(server.asked).toHaveLength(2)
    })

    test.each([
      ['throws', () => Promise.reject(new Error('no such client')), 'no token: no such client'],
      ['gives none', () => undefined as unknown as string, 'no token: schemaRegistry.token gave something else'],
      ['does not answer', () => new Promise<string>(() => undefined), 'has not given a token within 50 ms'],
    ])('by a function that %s', async (_, broken, says) => {
      const client = await clientOf(server.url, { token: broken, timeoutMs: 50 })
      const failure = await failureOf(client.byId(1))
      expect(failure.code).toBe('SCHEMA_REGISTRY_REFUSED')
      expect(failure.message).toContain(says)
    })
  })
})

describe('several URLs', () => {
  test('the next is asked where one does not answer, and stays the first', async () => {
    const away = await RegistryServer.start()
    const { url } = away
    await away.stop()
    server.keep('clicks-value', text)
    const client = await clientOf([url, server.url])
    expect(await client.byId(1)).toEqual(schema)
    expect(await client.byId(1)).toEqual(schema)
    expect(outcomes).toEqual(['unreachable', 'answered', 'answered'])
  })

  test('the failures of all are told', async () => {
    const away = await RegistryServer.start()
    const { url } = away
    await away.stop()
    server.spoil = (_, response) => {
      send(response, 500, { message: 'broken' })
      return true
    }
    const failure = await failureOf((await clientOf([url, server.url])).byId(1))
    expect(failure.message).toContain(`${url}: connect ECONNREFUSED`)
    expect(failure.message).toContain(`; ${server.url}: it answered 500 (broken)`)
  })

  test('an answer is an answer: who refuses is not passed over', async () => {
    server.spoil = (_, response) => {
      send(response, 403, { message: 'no' })
      return true
    }
    const other = await RegistryServer.start()
    const failure = await failureOf((await clientOf([server.url, other.url])).byId(1))
    expect(failure.code).toBe('SCHEMA_REGISTRY_REFUSED')
    expect(other.asked).toEqual([])
    await other.stop()
  })
})

test('a connection that the registry has closed while it was idle is made anew', async () => {
  server.keep('clicks-value', text)
  const client = await clientOf(server.url)
  await client.byId(1)
  let isFirst = true
  server.spoil = (_, response) => {
    if (!isFirst) return false
    isFirst = false
    response.socket?.resetAndDestroy()
    return true
  }
  expect(await client.byId(1)).toEqual(schema)
})

test('closing ends what is open', async () => {
  server.spoil = () => true
  const client = await clientOf(server.url)
  const asked = failureOf(client.byId(1))
  client.close()
  expect((await asked).message).toContain('closed')
  expect((await failureOf(client.byId(1))).message).toContain('closed')
})

describe('TLS', () => {
  const directory = mkdtempSync(join(tmpdir(), 'troupe-registry-'))
  const file = (name: string): string => join(directory, name)
  let secure: RegistryServer

  beforeAll(async () => {
    const openssl = (...args: string[]): void => {
      execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' })
    }
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
    openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=our own CA')
    for (const name of ['server', 'client']) {
      openssl(
        'req',
        '-new',
        ...key,
        '-keyout',
        `${name}.key`,
        '-out',
        `${name}.csr`,
        '-subj',
        `/CN=${name}`,
        '-addext',
        'subjectAltName=IP:127.0.0.1',
      )
      openssl(
        'x509',
        '-req',
        '-in',
        `${name}.csr`,
        '-CA',
        'ca.pem',
        '-CAkey',
        'ca.key',
        '-days',
        '2',
        '-out',
        `${name}.pem`,
        '-copy_extensions',
        'copy',
      )
    }
    openssl('ec', '-in', 'client.key', '-aes256', '-passout', 'pass:hunter2', '-out', 'locked.key')
    secure = await RegistryServer.start({
      key: readFileSync(file('server.key')),
      cert: readFileSync(file('server.pem')),
      ca: readFileSync(file('ca.pem')),
      requestCert: true,
      rejectUnauthorized: true,
    })
    secure.keep('clicks-value', text)
  })

  afterAll(async () => {
    await secure.stop()
    rmSync(directory, { recursive: true })
  })

  test('with a CA of our own and a certificate of ours', async () => {
    const own = { caFile: file('ca.pem'), certFile: file('client.pem') }
    expect(await (await clientOf(secure.url, { ...own, keyFile: file('client.key') })).byId(1)).toEqual(schema)
    const locked = { ...own, keyFile: file('locked.key'), keyPassphrase: 'hunter2' }
    expect(await (await clientOf(secure.url, locked)).byId(1)).toEqual(schema)
  })

  test('a CA that is not known, and a certificate that is not shown, say so', async () => {
    const unknown = await failureOf((await clientOf(secure.url)).byId(1))
    expect(unknown.message).toMatch(/unable to (verify|get local issuer)|self-signed certificate/)
    const unshown = await failureOf((await clientOf(secure.url, { caFile: file('ca.pem') })).byId(1))
    expect(unshown.message).toMatch(/certificate required|handshake failure|ECONNRESET|hang up/)
  })

  test('a file that is not there is said at the start', async () => {
    const failure = await failureOf(clientOf(secure.url, { caFile: file('none.pem') }))
    expect(failure.code).toBe('OPTIONS_INVALID')
    expect(failure.message).toMatch(/^schemaRegistry\.caFile: ENOENT/)
  })
})

/** Takes connections and says nothing. */
async function silentServer(): Promise<{ readonly server: Server; readonly close: () => void }> {
  const sockets: Socket[] = []
  const silent = createServer((socket) => sockets.push(socket.on('error', () => undefined)))
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  return {
    server: silent,
    close: () => {
      for (const socket of sockets) socket.destroy()
      silent.close()
    },
  }
}
