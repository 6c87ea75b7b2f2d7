/** `troupe parked` and `troupe decide`: what an operator says of parked records, to a running process over its HTTP port. */
import { Argument, Option, type Command } from 'commander'
import { decisions, type ParkedRecord } from '../../actors/parking-lot.ts'
import { ask, askForList, tokenOf, tokenOption, urlOption } from './process-client.ts'

interface Flags {
  readonly url: string
}

interface DecideFlags extends Flags {
  readonly key?: string
  readonly keyHash?: string
  readonly token?: string
}

export interface ParkedCommandsContext {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdout: (text: string) => void
}

export function addParkedCommands(program: Command, { env, stdout: print }: ParkedCommandsContext): void {
  program
    .command('parked')
    .description('list the records of a running process that failed for good and wait for a decision')
    .addOption(urlOption())
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
    .addOption(urlOption())
    .addOption(new Option('--key <text>', 'all parked records of this key, in their order'))
    .addOption(new Option('--key-hash <hash>', 'the same, of the key that is shown as sha256:<hash>').conflicts('key'))
    .addOption(tokenOption())
    .action(async (record: string, decision: string, { key, keyHash, token, url }: DecideFlags) => {
      const request = { base: url, ...tokenOf(token, env) }
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
