/** The paths of Confluent's REST API, as far as clients go: what they ask for, and the form of the answers. */
import { Hono, type Context, type MiddlewareHandler } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { z } from 'zod'
import type { CompatibilityLevel } from '../../schemas/compatibility.ts'
import { Levels } from './levels.ts'
import {
  RegistryError,
  levelInvalid,
  levelNotConfigured,
  modeNotConfigured,
  notPermitted,
  schemaInvalid,
  schemaMissing,
  subjectMissing,
  versionInvalid,
} from './registry-error.ts'
import type { GivenSchema, StoredSchema } from './schema-store.ts'
import { Subjects, type Version, type WantedVersion } from './subjects.ts'

const MAX_BODY_BYTES = 1024 * 1024
const CONTENT_TYPE = 'application/vnd.schemaregistry.v1+json'

/** `guards` see each request first. */
export function registryRoutes(level: CompatibilityLevel, guards: readonly MiddlewareHandler[]): Hono {
  const routes = new Hono()
  const subjects = new Subjects()
  const levels = new Levels(level)
  routes.use(async (context, next) => {
    await next()
    context.header('content-type', CONTENT_TYPE)
  })
  for (const guard of guards) routes.use(guard)
  routes.onError((error, context) => {
    if (error instanceof RegistryError) {
      return context.json({ error_code: error.code, message: error.message }, error.status)
    }
    if (error instanceof HTTPException) return error.getResponse()
    return refuse(context, 500, error.message)
  })
  routes.notFound((context) => refuse(context, 404, 'HTTP 404 Not Found'))
  routes.get('/', (context) => context.json({}))
  addSubjectRoutes(routes, subjects, levels)
  addSchemaRoutes(routes, subjects)
  addCompatibilityRoutes(routes, subjects, levels)
  addConfigRoutes(routes, levels)
  addModeRoutes(routes)
  return routes
}

function addSubjectRoutes(routes: Hono, subjects: Subjects, levels: Levels): void {
  routes.get('/subjects', (context) => {
    const prefix = prefixOf(context)
    return context.json(subjects.names(asks(context, 'deleted')).filter((name) => name.startsWith(prefix)))
  })
  routes.post('/subjects/:subject', async (context) => {
    const given = await readSchema(context)
    return context.json(tellVersion(subjects.lookUp(subjectOf(context), given, asks(context, 'deleted'))))
  })
  routes.delete('/subjects/:subject', (context) =>
    context.json(subjects.deleteSubject(subjectOf(context), asks(context, 'permanent'))),
  )
  routes.get('/subjects/:subject/versions', (context) => {
    const versions = subjects.versionsOf(subjectOf(context), asks(context, 'deleted'))
    return context.json(versions.map(({ version }) => version))
  })
  routes.post('/subjects/:subject/versions', async (context) => {
    const subject = subjectOf(context)
    return context.json({ id: subjects.register(subject, await readSchema(context), levels.of(subject)) })
  })
  const find = (context: Context): Version =>
    subjects.version(subjectOf(context), wantedOf(context), asks(context, 'deleted'))
  routes.get('/subjects/:subject/versions/:version', (context) => context.json(tellVersion(find(context))))
  routes.get('/subjects/:subject/versions/:version/schema', (context) => context.body(find(context).schema.text))
  routes.get('/subjects/:subject/versions/:version/referencedby', (context) =>
    context.json(subjects.referencedBy(find(context))),
  )
  routes.delete('/subjects/:subject/versions/:version', (context) =>
    context.json(subjects.deleteVersion(subjectOf(context), wantedOf(context), asks(context, 'permanent'))),
  )
}

function addSchemaRoutes(routes: Hono, subjects: Subjects): void {
  const find = (context: Context): StoredSchema => {
    const id = context.req.param('id') ?? ''
    const found = subjects.schema(Number(id))
    if (found === undefined) throw schemaMissing(id)
    return found
  }
  routes.get('/schemas', (context) => {
    const prefix = prefixOf(context)
    const all = subjects.all(asks(context, 'deleted')).filter(({ subject }) => subject.startsWith(prefix))
    const told = asks(context, 'latestOnly') ? all.filter((each, i) => each.subject !== all[i + 1]?.subject) : all
    return context.json(told.map(tellVersion))
  })
  routes.get('/schemas/types', (context) => context.json(['AVRO']))
  routes.get('/schemas/ids/:id', (context) => context.json(tellSchema(find(context))))
  routes.get('/schemas/ids/:id/schema', (context) => context.body(find(context).text))
  routes.get('/schemas/ids/:id/subjects', (context) => {
    const versions = subjects.versionsWith(find(context).id, asks(context, 'deleted'))
    return context.json([...new Set(versions.map(({ subject }) => subject))])
  })
  routes.get('/schemas/ids/:id/versions', (context) => {
    const versions = subjects.versionsWith(find(context).id, asks(context, 'deleted'))
    return context.json(versions.map(({ subject, version }) => ({ subject, version })))
  })
}

