/** `troupe schemas …`: what a team does with its schema files before anything runs. */
import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { tryInThread, type TryModule } from '../../../actors/threads/trial.ts'
import { systemClock } from '../../../clock.ts'
import { TroupeError } from '../../../errors.ts'
import { resolveRegistry } from '../../../options/resolve.ts'
import { compatibilityLevels, type CompatibilityLevel } from '../../../schemas/compatibility.ts'
import type { SubjectSchema } from '../../../streams/flows/contract.ts'
import { RegistryClient, type Registry } from '../../../streams/registry/registry-client.ts'
import type { RegistrySettings } from '../../../streams/registry/registry-settings.ts'
import { addRegistryOptions, flagsByPath } from '../app-flags.ts'
import { loadAppWithOptions } from '../app-module.ts'
import { subjectsOfApp } from './app-subjects.ts'
import { ownSchema } from './avro-codec.ts'
import { testContracts, type Baseline } from './contract-test.ts'
import { generateTypes } from './generate.ts'
import { gitBaseline } from './git-baseline.ts'
import { registerSchemas } from './register.ts'
import { RegistryBaseline } from './registry-baseline.ts'
import { SCHEMA_ENDING, describeProblems, findSchemas } from './schema-folder.ts'
import { SubjectsOfFiles } from './subjects-of-files.ts'

export interface SchemasCommandsContext {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdout: (text: string) => void
  /** Where handler modules of an app are loaded: in a thread, unless given. */
  readonly tryModule?: TryModule
}

interface GenerateFlags {
  readonly out?: string
  readonly longs: 'bigint' | 'number'
  readonly check?: boolean
}

interface CheckFlags extends Readonly<Record<string, unknown>> {
  readonly against?: string
  readonly level: CompatibilityLevel
  readonly subject?: readonly string[]
}

interface RegisterFlags extends Readonly<Record<string, unknown>> {
  readonly inputs?: boolean
  readonly subject?: readonly string[]
  readonly yes?: boolean
}

const DEFAULT_FOLDER = 'schemas'

const checkHelp = `
Samples of schemas/click.avsc are schemas/samples/click/good/*.json and …/bad/*.json. A bad one is
{"wrong": "what is wrong with it", "at": "the field", "value": …}.
Exit code 0: all is well; 1: problems, a line each; 2: wrong options.`

const registerHelp = `
Examples:
  troupe schemas register app.ts
  troupe schemas register app.ts --yes
  troupe schemas register schemas --subject order.avsc=orders-value --schema-registry-url http://registry:8081

Without --yes it is a dry run: it says what the registry has, what is new and what it refuses, and writes nothing.
Where one schema is refused none is registered. Exit code 0: none was refused; 1: one was, or the registry cannot be
reached; 2: wrong options.`

export function addSchemasCommands(program: Command, context: SchemasCommandsContext): void {
  const { env, stdout } = context
  const print = (line: string): void => {
    stdout(`${line}\n`)
  }
  const settingsOf = (flags: Readonly<Record<string, unknown>>): RegistrySettings =>
    resolveRegistry({ flags: flagsByPath(flags), env })
  const schemas = program
    .command('schemas')
    .description('types, contract tests and registration of Avro schema files')
    .helpCommand(false)
  schemas
    .command('generate')
    .description('write the TypeScript of .avsc files: a type for each thing they name, and the schemas as constants')
    .argument('[paths...]', 'files *.avsc, or folders of them', [DEFAULT_FOLDER])
    .option('--out <path>', 'a folder, or one file *.ts for all (default: beside each schema)')
    .addOption(
      new Option('--longs <type>', "as the codec's option longs").choices(['bigint', 'number']).default('bigint'),
    )
    .option('--check', 'write nothing; exit code 1 where what is there differs')
    .action(async (paths: readonly string[], { check = false, longs, out }: GenerateFlags) => {
      await generateTypes(paths, { check, longs, ...(out === undefined ? {} : { out }) }, print)
    })
  const check = schemas
    .command('check')
    .description(
      'test that .avsc files parse, take their good samples, refuse the bad ones, and go with older versions',
    )
    .argument('[paths...]', 'files *.avsc, or folders of them', [DEFAULT_FOLDER])
    .option('--against <where>', 'older versions: git:REF (default: where this branch began), registry, or none')
    .addOption(
      new Option('--level <level>', 'which versions have to read which')
        .choices(compatibilityLevels)
        .default('BACKWARD'),
    )
    .addOption(subjectOption())
    .addHelpText('after', checkHelp)
    .action(async (paths: readonly string[], flags: CheckFlags) => {
      const { against, level, subject } = flags
      if (against !== 'registry') {
        if (subject !== undefined) throw new TroupeError('OPTIONS_INVALID', '--subject goes with --against registry')
        await testContracts({ paths, level, baseline: await gitOrNone(paths, against), print })
        return
      }
      const subjects = new SubjectsOfFiles(subject ?? [], (await findSchemas(paths)).asked)
      await withRegistry(settingsOf(flags), async (registry) => {
        const baseline = new RegistryBaseline(registry, (path) => subjects.of(path))
        await testContracts({ paths, level, baseline, print })
      })
    })
  addRegistryOptions(check)
  const register = schemas
    .command('register')
    .description('register schemas under their subjects; a dry run unless --yes is given')
    .argument('<app or paths...>', 'the module of an app, or files *.avsc and folders of them')
    .addOption(subjectOption())
    .option('--inputs', 'of an app also what it reads with, which as a rule somebody else registers')
    .option('--yes', 'register what is new')
    .addHelpText('after', registerHelp)
    .action(async (paths: readonly string[], flags: RegisterFlags) => {
      const { settings, wanted } = isApp(paths)
        ? await appRegistration(paths[0]!, flags, context)
        : { settings: settingsOf(flags), wanted: await fileRegistration(paths, flags) }
      await withRegistry(settings, async (registry) => {
        await registerSchemas({ wanted, registry, yes: flags.yes === true, print })
      })
    })
  addRegistryOptions(register)
}

