/**
 * A schema registry over its REST API (Confluent's, as Apicurio, Karapace and Redpanda speak it too). Asks, and reads the
 * answers; keeps nothing. Whatever goes wrong is a TroupeError with the real cause; whoever asks decides on another try.
 */
import { readFile } from 'node:fs/promises'
import type { SecureContextOptions } from 'node:tls'
import { z } from 'zod'
import type { Clock } from '../../clock.ts'
import { TroupeError, describeError } from '../../errors.ts'
import type { SchemaType } from '../flows/contract.ts'
import { Credentials } from './credentials.ts'
import { HttpExchange, type HttpQuestion } from './http-exchange.ts'
import {
  NO_SUBJECT,
  RegistryError,
  readAnswer,
  unanswered,
  type Reading,
  type RegistryOutcome,
} from './registry-error.ts'
import { shownUrl, type RegistrySettings } from './registry-settings.ts'

/** How one schema names another: by a version of a subject. */
export interface SchemaReference {
  readonly name: string
  readonly subject: string
  readonly version: number
}

/** A schema as the registry keeps it. */
export interface KeptSchema {
  readonly type: SchemaType
  readonly text: string
  readonly references: readonly SchemaReference[]
}

export interface KeptVersion extends KeptSchema {
  readonly subject: string
  readonly version: number
  readonly id: number
}

export interface Compatibility {
  readonly isCompatible: boolean
  /** The registry's own words; empty where it gives none. */
  readonly reasons: readonly string[]
}

/** What is asked of a registry. */
export interface Registry {
  /** For people: what it is, and where. */
  readonly name: string
  /** null: there is no such id. */
  byId(id: number): Promise<KeptSchema | null>
  /** null: there is no such subject, or no such version of it. */
  version(subject: string, version: number | 'latest'): Promise<KeptVersion | null>
  /** Looks a schema up under a subject. */
  find(subject: string, schema: KeptSchema): Promise<KeptVersion | 'no-subject' | 'no-schema'>
  /** Its id, also where it was registered already. Rejects with SCHEMA_INCOMPATIBLE. */
  register(subject: string, schema: KeptSchema): Promise<number>
  /** Whether it could be registered, by the subject's own level. Rejects with SCHEMA_INCOMPATIBLE where it is not valid at all. null: no version to compare with. */
  compatibility(subject: string, schema: KeptSchema): Promise<Compatibility | null>
  close(): void
}

export interface RegistryClientParts {
  readonly settings: RegistrySettings
  readonly clock: Clock
  /** Told of each exchange. */
  readonly onOutcome?: (outcome: RegistryOutcome) => void
}

const references = z.array(z.object({ name: z.string(), subject: z.string(), version: z.int() })).nullish()
const keptSchema = z.object({
  schema: z.string(),
  schemaType: z.enum(['AVRO', 'JSON', 'PROTOBUF']).nullish(),
  references,
})
const keptVersion = keptSchema.extend({ subject: z.string(), version: z.int(), id: z.int() })
const foundVersion = keptVersion.partial({ schema: true })
const registeredId = z.object({ id: z.int() })
const compatibility = z.object({
  is_compatible: z.boolean(),
  messages: z.array(z.string()).nullish(),
  reason: z.string().nullish(),
})

type Kept = z.infer<typeof keptSchema>
type Missing = Extract<Reading, { outcome: 'not-found' }>
type Outcome<Body> = Body | Missing | Extract<Reading, { outcome: 'incompatible' }>
type Shaped<Body> = Exclude<Reading, { outcome: 'answered' }> | { readonly outcome: 'answered'; readonly body: Body }

export class RegistryClient implements Registry {
  readonly name: string
  readonly #parts: RegistryClientParts
  readonly #credentials: Credentials
  readonly #exchange: HttpExchange
  readonly #bases: readonly { readonly url: URL; readonly shown: string }[]
  /** The one that answered last. */
  #first = 0

  private constructor(parts: RegistryClientParts, tls: SecureContextOptions) {
    const { clock, settings } = parts
    this.#parts = parts
    this.#credentials = new Credentials(settings)
    this.#exchange = new HttpExchange(clock, settings, tls)
    this.#bases = settings.url.map((text) => ({ url: new URL(text), shown: shownUrl(text) }))
    this.name = `schema registry ${this.#bases.map(({ shown }) => shown).join(', ')}`
  }

