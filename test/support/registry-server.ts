/** A schema registry of a few lines on a real port, which can be told to misbehave. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { SchemaReference } from '../../src/streams/registry/registry-client.ts'
import type { RegistrySettings } from '../../src/streams/registry/registry-settings.ts'

interface Kept {
  readonly id: number
  readonly subject: string
  readonly version: number
  readonly schema: string
  readonly references?: readonly SchemaReference[]
}

export interface Asked {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: Record<string, unknown>
}

/** Answers instead of the registry; false: it does not want to. */
export type Spoil = (asked: Asked, response: ServerResponse) => boolean

export class RegistryServer {
  readonly asked: Asked[] = []
  readonly kept: Kept[] = []
  /** Questions open at once, at most. */
  mostOpen = 0
  spoil: Spoil = () => false
  /** Why it takes no new version; null: it takes any. */
  incompatible: string | null = null
  readonly #server: ReturnType<typeof createServer>
  readonly #scheme: string
  #open = 0

  private constructor(tls?: ServerOptions) {
    const listener: RequestListener = (request, response) => void this.#take(request, response)
    this.#server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener)
    this.#scheme = tls === undefined ? 'http' : 'https'
  }

  static async start(tls?: ServerOptions, port = 0): Promise<RegistryServer> {
    const server = new RegistryServer(tls)
    server.#server.listen(port, '127.0.0.1')
    await once(server.#server, 'listening')
    return server
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.port}`
  }

  get paths(): string[] {
    return this.asked.map(({ method, path }) => `${method} ${path}`)
  }

  /** Keeps a schema under the next id. */
  keep(subject: string, schema: string, references?: readonly SchemaReference[]): Kept {
    const version = this.kept.filter((each) => each.subject === subject).length + 1
    const same = this.kept.find((each) => each.schema === schema)
    const id = same?.id ?? Math.max(0, ...this.kept.map((each) => each.id)) + 1
    const kept = { id, subject, version, schema, ...(references === undefined ? {} : { references }) }
    this.kept.push(kept)
    return kept
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#open += 1
    this.mostOpen = Math.max(this.mostOpen, this.#open)
    response.once('close', () => (this.#open -= 1))
    let text = ''
    for await (const chunk of request) text += String(chunk)
    const body = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>
    const asked = { method: request.method ?? '', path: request.url ?? '', headers: request.headers, body }
    this.asked.push(asked)
    if (!this.spoil(asked, response)) this.#answer(asked, response)
  }

  #answer({ body, method, path }: Asked, response: ServerResponse): void {
    const parts = (path.split('?')[0] ?? '').split('/').slice(1).map(decodeURIComponent)
    const [kind = '', name = '', , version = ''] = parts
    const subject = kind === 'compatibility' ? (parts[2] ?? '') : name
    const own = this.kept.filter((each) => each.subject === subject)
    const found = own.find(({ schema }) => schema === body['schema'])
    if (kind === 'schemas')
      return one(
        this.kept.find(({ id }) => id === Number(parts[2])),
        40403,
      )
    if (kind === 'compatibility') {
      if (own.length === 0) return one(undefined, 40401)
      const messages = this.incompatible === null ? [] : [this.incompatible]
      return send(response, 200, { is_compatible: this.incompatible === null, messages })
    }
    if (method === 'GET') {
      const versions = version === 'latest' ? own.slice(-1) : own.filter((each) => each.version === Number(version))
      return one(versions[0], own.length === 0 ? 40401 : 40402)
    }
    if (parts.length === 2) return one(found, own.length === 0 ? 40401 : 40403)
    if (this.incompatible !== null) return send(response, 409, { error_code: 409, message: this.incompatible })
    const references = body['references'] as readonly SchemaReference[] | undefined
    return send(response, 200, { id: (found ?? this.keep(subject, String(body['schema']), references)).id })

    function one(kept: Kept | undefined, code: number): void {
      if (kept === undefined) send(response, 404, { error_code: code, message: `no ${path}` })
      else send(response, 200, kept)
    }
  }
}

export function send(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const type = typeof body === 'string' ? 'text/html' : 'application/vnd.schemaregistry.v1+json'
  response.writeHead(status, { 'content-type': type, ...headers }).end(text)
}

/** Settings with the defaults' shape, and time-outs that a test can wait for. */
export function settingsOf(
  url: string | readonly string[],
  settings: Partial<RegistrySettings> = {},
): RegistrySettings {
  return {
    url: typeof url === 'string' ? [url] : url,
    username: null,
    password: null,
    token: null,
    headers: {},
    caFile: null,
    certFile: null,
    keyFile: null,
    keyPassphrase: null,
    connectTimeoutMs: 5_000,
    timeoutMs: 5_000,
    ...settings,
  }
}
