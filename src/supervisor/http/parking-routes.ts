/**
 * /parked: reading it is anybody's, deciding is not. The port listens where scrapers and probes reach it, so a decision needs
 * `http.token`, and where there is none nobody decides over HTTP.
 */
import type { HttpBindings } from '@hono/node-server'
import type { Context, Hono, MiddlewareHandler } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { hashOf, type KeyChoice } from '../../actors/key-text.ts'
import { decisions, type Decision } from '../../actors/parking-lot.ts'
import { TroupeError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { authorization, type Guarded } from './authorization.ts'
import { decideInGroup, decideKeyInGroup, mergeParked, type AskedGroup } from '../instances/merged-answers.ts'

export type Routes = Hono<{ Bindings: HttpBindings }>

export interface ParkingRoutesOptions {
  readonly instances: AskedGroup
  readonly token: string | null
  readonly log: Log
}

const MAX_BODY_BYTES = 16 * 1024

export function addParkingRoutes(routes: Routes, { instances, log, token }: ParkingRoutesOptions): void {
  const mayDecide = [authorization(token, deciding), jsonOnly] as const
  routes.get('/parked', async (context) => context.json({ records: await mergeParked(instances) }))
  routes.post('/parked', ...mayDecide, async (context) => {
    const body = await bodyOf(context)
    const decision = decisionOf(body)
    const key = keyOf(body)
    if (decision === null || key === null || typeof body['topic'] !== 'string') {
      const form = '{"topic": "…", "key": "…" or "keyHash": "…", "decision": "…"}'
      return context.json({ error: `the body has to be ${form} as JSON: ${decisions.join(', ')}` }, 400)
    }
    const { topic } = body
    const hash = hashOf(key)
    const { ids, refusal } = await decideKeyInGroup(instances, { topic, hash }, decision)
    log.info(
      { topic, keyHash: hash, ids, decision, from: from(context) },
      `${decision} was decided for the parked records of a key, over HTTP`,
    )
    // Some of what was meant still waits.
    if (refusal !== null) {
      const message = `decided for ${ids.join(', ')}, and refused for others: ${refusal.message}`
      throw new TroupeError(refusal.code, message, { cause: refusal })
    }
    return context.json({ topic, keyHash: hash, ids, decision })
  })
  routes.post('/parked/:id{.+}', ...mayDecide, async (context) => {
    const id = context.req.param('id')
    const decision = decisionOf(await bodyOf(context))
    if (decision === null) {
      return context.json({ error: `the body has to be {"decision": "…"} as JSON: ${decisions.join(', ')}` }, 400)
    }
    await decideInGroup(instances, id, decision)
    log.info({ id, decision, from: from(context) }, `${decision} was decided for parked record ${id}, over HTTP`)
    return context.json({ id, decision })
  })
}

const deciding: Guarded = {
  code: 'DECISION_REFUSED',
  withoutToken: 'takes no decisions over HTTP',
  what: 'a decision',
}

/** A form of some web page cannot send JSON without asking this server first. */
const jsonOnly: MiddlewareHandler = async (context, next) => {
  if (context.req.header('content-type')?.startsWith('application/json') !== true) {
    return context.json({ error: 'the body has to be JSON, and content-type say so' }, 415)
  }
  await next()
  return undefined
}

async function bodyOf(context: Context): Promise<Readonly<Record<string, unknown>>> {
  const text = await textOf(context)
  try {
    const body: unknown = JSON.parse(text)
    return typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

/** The body, bounded. Not by `bodyLimit`: where a request does not say its length, that makes a Request of Node's out of the server's own, and fails. */
async function textOf({ req }: Context): Promise<string> {
  if (Number(req.header('content-length') ?? 0) > MAX_BODY_BYTES) throw tooLong()
  const reader = (req.raw.body as ReadableStream<Uint8Array> | null)?.getReader()
  const chunks: Uint8Array[] = []
  let length = 0
  for (;;) {
    const chunk = (await reader?.read())?.value
    if (chunk === undefined) return Buffer.concat(chunks).toString('utf8')
    length += chunk.length
    if (length > MAX_BODY_BYTES) throw tooLong()
    chunks.push(chunk)
  }
}

function tooLong(): HTTPException {
  const error = `the body is longer than ${MAX_BODY_BYTES} bytes`
  return new HTTPException(413, { res: Response.json({ error }, { status: 413 }) })
}

function decisionOf(body: Readonly<Record<string, unknown>>): Decision | null {
  return decisions.find((known) => known === body['decision']) ?? null
}

/** null: neither, or both. */
function keyOf({ key, keyHash }: Readonly<Record<string, unknown>>): KeyChoice | null {
  if (typeof key === 'string' && keyHash === undefined) return key
  return typeof keyHash === 'string' && key === undefined ? { hash: keyHash } : null
}

function from(context: Context<{ Bindings: HttpBindings }>): string | undefined {
  return context.env.incoming.socket.remoteAddress
}