  /** Connects to nothing. Rejects with OPTIONS_INVALID where a TLS file cannot be read. */
  static async open(parts: RegistryClientParts): Promise<RegistryClient> {
    const { caFile, certFile, keyFile, keyPassphrase } = parts.settings
    const [ca, cert, key] = await Promise.all([
      readPem('caFile', caFile),
      readPem('certFile', certFile),
      readPem('keyFile', keyFile),
    ])
    const tls: SecureContextOptions = {
      ...(ca === null ? {} : { ca }),
      ...(cert === null ? {} : { cert }),
      ...(key === null ? {} : { key }),
      ...(keyPassphrase === null ? {} : { passphrase: keyPassphrase }),
    }
    return new RegistryClient(parts, tls)
  }

  async byId(id: number): Promise<KeptSchema | null> {
    const answer = await this.#ask(keptSchema, 'GET', `schemas/ids/${id}`)
    return 'outcome' in answer ? null : keptOf(answer)
  }

  async version(subject: string, version: number | 'latest'): Promise<KeptVersion | null> {
    const answer = await this.#ask(keptVersion, 'GET', `subjects/${encodeURIComponent(subject)}/versions/${version}`)
    return isMissing(answer) ? null : versionOf(this.#valid(answer))
  }

  async find(subject: string, schema: KeptSchema): Promise<KeptVersion | 'no-subject' | 'no-schema'> {
    const path = `subjects/${encodeURIComponent(subject)}`
    let answer = await this.#ask(foundVersion, 'POST', path, schema)
    // Registered by somebody who writes the same schema in another way. Older registries do not know the word, and say the same again.
    if (isMissing(answer) && answer.code !== NO_SUBJECT) {
      answer = await this.#ask(foundVersion, 'POST', `${path}?normalize=true`, schema)
    }
    if (isMissing(answer)) return answer.code === NO_SUBJECT ? 'no-subject' : 'no-schema'
    return versionOf({ ...this.#valid(answer), schema: schema.text })
  }

  async register(subject: string, schema: KeptSchema): Promise<number> {
    const path = `subjects/${encodeURIComponent(subject)}/versions`
    const answer = await this.#ask(registeredId, 'POST', path, schema)
    if (isMissing(answer)) throw this.#misled(path)
    return this.#valid(answer).id
  }

  async compatibility(subject: string, schema: KeptSchema): Promise<Compatibility | null> {
    const path = `compatibility/subjects/${encodeURIComponent(subject)}/versions/latest?verbose=true`
    const answer = await this.#ask(compatibility, 'POST', path, schema)
    if (isMissing(answer)) return null
    const { is_compatible: isCompatible, messages, reason } = this.#valid(answer)
    return { isCompatible, reasons: [...(messages ?? []), ...(reason == null || reason === '' ? [] : [reason])] }
  }

  close(): void {
    this.#exchange.close()
  }

  /** Where the registry finds a schema wrong. */
  #valid<Body extends object>(answer: Outcome<Body>): Body {
    if (!('outcome' in answer)) return answer
    const reason = answer.outcome === 'incompatible' ? answer.reason : 'it is not found'
    throw new TroupeError('SCHEMA_INCOMPATIBLE', reason)
  }

  #misled(path: string): RegistryError {
    return new RegistryError('SCHEMA_REGISTRY_UNREACHABLE', `${this.name} does not know ${path}`, null)
  }

  /** One after the other, until one answers. */
  async #ask<Body extends object>(
    shape: z.ZodType<Body>,
    method: HttpQuestion['method'],
    path: string,
    schema?: KeptSchema,
  ): Promise<Outcome<Body>> {
    const failures: string[] = []
    let retryAfterMs: number | null = null
    for (let tried = 0; tried < this.#bases.length; tried += 1) {
      const at = (this.#first + tried) % this.#bases.length
      const base = this.#bases[at]!
      const reading = this.#shaped(shape, await this.#askOne(base.url, method, path, schema))
      this.#parts.onOutcome?.(reading.outcome)
      if (reading.outcome === 'unreachable') {
        failures.push(`${base.shown}: ${reading.reason}`)
        retryAfterMs = longer(retryAfterMs, reading.retryAfterMs)
        continue
      }
      this.#first = at
      if (reading.outcome === 'answered') return reading.body
      if (reading.outcome === 'refused') {
        const message = `schema registry ${base.shown} refuses ${method} ${path}: ${reading.reason}`
        throw new RegistryError('SCHEMA_REGISTRY_REFUSED', message, null)
      }
      return reading
    }
    throw new RegistryError('SCHEMA_REGISTRY_UNREACHABLE', `schema registry ${failures.join('; ')}`, retryAfterMs)
  }

  async #askOne(base: URL, method: HttpQuestion['method'], path: string, schema?: KeptSchema): Promise<Reading> {
    const url = new URL(`${base.pathname.replace(/\/+$/, '')}/${path}`, base)
    url.username = ''
    url.password = ''
    const body = schema === undefined ? null : JSON.stringify(bodyOf(schema))
    let authorization: string | null = null
    const masked = (text: string): string => this.#credentials.masked(text)
    const ask = async (): Promise<Reading> => {
      try {
        authorization = await this.#credentials.header(base)
      } catch (error) {
        return { outcome: 'refused', reason: `no token: ${describeError(error)}`, isUnknown: false }
      }
      const headers = this.#headers(authorization, body)
      try {
        const answer = await this.#exchange.ask({ method, url, headers, body })
        return readAnswer(answer, this.#parts.clock.wallNow(), masked)
      } catch (error) {
        return unanswered(error)
      }
    }
    const first = await ask()
    // A token that has expired since it was fetched.
    const isExpired = first.outcome === 'refused' && first.isUnknown && this.#credentials.renew(authorization)
    const reading = isExpired ? await ask() : first
    // Of what fetches a token, too.
    return 'reason' in reading ? { ...reading, reason: masked(reading.reason) } : reading
  }

  /** Something else that speaks JSON may stand where the registry should. */
  #shaped<Body>(shape: z.ZodType<Body>, reading: Reading): Shaped<Body> {
    if (reading.outcome !== 'answered') return reading
    const { data, success } = shape.safeParse(reading.body)
    if (success) return { outcome: 'answered', body: data }
    const start = this.#credentials.masked(JSON.stringify(reading.body)).slice(0, 200)
    return { outcome: 'unreachable', reason: `its answer is no schema registry's: ${start}`, retryAfterMs: null }
  }

