/** What others ask a process: /metrics, /healthz, /readyz and /status, which anybody may read, /parked (`parking-routes.ts`) and /state (`state-routes.ts`). */
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { Registry } from 'prom-client'
import { TroupeError, isTroupeError, type ErrorCode } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { mergeHealth, mergeReadiness, mergeStatus, type AskedGroup } from '../instances/merged-answers.ts'
import { addParkingRoutes, type Routes } from './parking-routes.ts'
import { addStateRoutes } from './state-routes.ts'

export interface HttpServerOptions {
  /** 0: any free one; the server says which. */
  readonly port: number
  readonly host: string
  /** What a request to decide, or for state, has to carry; null: nobody does either over HTTP. */
  readonly token: string | null
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
const refusals = {
  NOT_PARKED: 404,
  NO_STATE: 404,
  NO_DEAD_LETTER_TOPIC: 409,
  PROCESS_UNREACHABLE: 503,
} as const satisfies Partial<Record<ErrorCode, number>>

const paths = ['/metrics', '/healthz', '/readyz', '/status', '/parked', '/state/<actor>']

/** Longer than any scraper's interval: one that comes back must not find its connection closed at that moment. */
const KEEP_ALIVE_MS = 75_000

/** Resolves when it listens. Rejects with PORT_IN_USE, or OPTIONS_INVALID where it cannot listen at all. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const server = createAdaptorServer({
    fetch: createRoutes(options).fetch,
    serverOptions: { keepAliveTimeout: KEEP_ALIVE_MS },
    // Handlers and services have Node's own Request and Response.
    overrideGlobalObjects: false,
  }) as Server
  // Nothing here is told apart by the name it is asked for, which plain probes leave out or write as they like.
  server.prependListener('request', ({ headers }) => {
    headers.host = 'localhost'
  })
  try {
    await listen(server, options)
  } catch (error) {
    throw listenError(error, options)
  }
  // A connection that cannot be taken (no descriptor is left) costs that scrape, and not the process.
  server.on('error', (error) => {
    options.log.warn({ error }, `the HTTP port could not take a connection: ${error.message}`)
  })
  const { port } = server.address() as AddressInfo
  options.log.info({ host: options.host, port }, `http://${hostForUrl(options.host)}:${port}/metrics`)
  return { port, close: () => close(server) }
}

function listen(server: Server, { host, port }: HttpServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, host }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve()
    })
    // A scraper keeps its connection open; closing must not wait for it.
    server.closeAllConnections()
  })
}

function createRoutes(options: HttpServerOptions): Routes {
  const { registry, instances, log } = options
  const routes: Routes = new Hono()
  routes.use(async (context, next) => {
    await next()
    context.header('cache-control', 'no-store')
  })
  routes.onError((error, context) => {
    if (error instanceof HTTPException) return error.getResponse()
    if (isTroupeError(error) && isRefusal(error.code)) {
      return context.json({ error: error.message, code: error.code }, refusals[error.code])
    }
    const { path } = context.req
    log.error({ error, path }, `${path} could not be answered`)
    return context.json({ error: 'could not be answered; the log says why' }, 500)
  })
  routes.notFound((context) => context.json({ error: 'not found', paths }, 404))
  routes.get('/', (context) => context.json({ paths }))
  routes.get('/metrics', async (context) => {
    const page = await registry.metrics()
    return context.body(page, 200, { 'content-type': registry.contentType })
  })
  routes.get('/healthz', async (context) => {
    const answer = await mergeHealth(instances)
    return context.json(answer, answer.healthy ? 200 : 503)
  })
  routes.get('/readyz', async (context) => {
    const answer = await mergeReadiness(instances)
    return context.json(answer, answer.ready ? 200 : 503)
  })
  routes.get('/status', async (context) => context.json(await mergeStatus(instances)))
  addParkingRoutes(routes, options)
  addStateRoutes(routes, options)
  return routes
}

function isRefusal(code: ErrorCode): code is keyof typeof refusals {
  return Object.hasOwn(refusals, code)
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
