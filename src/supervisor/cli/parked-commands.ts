/** `troupe parked` and `troupe decide`: what an operator says of parked records, to a running process over its HTTP port. */
import { Argument, Option, type Command } from 'commander'
import { decisions, type ParkedRecord } from '../../actors/parking-lot.ts'
import { TroupeError, describeError, isErrorCode } from '../../errors.ts'
import { envName } from '../../options/names.ts'
import { token as tokenRule } from '../../options/rules.ts'

interface Flags {
  readonly url: string
}

interface DecideFlags extends Flags {
  readonly key?: string
  readonly keyHash?: string
  readonly token?: string
}

const TOKEN = envName('http.token')
const ANSWER_TIMEOUT_MS = 10_000

export interface ParkedCommandsContext {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdout: (text: string) => void
}

export function addParkedCommands(program: Command, { env, stdout: print }: ParkedCommandsContext): void {
  const url = (): Option =>
    new Option('--url <url>', 'HTTP port of the process that has the partition').default('http://localhost:9464')
  program
    .command('parked')
    .description('list the records of a running process that failed for good and wait for a decision')
    .addOption(url())
    .action(async (flags: Flags) => {
      const records = await askForList<ParkedRecord>({ base: flags.url, path: 'parked' }, 'records')
      print(records.length === 0 ? 'nothing is parked\n' : records.map(describeParked).join(''))
    })
  program
    .command('decide')
    .description(
      'end the wait of a parked record, or of all of a key: one more attempt, the dead-letter topic, or dropped',
    )
    .argument('<record>', 'topic/partition/offset; with --key or --key-hash the topic')
    .addArgument(new Argument('<decision>', 'what becomes of it').choices(decisions))
    .addOption(url())
    .addOption(new Option('--key <text>', 'all parked records of this key, in their order'))
    .addOption(new Option('--key-hash <hash>', 'the same, of the key that is shown as sha256:<hash>').conflicts('key'))
    .addOption(new Option('--token <token>', `http.token of the process; better in the environment, as ${TOKEN}`))
    .action(async (record: string, decision: string, { key, keyHash, token = env[TOKEN], url }: DecideFlags) => {
      const request = { base: url, ...(token === undefined || token === '' ? {} : { token: checked(token) }) }
      if (key === undefined && keyHash === undefined) {
        await ask({
          ...request,
          path: `parked/${record.split('/').map(encodeURIComponent).join('/')}`,
          body: { decision },
        })
        print(`${record}: ${decision}\n`)
        return
      }
      const body = { topic: record, key, keyHash, decision }
      const ids = await askForList<string>({ ...request, path: 'parked', body }, 'ids')
      print(ids.map((id) => `${id}: ${decision}\n`).join(''))
    })
}

function describeParked({ actor, attempts, code, error, id, key, sinceMs, waitingBehind }: ParkedRecord): string {
  const since = new Date(sinceMs).toISOString()
  const own = error.code === code ? '' : `${error.code}: `
  return (
    `${id}  actor ${actor}, key ${key === null ? 'none' : JSON.stringify(key)}, since ${since}, ` +
    `attempts ${attempts}, waiting behind it ${waitingBehind}\n    ${code}: ${own}${error.message}\n`
  )
}

/** In a header of HTTP it would be refused with its text in the message. */
function checked(token: string): string {
  const { schema, text } = tokenRule()
  if (schema.safeParse(token).success) return token
  throw new TroupeError('OPTIONS_INVALID', `--token, or ${TOKEN}: what it has is not ${text}`)
}

interface Question {
  readonly base: string
  readonly path: string
  /** What to post; absent: get. */
  readonly body?: object
  readonly token?: string
}

async function askForList<Entry>(question: Question, field: string): Promise<readonly Entry[]> {
  const answer = await ask(question)
  const list: unknown = answer !== null && typeof answer === 'object' ? Reflect.get(answer, field) : undefined
  if (!Array.isArray(list)) throw noTroupe(urlOf(question.base, question.path), `its answer has no ${field}`)
  return list as readonly Entry[]
}

/** The answer's JSON. */
async function ask({ base, body, path, token }: Question): Promise<unknown> {
  const url = urlOf(base, path)
  const headers = {
    'content-type': 'application/json',
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  }
  const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS)
  const posted = body === undefined ? {} : { method: 'POST', headers, body: JSON.stringify(body) }
  let answer: Response
  let text: string
  try {
    answer = await fetch(url, { signal, ...posted })
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