  #headers(authorization: string | null, body: string | null): Record<string, string> {
    return {
      accept: 'application/vnd.schemaregistry.v1+json, application/json',
      ...(body === null
        ? {}
        : {
            'content-type': 'application/vnd.schemaregistry.v1+json',
            'content-length': String(Buffer.byteLength(body)),
          }),
      ...(authorization === null ? {} : { authorization }),
      ...this.#parts.settings.headers,
    }
  }
}

function isMissing(answer: Outcome<object>): answer is Missing {
  return 'outcome' in answer && answer.outcome === 'not-found'
}

/** Avro goes without its type: so older registries take it, too. */
function bodyOf({ references, text, type }: KeptSchema): object {
  return {
    schema: text,
    ...(type === 'AVRO' ? {} : { schemaType: type }),
    ...(references.length === 0 ? {} : { references }),
  }
}

function keptOf({ references, schema, schemaType }: Kept): KeptSchema {
  return { type: schemaType ?? 'AVRO', text: schema, references: references ?? [] }
}

function versionOf(kept: z.infer<typeof keptVersion>): KeptVersion {
  const { id, subject, version } = kept
  return { ...keptOf(kept), id, subject, version }
}

function longer(one: number | null, other: number | null): number | null {
  return one === null || other === null ? (one ?? other) : Math.max(one, other)
}

async function readPem(option: string, path: string | null): Promise<string | null> {
  if (path === null) return null
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new TroupeError('OPTIONS_INVALID', `schemaRegistry.${option}: ${describeError(error)}`, { cause: error })
  }
}