function subjectOption(): Option {
  const collect = (text: string, before: readonly string[] = []): readonly string[] => {
    if (!/^.+=.+$/.test(text)) throw new InvalidArgumentError('It has to be FILE=SUBJECT.')
    return [...before, text]
  }
  return new Option('--subject <file=subject>', 'a subject of a file, order.avsc=orders-value; repeatable').argParser(
    collect,
  )
}

async function withRegistry(settings: RegistrySettings, work: (registry: Registry) => Promise<void>): Promise<void> {
  if (settings.url.length === 0) {
    throw new TroupeError('SCHEMA_REGISTRY_MISSING', 'no registry is named: --schema-registry-url says where it is')
  }
  const registry = await RegistryClient.open({ settings, clock: systemClock })
  try {
    await work(registry)
  } finally {
    registry.close()
  }
}

// --- check

/** A text: nothing is compared, and why. */
async function gitOrNone(paths: readonly string[], against: string | undefined): Promise<Baseline | string> {
  if (against === 'none') return 'compared with nothing, as asked'
  const folders = [...new Set(paths.map((path) => (isFolder(path) ? path : dirname(path))))]
  if (against === undefined) return (await gitBaseline(folders, undefined)) ?? 'compared with nothing: no git here'
  const [kind, ...ref] = against.split(':')
  if (kind !== 'git' || ref.length === 0) {
    throw new TroupeError('OPTIONS_INVALID', `--against: ${against} is not git:REF, registry or none`)
  }
  const baseline = await gitBaseline(folders, ref.join(':'))
  if (baseline !== null) return baseline
  throw new TroupeError('OPTIONS_INVALID', `--against: ${folders.join(', ')} is in no git repository that has a commit`)
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch (error) {
    throw new TroupeError('OPTIONS_INVALID', `${path} cannot be read`, { cause: error })
  }
}

// --- register

interface Wanted {
  readonly settings: RegistrySettings
  readonly wanted: readonly SubjectSchema[]
}

/** One module, which is neither a schema nor a folder. */
function isApp(paths: readonly string[]): boolean {
  return paths.length === 1 && !paths[0]!.endsWith(SCHEMA_ENDING) && !isFolder(paths[0]!)
}

async function appRegistration(
  path: string,
  flags: RegisterFlags,
  { env, tryModule = tryInThread }: SchemasCommandsContext,
): Promise<Wanted> {
  if (flags.subject !== undefined) {
    throw new TroupeError('OPTIONS_INVALID', "--subject goes with files: an app's codecs say their subjects themselves")
  }
  const { options } = await loadAppWithOptions(path, flagsByPath(flags), env)
  const { read, written } = await subjectsOfApp(options, tryModule)
  const wanted = flags.inputs === true ? [...written, ...read] : written
  if (wanted.length > 0) return { settings: options.schemaRegistry, wanted }
  const hint = read.length === 0 ? '' : '; it reads with one, which --inputs registers'
  throw new TroupeError('OPTIONS_INVALID', `${path} writes to no topic whose codec has a schema${hint}`)
}

async function fileRegistration(paths: readonly string[], flags: RegisterFlags): Promise<readonly SubjectSchema[]> {
  if (flags.inputs !== undefined) throw new TroupeError('OPTIONS_INVALID', '--inputs goes with the module of an app')
  const found = await findSchemas(paths)
  const problems = describeProblems(found)
  if (problems.length > 0) throw new TroupeError('SCHEMAS_WRONG', problems.join('\n'))
  const subjects = new SubjectsOfFiles(flags.subject ?? [], found.asked)
  const wanted: SubjectSchema[] = []
  for (const schema of found.schemas) {
    for (const subject of subjects.of(schema.path)) wanted.push({ subject, schema: await ownSchema(schema) })
  }
  if (wanted.length > 0) return wanted
  throw new TroupeError(
    'OPTIONS_INVALID',
    'no subject is named: --subject order.avsc=orders-value says under which one',
  )
}
