/** `troupe schemas …`: what a team does with its schema files before anything runs. */
import { Option, type Command } from 'commander'
import { dirname } from 'node:path'
import { statSync } from 'node:fs'
import { compatibilityLevels, type CompatibilityLevel } from '../../../schemas/compatibility.ts'
import { TroupeError } from '../../../errors.ts'
import { testContracts, type Baseline } from './contract-test.ts'
import { generateTypes } from './generate.ts'
import { gitBaseline } from './git-baseline.ts'

export interface SchemasCommandsContext {
  readonly stdout: (text: string) => void
}

interface GenerateFlags {
  readonly out?: string
  readonly longs: 'bigint' | 'number'
  readonly check?: boolean
}

const DEFAULT_FOLDER = 'schemas'

export function addSchemasCommands(program: Command, { stdout }: SchemasCommandsContext): void {
  const print = (line: string): void => {
    stdout(`${line}\n`)
  }
  const schemas = program
    .command('schemas')
    .description('types, contract tests and registration of Avro schema files')
    .helpCommand(false)
  schemas
    .command('generate')
    .description('write the TypeScript of .avsc files: a type for each thing they name, and the schemas as constants')
    .argument('[paths...]', 'files *.avsc, or folders of them', [DEFAULT_FOLDER])
    .addOption(new Option('--out <path>', 'a folder, or one file *.ts for all (default: beside each schema)'))
    .addOption(
      new Option('--longs <type>', "as the codec's option longs").choices(['bigint', 'number']).default('bigint'),
    )
    .addOption(new Option('--check', 'write nothing; exit code 1 where what is there differs'))
    .action(async (paths: readonly string[], { check = false, longs, out }: GenerateFlags) => {
      await generateTypes(paths, { check, longs, ...(out === undefined ? {} : { out }) }, print)
    })
  schemas
    .command('check')
    .description(
      'test .avsc files: that they parse, that good samples come back and bad ones are refused, and compatibility',
    )
    .argument('[paths...]', 'files *.avsc, or folders of them', [DEFAULT_FOLDER])
    .addOption(
      new Option('--against <where>', 'what was there before: git:REF (default: where this branch began), or none'),
    )
    .addOption(
      new Option('--level <level>', 'which versions have to read which')
        .choices(compatibilityLevels)
        .default('BACKWARD'),
    )
    .addHelpText('after', checkHelp)
    .action(async (paths: readonly string[], { against, level }: CheckFlags) => {
      await testContracts({ paths, level, baseline: await baselineOf(paths, against), print })
    })
}

interface CheckFlags {
  readonly against?: string
  readonly level: CompatibilityLevel
}

const checkHelp = `
Samples of schemas/click.avsc are schemas/samples/click/good/*.json and …/bad/*.json. A bad one is
{"wrong": "what is wrong with it", "at": "the field", "value": …}.
Exit code 0: all is well; 1: problems, a line each; 2: wrong options.`

/** A text: nothing is compared, and why. */
async function baselineOf(paths: readonly string[], against: string | undefined): Promise<Baseline | string> {
  const folder = folderOf(paths[0]!)
  if (against === 'none') return 'compared with nothing, as asked'
  if (against === undefined) return (await gitBaseline(folder, undefined)) ?? 'compared with nothing: no git here'
  const [kind, ...ref] = against.split(':')
  if (kind !== 'git' || ref.length === 0) {
    throw new TroupeError('OPTIONS_INVALID', `--against: ${against} is not git:REF or none`)
  }
  const baseline = await gitBaseline(folder, ref.join(':'))
  if (baseline !== null) return baseline
  throw new TroupeError('OPTIONS_INVALID', `--against: ${folder} is in no git repository that has a commit`)
}

function folderOf(path: string): string {
  try {
    return statSync(path).isDirectory() ? path : dirname(path)
  } catch (error) {
    throw new TroupeError('OPTIONS_INVALID', `${path} cannot be read`, { cause: error })
  }
}
