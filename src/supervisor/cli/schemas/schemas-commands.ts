/** `troupe schemas …`: what a team does with its schema files before anything runs. */
import { Option, type Command } from 'commander'
import { generateTypes } from './generate.ts'

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
}
