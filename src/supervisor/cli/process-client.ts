/** How commands ask a running process over its HTTP port. */
import { Option } from 'commander'
import { TroupeError, describeError, isErrorCode } from '../../errors.ts'
import { envName } from '../../options/names.ts'
import { token as tokenRule } from '../../options/rules.ts'

const TOKEN = envName('http.token')
const ANSWER_TIMEOUT_MS = 10_000

export function urlOption(): Option {
  return new Option('--url <url>', 'HTTP port of the process that has the partition').default('http://localhost:9464')
}

export function tokenOption(): Option {
  return new Option('--token <token>', `http.token of the process; better in the environment, as ${TOKEN}`)
}

/** As the flag has it, else the environment. */
export function tokenOf(
  flag: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): { token?: string } {
  const token = flag ?? env[TOKEN]
  return token === undefined || token === '' ? {} : { token: checked(token) }
}

/** In a header of HTTP it would be refused with its text in the message. */
function checked(token: string): string {
  const { schema, text } = tokenRule()
  if (schema.safeParse(token).success) return token
  throw new TroupeError('OPTIONS_INVALID', `--token, or ${TOKEN}: what it has is not ${text}`)
}

export interface Question {
  readonly base: string
  readonly path: string
  /** What to post; absent: get. */
  readonly body?: object
  readonly token?: string
}

export async function askForList<Entry>(question: Question, field: string): Promise<readonly Entry[]> {
  const answer = await ask(question)
  const list: unknown = answer !== null && typeof answer === 'object' ? Reflect.get(answer, field) : undefined
  if (!Array.isArray(list)) throw noTroupe(urlOf(question.base, question.path), `its answer has no ${field}`)
  return list as readonly Entry[]
}

/** The answer's JSON. */
export async function ask({ base, body, path, token }: Question): Promise<unknown> {
  const url = urlOf(base, path)
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS)
  const headers = { ...authorization, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }
  const posted = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
  let answer: Response
  let text: string
  try {
    answer = await fetch(url, { signal, headers, ...posted })
    text = await answer.text()
  } catch (error) {
    const why = signal.aborted ? ` within ${ANSWER_TIMEOUT_MS} ms` : `: ${describeError(error)}`
    throw new TroupeError('PROCESS_UNREACHABLE', `${url} does not answer${why}`, { cause: error })
  }
  const json = parse(text)
  if (answer.ok && json !== undefined) return json
  if (answer.ok) throw noTroupe(url, 'its answer is no JSON')
  const told = (json ?? {}) as { readonly error?: unknown; readonly code?: unknown }
  const reason = typeof told.error === 'string' ? told.error : `it answered ${answer.status}`
  if (typeof told.code === 'string' && isErrorCode(told.code)) throw new TroupeError(told.code, reason)
  throw new TroupeError('PROCESS_UNREACHABLE', `${url}: ${reason}`)
}

function noTroupe(url: string, why: string): TroupeError {
  return new TroupeError('PROCESS_UNREACHABLE', `${url} is no HTTP port of Troupe: ${why}`)
}

/** `base` as people write it: with or without a scheme, with or without a path (of a proxy). */
function urlOf(base: string, path: string): string {
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(base) ? base : `http://${base}`
  try {
    const { host, origin, pathname, protocol } = new URL(address)
    if (!/^https?:$/.test(protocol) || host === '') throw new TypeError('not of HTTP')
    return `${origin}${pathname.replace(/\/+$/, '')}/${path}`
  } catch (cause) {
    const message = `--url: ${base} is no address of a process, such as localhost:9464 or https://host/path`
    throw new TroupeError('OPTIONS_INVALID', message, { cause })
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