function addCompatibilityRoutes(routes: Hono, subjects: Subjects, levels: Levels): void {
  const check = async (context: Context, wanted: WantedVersion | undefined): Promise<Response> => {
    const subject = subjectOf(context)
    const messages = subjects.obstacles(subject, await readSchema(context), levels.of(subject), wanted)
    return context.json({ is_compatible: messages.length === 0, ...(asks(context, 'verbose') ? { messages } : {}) })
  }
  routes.post('/compatibility/subjects/:subject/versions', (context) => check(context, undefined))
  routes.post('/compatibility/subjects/:subject/versions/:version', (context) => check(context, wantedOf(context)))
}

function addConfigRoutes(routes: Hono, levels: Levels): void {
  routes.get('/config', (context) => context.json({ compatibilityLevel: levels.global }))
  routes.put('/config', async (context) => {
    levels.global = await readLevel(context)
    return context.json({ compatibility: levels.global })
  })
  routes.delete('/config', (context) => context.json({ compatibilityLevel: levels.resetGlobal() }))
  routes.get('/config/:subject', (context) => {
    const subject = subjectOf(context)
    const level = asks(context, 'defaultToGlobal') ? levels.of(subject) : levels.own(subject)
    if (level === undefined) throw levelNotConfigured(subject)
    return context.json({ compatibilityLevel: level })
  })
  routes.put('/config/:subject', async (context) => {
    const compatibility = await readLevel(context)
    levels.set(subjectOf(context), compatibility)
    return context.json({ compatibility })
  })
  routes.delete('/config/:subject', (context) => {
    const level = levels.remove(subjectOf(context))
    if (level === undefined) throw subjectMissing(subjectOf(context))
    return context.json({ compatibilityLevel: level })
  })
}

/** It can always be written: clients that ask learn so. */
function addModeRoutes(routes: Hono): void {
  const mode = 'READWRITE'
  const refuseOthers = async (context: Context): Promise<Response> => {
    const body = z.object({ mode: z.literal(mode) }).safeParse(await readJson(context))
    if (!body.success) throw notPermitted('the embedded registry knows no mode but READWRITE')
    return context.json({ mode })
  }
  routes.get('/mode', (context) => context.json({ mode }))
  routes.put('/mode', refuseOthers)
  routes.get('/mode/:subject', (context) => {
    if (!asks(context, 'defaultToGlobal')) throw modeNotConfigured(subjectOf(context))
    return context.json({ mode })
  })
  routes.put('/mode/:subject', refuseOthers)
}

// --- what is asked

function subjectOf(context: Context): string {
  return context.req.param('subject') ?? ''
}

function wantedOf(context: Context): WantedVersion {
  const version = context.req.param('version') ?? ''
  if (version === 'latest' || version === '-1') return 'latest'
  const number = Number(version)
  if (!/^\d+$/.test(version) || number < 1 || number > 0x7fff_ffff) throw versionInvalid(version)
  return number
}

function asks(context: Context, parameter: string): boolean {
  return context.req.query(parameter) === 'true'
}

/** `:*:` is Confluent's for all. */
function prefixOf(context: Context): string {
  const prefix = context.req.query('subjectPrefix') ?? ''
  return prefix === ':*:' ? '' : prefix
}

const schemaBody = z.object({
  schema: z.string().min(1, 'is empty'),
  schemaType: z.string().nullish(),
  references: z.array(z.object({ name: z.string(), subject: z.string(), version: z.int().positive() })).nullish(),
  id: z.number().nullish(),
})

async function readSchema(context: Context): Promise<GivenSchema> {
  const body = schemaBody.safeParse(await readJson(context))
  if (!body.success) {
    throw schemaInvalid(body.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '))
  }
  const { schema, schemaType, references, id } = body.data
  if (schemaType != null && schemaType !== 'AVRO') {
    throw schemaInvalid(`the embedded registry keeps and checks AVRO only, not ${schemaType}`)
  }
  // Confluent's clients send -1 and 0 for none.
  if (id != null && id > 0) throw notPermitted('ids are given by the registry: it is not in mode IMPORT')
  return { text: schema, references: references ?? [] }
}

async function readLevel(context: Context): Promise<CompatibilityLevel> {
  const body = z.object({ compatibility: z.string() }).safeParse(await readJson(context))
  const level = body.success ? Levels.find(body.data.compatibility) : undefined
  if (level === undefined) throw levelInvalid()
  return level
}

/** Whatever its content type says: clients disagree. */
async function readJson(context: Context): Promise<unknown> {
  const text = await readText(context)
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw new RegistryError(400, 'the body is no JSON')
  }
}

// Not by hono's body limit: it cannot read on where the length is not told, since Request is left as Node has it.
async function readText({ req }: Context): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of (req.raw.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length
    // Read to its end all the same: a sender that is cut off would not see the answer.
    if (size <= MAX_BODY_BYTES) chunks.push(chunk)
  }
  if (size > MAX_BODY_BYTES) throw new RegistryError(413, `the body is longer than ${MAX_BODY_BYTES} bytes`)
  return Buffer.concat(chunks).toString('utf8')
}

// --- what is told

function tellVersion({ subject, version, schema }: Version): object {
  return { subject, version, id: schema.id, ...tellSchema(schema) }
}

/** Of an Avro schema no type is told. */
function tellSchema({ text, references }: StoredSchema): object {
  return { schema: text, ...(references.length > 0 ? { references } : {}) }
}

function refuse(context: Context, status: 404 | 500, message: string): Response {
  return context.json({ error_code: status, message }, status)
}
