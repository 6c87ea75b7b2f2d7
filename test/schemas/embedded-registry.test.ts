/** The embedded schema registry keeps the contract that a real one keeps (test/integration/schema-registry.test.ts). */
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  startEmbeddedSchemaRegistry,
  type EmbeddedSchemaRegistry,
  type EmbeddedSchemaRegistryOptions,
} from '../../src/testing.ts'
import { describeRegistryContract } from '../contract/schema-registry.ts'

let registry: EmbeddedSchemaRegistry
beforeAll(async () => {
  registry = await startEmbeddedSchemaRegistry()
})
afterAll(() => registry.stop())

describe('embedded', () => {
  describeRegistryContract(() => ({
    url: registry.url,
    has: { canonicalTexts: true, noneOfOneSubject: true, messages: true, allCodes: true },
  }))
})

async function given(options: EmbeddedSchemaRegistryOptions, use: (registry: EmbeddedSchemaRegistry) => Promise<void>) {
  const own = await startEmbeddedSchemaRegistry(options)
  try {
    await use(own)
  } finally {
    await own.stop()
  }
}

async function send(url: string, method: string, path: string, body?: string, headers: Record<string, string> = {}) {
  const response = await fetch(`${url}${path}`, { method, headers, ...(body === undefined ? {} : { body }) })
  return { status: response.status, body: await response.json() }
}

const int = JSON.stringify({ schema: '"int"' })

describe('for trying out', () => {
  it('it listens on this machine only, on a free port, and is gone when it is stopped, which it takes twice', async () => {
    const own = await startEmbeddedSchemaRegistry()
    expect(own.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    await Promise.all([own.stop(), own.stop()])
    await expect(fetch(own.url)).rejects.toThrow()
  })

  it('an outage keeps what was registered, and ends on the same address', async () => {
    await given({}, async (own) => {
      await send(own.url, 'POST', '/subjects/s/versions', int)
      await own.interrupt()
      await expect(fetch(own.url)).rejects.toThrow()
      await own.resume()
      expect(await send(own.url, 'GET', '/subjects')).toEqual({ status: 200, body: ['s'] })
    })
  })

  it('a port that is taken, and an option that is none, are told', async () => {
    await given({}, async (own) => {
      const port = Number(new URL(own.url).port)
      await expect(startEmbeddedSchemaRegistry({ port })).rejects.toMatchObject({ code: 'PORT_IN_USE' })
    })
    await expect(startEmbeddedSchemaRegistry({ port: 70_000 })).rejects.toMatchObject({ code: 'OPTIONS_INVALID' })
    const compatibility = 'SIDEWAYS' as 'NONE'
    await expect(startEmbeddedSchemaRegistry({ compatibility })).rejects.toMatchObject({
      code: 'OPTIONS_INVALID',
      message: expect.stringContaining('SIDEWAYS') as string,
    })
  })

  it.each([
    [{ username: 'u', password: 'p' }, `Basic ${Buffer.from('u:p').toString('base64')}`],
    [{ token: 't0k' }, 'Bearer t0k'],
  ])('who does not bring %o is not answered', async (auth, authorization) => {
    await given({ auth }, async (own) => {
      for (const headers of [{}, { authorization: `${authorization}x` }] as Record<string, string>[]) {
        const { status, body } = await send(own.url, 'GET', '/subjects', undefined, headers)
        expect([status, body]).toEqual([401, expect.objectContaining({ message: 'Unauthorized' })])
      }
      expect(await send(own.url, 'GET', '/subjects', undefined, { authorization })).toEqual({ status: 200, body: [] })
    })
  })
})

describe('what is sent to it', () => {
  it('may name subjects as JavaScript names what every object has, and with any character', async () => {
    await given({}, async (own) => {
      for (const subject of ['__proto__', 'constructor', 'a/b', 'ä b?']) {
        const path = `/subjects/${encodeURIComponent(subject)}`
        expect(await send(own.url, 'GET', `${path}/versions`)).toMatchObject({
          status: 404,
          body: { error_code: 40401 },
        })
        expect(await send(own.url, 'POST', `${path}/versions`, int)).toEqual({ status: 200, body: { id: 1 } })
        expect(await send(own.url, 'GET', `${path}/versions/1`)).toMatchObject({ body: { subject, version: 1 } })
        const config = await send(own.url, 'GET', `/config/${encodeURIComponent(subject)}`)
        expect(config).toMatchObject({ body: { error_code: 40408 } })
      }
      expect((await send(own.url, 'GET', '/subjects')).body).toHaveLength(4)
    })
  })

  it('may not be longer than a megabyte, whether it says so before or not', async () => {
    await given({}, async (own) => {
      const long = JSON.stringify({ schema: 'x'.repeat(2 ** 21) })
      expect(await send(own.url, 'POST', '/subjects/s/versions', long)).toMatchObject({ status: 413 })
      expect(await sendInPieces(`${own.url}/subjects/s/versions`, long)).toBe(413)
      expect(await sendInPieces(`${own.url}/subjects/s/versions`, int)).toBe(200)
    })
  })

  it('is refused where it is no JSON, not of Avro, brings an id of its own, or goes nowhere', async () => {
    await given({}, async (own) => {
      const post = (body: object) => send(own.url, 'POST', '/subjects/s/versions', JSON.stringify(body))
      expect(await send(own.url, 'POST', '/subjects/s/versions', 'x')).toMatchObject({ status: 400 })
      expect(await post({})).toMatchObject({ status: 422, body: { error_code: 42201 } })
      expect(await post({ schema: '{}', schemaType: 'JSON' })).toEqual({
        status: 422,
        body: {
          error_code: 42201,
          message: 'Invalid schema: the embedded registry keeps and checks AVRO only, not JSON',
        },
      })
      expect(await post({ schema: '"int"', id: 7 })).toMatchObject({ status: 422, body: { error_code: 42205 } })
      expect(await send(own.url, 'GET', '/nowhere')).toMatchObject({ status: 404, body: { error_code: 404 } })
      expect(await send(own.url, 'GET', '/schemas/types')).toEqual({ status: 200, body: ['AVRO'] })
      expect(await send(own.url, 'GET', '/mode')).toEqual({ status: 200, body: { mode: 'READWRITE' } })
    })
  })

  it('gets an id once: what is deleted for good leaves it unused', async () => {
    await given({}, async (own) => {
      await send(own.url, 'POST', '/subjects/s/versions', int)
      await send(own.url, 'DELETE', '/subjects/s')
      // Softly: it is the same schema still.
      expect((await send(own.url, 'POST', '/subjects/t/versions', int)).body).toEqual({ id: 1 })
      await send(own.url, 'DELETE', '/subjects/s?permanent=true')
      expect((await send(own.url, 'GET', '/schemas/ids/1')).status).toBe(200)
      await send(own.url, 'DELETE', '/subjects/t')
      await send(own.url, 'DELETE', '/subjects/t?permanent=true')
      expect(await send(own.url, 'GET', '/schemas/ids/1')).toMatchObject({ status: 404, body: { error_code: 40403 } })
      expect((await send(own.url, 'POST', '/subjects/s/versions', int)).body).toEqual({ id: 2 })
    })
  })
})

/** Without a content length. */
function sendInPieces(url: string, body: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST' }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    sent.on('error', reject)
    sent.write(body.slice(0, 5))
    sent.end(body.slice(5))
  })
}
