/** The options of an app as flags of a command, and back. */
import { InvalidArgumentError, Option, type Command } from 'commander'
import { listFlags } from '../../options/docs.ts'
import { flagName } from '../../options/names.ts'

const headings: Readonly<Record<string, string>> = {
  kafka: 'Kafka:',
  producer: 'Writing to Kafka:',
  schemaRegistry: 'Schema registry:',
  actors: 'Actors:',
  threads: 'Worker threads:',
  intake: 'Limits of what is in flight:',
  state: 'State of handlers:',
  '': 'Processes, commits and shutdown:',
  restart: 'Restarts after failures:',
  http: 'HTTP (/metrics, /healthz, /readyz, /status):',
  log: 'Log:',
}

const REGISTRY = 'schemaRegistry'
const CLIENT_FLAG = `${flagName('kafka.client')} <key=value>`
const ACTOR_FLAG = '--actor <name.option=value>'

export function addAppOptions(command: Command): Command {
  const flags = listFlags()
  for (const [group, heading] of Object.entries(headings)) {
    for (const { flags: flag, doc } of flags.filter((row) => row.group === group)) {
      command.addOption(new Option(flag, doc).helpGroup(heading))
    }
    if (group === 'kafka') {
      const doc =
        'Any other key of the native client, such as security.protocol=ssl. Repeatable. Passwords belong in the environment: TROUPE_KAFKA_CLIENT_SASL_PASSWORD.'
      command.addOption(new Option(CLIENT_FLAG, doc).argParser(collectPairs).helpGroup(heading))
    }
    if (group === 'actors') {
      const doc = 'An option of one actor, or of all with the name *. Repeatable.'
      command.addOption(new Option(ACTOR_FLAG, doc).argParser(collectPairs).helpGroup(heading))
    }
  }
  return command
}

function collectPairs(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('It has to be name=value.')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

/** Only those of the schema registry: for commands that run no app. */
export function addRegistryOptions(command: Command): Command {
  for (const { flags: flag, doc, group } of listFlags()) {
    if (group === REGISTRY) command.addOption(new Option(flag, doc).helpGroup(headings[REGISTRY]!))
  }
  return command
}

/** Flags as commander names them (`httpPort`) → paths of options (`http.port`). */
export function flagsByPath(flags: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const byPath: Record<string, unknown> = {}
  for (const { path, flags: flag } of listFlags()) {
    const value = flags[new Option(flag).attributeName()]
    if (value !== undefined) byPath[path] = value
  }
  addPairs(byPath, 'kafka.client', flags['kafkaClient'])
  addPairs(byPath, 'actors', flags['actor'])
  return byPath
}

function addPairs(byPath: Record<string, unknown>, prefix: string, pairs: unknown): void {
  for (const [name, value] of Object.entries(pairs ?? {})) byPath[`${prefix}.${name}`] = value
}
