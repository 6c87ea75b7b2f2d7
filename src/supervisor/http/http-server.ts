/**
 * What others ask a process: /metrics, /healthz, /readyz, /status and /parked. One request changes
 * something: POST /parked/<id> decides on a parked record.
 */
import { fastify, type FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'
import { decisions, type Decision } from '../../actors/parking-lot.ts'
import { TroupeError, isTroupeError, type ErrorCode } from '../../errors.ts'
import type { Log } from '../../log.ts'
import {
  decideInGroup,
  mergeHealth,
  mergeParked,
  mergeReadiness,
  mergeStatus,
  type AskedGroup,
} from '../instances/merged-answers.ts'

export interface HttpServerOptions {
  /** 0: any free one; the server says which. */
  readonly port: number
  readonly host: string
  readonly registry: Pick<Registry, 'metrics' | 'contentType'>
  /** The process itself, or those that it has started: either way all is answered for the whole of them. */
  readonly instances: AskedGroup
  readonly log: Log
}

export interface HttpServer {
  readonly port: number
  close(): Promise<void>
}

/** The status of an answer to what cannot be done. */
const refusals: Readonly<Partial<Record<ErrorCode, number>>> = {
  NOT_PARKED: 404,
  NO_DEAD_LETTER_TOPIC: 409,
  PROCESS_UNREACHABLE: 503,
}

const paths = ['/metrics', '/healthz', '/readyz', '/status', '/parked']

/** Resolves when it listens. Rejects with PORT_IN_USE, or OPTIONS_INVALID where it cannot listen at all. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  // A scraper keeps its connection open; closing must not wait for it.
  const server = fastify({ forceCloseConnections: true })
  addRoutes(server, options)
  try {
    await server.listen({ port: options.port, host: options.host })
  } catch (error) {
    await server.close()
    throw listenError(error, options)
  }
  const address = server.server.address()
  const port = typeof address === 'object' && address !== null ? address.port : options.port
  options.log.info({ host: options.host, port }, `http://${hostForUrl(options.host)}:${port}/metrics`)
  return { port, close: () => server.close() }
}

function addRoutes(server: FastifyInstance, options: HttpServerOptions): void {
  const { registry, instances, log } = options
  server.addHook('onSend', (_request, reply, payload, done) => {
    reply.header('cache-control', 'no-store')
    done(null, payload)
  })
  server.setErrorHandler((error, request, reply) => {
    const status: unknown = error instanceof Error ? Reflect.get(error, 'statusCode') : undefined
    if (typeof status === 'number' && status >= 400 && status < 500) {
      return reply.code(status).send({ error: error instanceof Error ? error.message : 'not understood' })
    }
    if (isTroupeError(error) && error.code in refusals) {
      return reply.code(refusals[error.code] ?? 500).send({ error: error.message, code: error.code })
    }
    log.error({ error, path: request.url }, `${request.url} could not be answered`)
    return reply.code(500).send({ error: 'could not be answered; the log says why' })
  })
  server.setNotFoundHandler((_request, reply) => {
    reply.code(404).send({ error: 'not found', paths })
  })
  server.get('/', () => ({ paths }))
  server.get('/metrics', async (_request, reply) => {
    const page = await registry.metrics()
    return await reply.type(registry.contentType).send(page)
  })
  server.get('/healthz', async (_request, reply) => {
    const answer = await mergeHealth(instances)
    return await reply.code(answer.healthy ? 200 : 503).send(answer)
  })
  server.get('/readyz', async (_request, reply) => {
    const answer = await mergeReadiness(instances)
    return await reply.code(answer.ready ? 200 : 503).send(answer)
  })
  server.get('/status', () => mergeStatus(instances))
  addParking(server, options)
}

function addParking(server: FastifyInstance, { instances, log }: HttpServerOptions): void {
  server.get('/parked', async () => ({ records: await mergeParked(instances) }))
  // The body has to be JSON, which a form of some web page cannot send without asking this server first.
  server.post<{ Params: { '*': string } }>('/parked/*', async (request, reply) => {
    const { '*': id } = request.params
    const decision = decisionOf(request.body)
    if (decision === null || request.headers['content-type']?.startsWith('application/json') !== true) {
      return await reply
        .code(400)
        .send({ error: `the body has to be {"decision": "…"} as JSON: ${decisions.join(', ')}` })
    }
    await decideInGroup(instances, id, decision)
    log.info({ id, decision, from: request.ip }, `${decision} was decided for parked record ${id}, over HTTP`)
    return await reply.send({ id, decision })
  })
}

function decisionOf(body: unknown): Decision | null {
  const decision: unknown = typeof body === 'object' && body !== null ? Reflect.get(body, 'decision') : undefined
  return decisions.find((known) => known === decision) ?? null
}

function listenError(error: unknown, { host, port }: HttpServerOptions): TroupeError {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined
  if (code === 'EADDRINUSE') {
    const message = `port ${port} of ${host} is taken by another process; choose another with --http-port (0: none)`
    return new TroupeError('PORT_IN_USE', message, { cause: error })
  }
  const reasons: Readonly<Record<string, string>> = {
    EACCES: 'http.port: this user may not listen on it; choose one above 1023',
    EADDRNOTAVAIL: 'http.host: not an address of this machine',
    ENOTFOUND: 'http.host: no such host',
    EAI_AGAIN: 'http.host: no such host',
  }
  const reason = reasons[String(code)] ?? `http: ${error instanceof Error ? error.message : String(error)}`
  return new TroupeError('OPTIONS_INVALID', `${reason} (${host}, port ${port})`, { cause: error })
}

/** An address that a person can click: "all addresses" is none. */
function hostForUrl(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost'
  return host.includes(':') ? `[${host}]` : host
}
