/** `troupe parked` and `troupe decide`: what an operator says of parked records, to a running process over its HTTP port. */
import { Argument, Option, type Command } from 'commander'
import { decisions, type ParkedRecord } from '../../actors/parking-lot.ts'
import { TroupeError, describeError } from '../../errors.ts'

interface Flags {
  readonly url: string
}

export function addParkedCommands(program: Command, print: (text: string) => void): void {
  const url = (): Option =>
    new Option('--url <url>', 'HTTP port of the process that has the partition').default('http://localhost:9464')
  program
    .command('parked')
    .description('list the records of a running process that failed for good and wait for a decision')
    .addOption(url())
    .action(async (flags: Flags) => {
      const { records } = (await ask(flags.url, 'parked')) as { records: readonly ParkedRecord[] }
      print(records.length === 0 ? 'nothing is parked\n' : records.map(describeParked).join(''))
    })
  program
    .command('decide')
    .description('end the wait of a parked record: one more attempt, the dead-letter topic, or dropped')
    .argument('<id>', 'topic/partition/offset')
    .addArgument(new Argument('<decision>', 'what becomes of it').choices(decisions))
    .addOption(url())
    .action(async (id: string, decision: string, flags: Flags) => {
      await ask(flags.url, `parked/${id.split('/').map(encodeURIComponent).join('/')}`, { decision })
      print(`${id}: ${decision}\n`)
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

/** The answer's JSON. `body`: what to post; undefined: get. */
async function ask(base: string, path: string, body?: object): Promise<unknown> {
  const url = urlOf(base, path)
  const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  let answer: Response
  try {
    answer = await fetch(url, body === undefined ? {} : post)
  } catch (error) {
    throw new TroupeError('PROCESS_UNREACHABLE', `${url} does not answer: ${describeError(error)}`, { cause: error })
  }
  const text = await answer.text()
  const json = parse(text)
  if (answer.ok && json !== undefined) return json
  const told = (json ?? {}) as { readonly error?: unknown; readonly code?: unknown }
  const reason = typeof told.error === 'string' ? told.error : `it answered ${answer.status}`
  if (told.code === 'NOT_PARKED' || told.code === 'NO_DEAD_LETTER_TOPIC') throw new TroupeError(told.code, reason)
  throw new TroupeError('PROCESS_UNREACHABLE', `${url}: ${reason}`)
}

function urlOf(base: string, path: string): string {
  try {
    return new URL(path, base.endsWith('/') ? base : `${base}/`).href
  } catch (cause) {
    throw new TroupeError('OPTIONS_INVALID', `--url: ${base} is no URL`, { cause })
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
