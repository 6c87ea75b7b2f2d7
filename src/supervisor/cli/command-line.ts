/** The commands: what they read, print and end with. `cli.ts` is the process around it. */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { tryInThread, type TryModule } from '../../actors/threads/trial.ts'
import type { App } from '../../app.ts'
import { isTroupeError } from '../../errors.ts'
import { describeOptions, maskOptions } from '../../options/docs.ts'
import { envName, flagName } from '../../options/names.ts'
import { systemClock } from '../../clock.ts'
import { silentLog } from '../../log.ts'
import { OpenWaits } from '../../metrics/open-waits.ts'
import { EngineStats } from '../../metrics/stats.ts'
import { brokerFor, verifyClient } from '../kafka.ts'
import { openSchemas } from '../../streams/registry/open-schemas.ts'
import { addAppOptions, flagsByPath } from './app-flags.ts'
import { loadAppWithOptions } from './app-module.ts'
import { checkApp } from './check.ts'
import type { InstancesRun, RunningInstances } from '../instances/instance-parent.ts'
import { createLog, formOf, type LogForm } from '../log.ts'
import { addGraphCommand } from './graph-command.ts'
import { addParkedCommands } from './parked-commands.ts'
import { processRegistry } from '../http/process-registry.ts'
import { addResetCommand, type ResetCommandContext } from './reset-command.ts'
import { addStateCommand } from './state-command.ts'
import { addSchemasCommands } from './schemas/schemas-commands.ts'
import { onStopSignal } from './signals.ts'
import type { StartOptions, Supervisor, SupervisorEnd } from '../supervisor.ts'
import { Words } from './words.ts'

/** What a command touches of its process. */
export interface CommandContext extends ResetCommandContext {
  readonly stderr: (text: string) => void
  readonly startSupervisor: (app: App, options: StartOptions) => Promise<Pick<Supervisor, 'finished' | 'stop'>>
  readonly startInstances: (run: InstancesRun) => Promise<RunningInstances>
  /** Where `check` and `graph` load a handler module: in a thread, unless given. */
  readonly tryModule?: TryModule
}

const exitCodes = { done: 0, failed: 1, usage: 2 } as const

const examples = `
Examples:
  troupe run clicks.ts
  troupe run clicks.ts --kafka-brokers kafka-1:9092,kafka-2:9092 --http-port 9100
  troupe run clicks.ts --instances 4
  troupe run clicks.ts --actor enrich.order=partition --actor '*.retry.attempts=3'
  TROUPE_KAFKA_CLIENT_SASL_PASSWORD=… troupe run clicks.ts
  troupe check clicks.ts --connect
  troupe graph clicks.ts --as text
  troupe schemas generate schemas
  troupe parked --url http://localhost:9464
  troupe decide user_clicks/3/1741 retry
  troupe state count --key user-7 --url http://localhost:9464
  troupe decide user_clicks skip --key-hash 9f86d081884c7d65 --url kafka-app:9464

Each option of the app is a flag and a variable: http.port is --http-port and TROUPE_HTTP_PORT.
Flags go over the environment, which goes over the file.

The first SIGTERM, SIGINT or SIGHUP finishes what is in flight, commits and leaves the group; a
second one ends the process at once. Exit code 0: stopped; 1: failed; 2: wrong options.`

const checkHelp = `
Loads each handler module in a thread of its own and runs its setup and teardown. Joins no group and handles no record.
All problems are told at once, each with its actor or sink. Exit code 0: none; 1: something does not load, is missing or
cannot be reached; 2: only options are wrong.`

/** Runs one command line (without `node` and the script). Resolves to the exit code; never rejects. */
export async function runCommandLine(
  args: readonly string[],
  context: CommandContext,
  words: Words = new Words(context.stderr),
): Promise<number> {
  const program = createProgram(context, words)
  try {
    await program.parseAsync(args, { from: 'user' })
    return exitCodes.done
  } catch (error) {
    // Help and version end here, too; commander has printed what there is to print.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage
    const errors: readonly unknown[] = error instanceof AggregateError ? error.errors : [error]
    for (const each of errors) words.fail(each, wantsDebug(args, context))
    const areOptions = errors.every((each) => isTroupeError(each) && each.code === 'OPTIONS_INVALID')
    return areOptions ? exitCodes.usage : exitCodes.failed
  }
}

