/** From what a registry answered, or did not, to one error that says what was the matter. */
import { TroupeError, describeError, type ErrorCode } from '../../errors.ts'
import type { HttpAnswer } from './http-exchange.ts'

/** What became of a question. */
export type RegistryOutcome = 'answered' | 'not-found' | 'incompatible' | 'refused' | 'unreachable'

/** The registry, rather than a schema, is the trouble. */
export class RegistryError extends TroupeError {
  /** How long it asks to be left alone; null: it does not. */
  readonly retryAfterMs: number | null

  constructor(code: ErrorCode, message: string, retryAfterMs: number | null, cause?: unknown) {
    super(code, message, cause === undefined ? undefined : { cause })
    this.retryAfterMs = retryAfterMs
  }
}

/** What an answer means. */
export type Reading =
  | { readonly outcome: 'answered'; readonly body: unknown }
  /** 404 with a code of the registry's own: no such subject, version or schema. */
  | { readonly outcome: 'not-found'; readonly code: number }
  | { readonly outcome: 'incompatible'; readonly reason: string }
  /** `isUnknown`: it does not know who asks; otherwise it does, and they may not. */
  | { readonly outcome: 'refused'; readonly reason: string; readonly isUnknown: boolean }
  | { readonly outcome: 'unreachable'; readonly reason: string; readonly retryAfterMs: number | null }

/** No subject, no version of it, no schema: as Confluent numbers them. */
export const NO_SUBJECT = 40401
const notFoundCodes = [NO_SUBJECT, 40402, 40403]

const MAX_SHOWN = 200

/** `masked` takes secrets out of what is shown: before anything is cut off, since half a secret is not found. */
export function readAnswer(answer: HttpAnswer, wallNowMs: number, masked: (text: string) => string): Reading {
  const { status, text } = answer
  const body = parsed(text)
  const { code, message } = errorOf(body)
  const says = masked(message ?? shownBody(answer, masked))
  if (status >= 200 && status < 300) {
    if (body !== undefined) return { outcome: 'answered', body }
    return unreachable(`it answered ${status} with something that is no JSON (${shownBody(answer, masked)})`)
  }
  if (status >= 300 && status < 400) {
    const target = masked(answer.header('location') ?? 'nowhere')
    return unreachable(
      `it redirects (${status}) to ${target}: no redirect is followed, since the credentials are for this server`,
    )
  }
  if (status === 404 && code !== null && notFoundCodes.includes(code)) return { outcome: 'not-found', code }
  if (status === 404) return unreachable(`it answered 404 (${says}): is the path in schemaRegistry.url right?`)
  if (status === 401 || status === 403) {
    return { outcome: 'refused', reason: `it answered ${status} (${says})`, isUnknown: status === 401 }
  }
  if (status === 409 || status === 422) return { outcome: 'incompatible', reason: says }
  return unreachable(`it answered ${status} (${says})`, retryAfterOf(answer, wallNowMs))
}

/** For an answer that did not come. */
export function unanswered(error: unknown): Reading {
  return unreachable(describeError(error))
}

function unreachable(reason: string, retryAfterMs: number | null = null): Reading {
  return { outcome: 'unreachable', reason, retryAfterMs }
}

/** undefined: it is none. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function errorOf(body: unknown): { readonly code: number | null; readonly message: string | null } {
  const { error_code: code, message } =
    typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {}
  return {
    code: typeof code === 'number' ? code : null,
    message: typeof message === 'string' && message !== '' ? message : null,
  }
}

/** `text/html: <html><head>…`: enough to see who answered. */
function shownBody({ header, text }: HttpAnswer, masked: (text: string) => string): string {
  const type = header('content-type')?.split(';')[0] ?? 'no content type'
  const line = masked(text)
    .slice(0, 4 * MAX_SHOWN)
    .replaceAll(/[\s\p{Cc}]+/gu, ' ')
    .trim()
  const start = line.length > MAX_SHOWN ? `${line.slice(0, MAX_SHOWN)}…` : line
  return `${type}: ${start === '' ? 'empty' : start}`
}

/** Seconds, or a date. */
function retryAfterOf({ header, status }: HttpAnswer, wallNowMs: number): number | null {
  const text = header('retry-after')
  if (text === null) return status === 429 ? 0 : null
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - wallNowMs
  return Number.isNaN(ms) ? 0 : Math.max(0, ms)
}