function createProgram(context: CommandContext, words: Words): Command {
  const program = new Command('troupe')
    .description('Handles Kafka records in order, on all cores, and commits only what is finished.')
    .version(readVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .addHelpText('after', examples)
    .configureOutput({ writeOut: context.stdout, writeErr: context.stderr })
    .exitOverride()
  addAppOptions(program.command('run <module>'))
    .description('run the app that a module exports as default, until it is stopped')
    .action(async (module: string, flags: Record<string, unknown>) => {
      await run(module, flagsByPath(flags), context, words)
    })
  addAppOptions(program.command('check <module>'))
    .description('check the app, its handlers and its options, and print the options in force')
    .option('--no-load', 'leave handler modules and their setup alone: only see whether the files are there')
    .option('--connect', 'ask the servers, too: brokers, credentials, topics, the group, databases and their tables')
    .addHelpText('after', checkHelp)
    .action(async (module: string, flags: Record<string, unknown>) => {
      await check(module, flags, context)
    })
  addGraphCommand(program, { ...context, tryModule: context.tryModule ?? tryInThread })
  addResetCommand(program, context)
  addParkedCommands(program, context)
  addStateCommand(program, context)
  addSchemasCommands(program, context)
  return program
}

async function run(path: string, flags: Record<string, unknown>, context: CommandContext, words: Words): Promise<void> {
  words.form = askedForm(flags, context)
  const stop = new AbortController()
  const say = (line: string): void => {
    words.say(line)
  }
  let endInstances = (): void => undefined
  const removeListeners = onStopSignal(
    (signal) => {
      say(`${signal}: finishing what is in flight; once more to end at once`)
      stop.abort()
    },
    say,
    () => {
      endInstances()
    },
  )
  try {
    const { app, sources, options } = await loadAppWithOptions(path, flags, context.env)
    words.form = formOf(options.log.format)
    const log = await createLog(options.log)
    log.info({ options: maskOptions(options) }, 'options in force')
    let finished: Promise<SupervisorEnd>
    if (options.instances > 1) {
      const instances = await context.startInstances({ module: path, flags, options, log, signal: stop.signal })
      endInstances = () => {
        instances.kill()
      }
      finished = instances.finished
    } else {
      const registry = await processRegistry()
      finished = (await context.startSupervisor(app, { sources, log, registry, signal: stop.signal })).finished
    }
    const end = await finished
    if (end.reason === 'failed') throw end.error
  } catch (error) {
    // Stopped while it started is stopped, too.
    if (!isTroupeError(error) || error.code !== 'START_STOPPED') throw error
  } finally {
    removeListeners()
  }
}

async function check(path: string, flags: Record<string, unknown>, context: CommandContext): Promise<void> {
  const { options } = await loadAppWithOptions(path, flagsByPath(flags), context.env)
  const waits = new OpenWaits(systemClock)
  const isConnected = flags['connect'] === true
  const own = { clock: systemClock, random: Math.random, log: silentLog, stats: new EngineStats() }
  const { problems, found } = await checkApp({
    app: options,
    waits,
    verifyClient: () => verifyClient(options, silentLog, waits),
    tryModule: flags['load'] === false ? null : (context.tryModule ?? tryInThread),
    openBroker: isConnected ? () => brokerFor(options, silentLog, waits) : null,
    openSchemas: isConnected
      ? () => openSchemas({ ...options, registerSchemas: 'never' }, { ...own, stats: own.stats.registry })
      : null,
  })
  context.stdout(`${describeOptions(options)}\n`)
  if (found.length > 0) context.stdout(`\n${found.join('\n')}\n`)
  if (problems.length > 0) throw new AggregateError(problems)
}

// --- what is printed

/** Before there are options: as flag and environment say, which go over the file. */
function askedForm(flags: Readonly<Record<string, unknown>>, { env }: CommandContext): LogForm {
  const asked = flags['log.format'] ?? env[envName('log.format')]
  return formOf(asked === 'json' || asked === 'pretty' ? asked : 'auto')
}

/** Read from the words themselves: an error may come before there are options. */
function wantsDebug(args: readonly string[], { env }: CommandContext): boolean {
  const flag = flagName('log.level')
  const chosen = args.findLast((arg, at) => arg.startsWith(`${flag}=`) || args[at - 1] === flag)
  return (chosen ?? env[envName('log.level')])?.endsWith('debug') ?? false
}

function readVersion(): string {
  // The same two folders up from src/supervisor and from dist/supervisor.
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { readonly version: string }).version
}
