/** The command line of `npm start`. */
import { Argument, Command, InvalidArgumentError, Option } from 'commander'

export const pipelineNames = ['clicks', 'sensors', 'events', 'sales', 'fraud'] as const
export type PipelineName = (typeof pipelineNames)[number]

export interface StartOptions {
  readonly pipeline: PipelineName
  /** Records to produce; as many as the accounts can take unless given. */
  readonly records: number | undefined
  readonly rate: number | undefined
  readonly seed: number
  readonly partitions: number
  /** Undefined: embedded. */
  readonly brokers: readonly string[] | undefined
  /** Undefined: embedded. */
  readonly postgres: string | undefined
  /** On Avro, with a schema registry. */
  readonly avro: boolean
  /** Undefined: embedded, where one is needed. */
  readonly registry: string | undefined
  /** Undefined: 9464, or another when that is taken. 0: none. */
  readonly httpPort: number | undefined
  readonly generator: boolean
  readonly json: boolean
}

/** The accounts keep the row that each record has to make: with all clicks the process has some 900 MB. */
export const MAX_RECORDS = 1_000_000
/** Enough to see something happen, when nobody says how many records there should be. */
const DEFAULT_RATE = 1000

const PIPELINES = `
Pipelines:
  clicks    user_clicks → the country of each click → enriched_clicks, and a table; JSON, or Avro by --avro
  sensors   sensor-data → readings in range, and alerts beyond limits → sensor-readings, sensor-alerts, and a table; JSON or Avro
  events    events → checked, transformed, stored → processed-events, and a table
  sales     orders → each once → what a region sells in a minute → sales_aggregates, and a table; Avro
  fraud     card_payments → compared with the card's own, scored, watched → fraud_alerts, and a table

Each has a README in examples/NAME.`

/** Ends the process by itself on `--help` and on what it does not understand, with a message. */
export function parseStartOptions(argv: readonly string[]): StartOptions {
  const command = new Command('npm start --')
    .description('Runs a pipeline with all it needs: generator, supervisor, live view, accounts at the end.')
    .addArgument(new Argument('[pipeline]', 'which one').choices(pipelineNames).default('clicks'))
    .option('--records <number>', 'produce exactly so many records, print the accounts and exit', parseRecords)
    .option(
      '--rate <number>',
      `records per second (${DEFAULT_RATE}; with --records: as fast as they are handled)`,
      parseCount,
    )
    .option('--seed <number>', 'other made-up records', parseSeed, 1)
    .addOption(
      new Option('--brokers <list>', 'Kafka brokers, host:port separated by commas (none: an embedded broker)')
        .env('KAFKA_BROKERS')
        .argParser(parseList),
    )
    .addOption(new Option('--postgres <url>', 'PostgreSQL (none: an embedded one)').env('PG_URL'))
    .addOption(
      new Option('--registry <url>', 'schema registry, where it is on Avro (none: an embedded one)').env(
        'SCHEMA_REGISTRY_URL',
      ),
    )
    .option('--avro', 'clicks, sensors: on Avro instead of JSON, with a schema registry (sales always is)', false)
    .option('--partitions <number>', 'partitions of topics that have to be created on real Kafka', parseCount, 12)
    .option('--http-port <port>', 'port of /metrics, 0 for none (9464, or another when that is taken)', parsePort)
    .option('--no-generator', 'only the supervisor, on records that somebody else produces; creates nothing')
    .option('--json', 'print the accounts as one JSON object, the last line of stdout', false)
    .addHelpText('after', PIPELINES)
    .allowExcessArguments(false)
    .parse([...argv])
  const options = {
    ...command.opts<Omit<StartOptions, 'pipeline'>>(),
    pipeline: command.processedArgs[0] as PipelineName,
  }
  if (!options.generator && options.records !== undefined) {
    command.error('error: --records counts the records that the generator makes, so it does not go with --no-generator')
  }
  if (!options.generator && options.json) {
    command.error('error: --json prints the accounts, which are kept of the records that the generator makes')
  }
  if (options.avro && (options.pipeline === 'events' || options.pipeline === 'fraud')) {
    command.error(`error: --avro is for clicks and sensors; ${options.pipeline} is on JSON`)
  }
  const avro = options.avro || options.pipeline === 'sales'
  if (!avro && command.getOptionValueSource('registry') === 'cli') {
    command.error('error: --registry is of use on Avro only: sales, and others with --avro')
  }
  const rate = options.rate ?? (options.records === undefined ? DEFAULT_RATE : undefined)
  return { ...options, avro, rate }
}

function parseRecords(text: string): number {
  const records = parseCount(text)
  if (records <= MAX_RECORDS) return records
  throw new InvalidArgumentError(
    `The accounts keep every row in memory to compare it with the table, and take at most ${MAX_RECORDS.toLocaleString('en')} records.`,
  )
}

function parseCount(text: string): number {
  const count = Number(text)
  if (Number.isSafeInteger(count) && count > 0) return count
  throw new InvalidArgumentError('It has to be a whole number above 0.')
}

function parseSeed(text: string): number {
  const seed = Number(text)
  if (Number.isSafeInteger(seed)) return seed
  throw new InvalidArgumentError('It has to be a whole number.')
}

function parsePort(text: string): number {
  const port = Number(text)
  if (text !== '' && Number.isInteger(port) && port >= 0 && port <= 65_535) return port
  throw new InvalidArgumentError('It has to be a port, 0 to 65535.')
}

function parseList(text: string): readonly string[] | undefined {
  const list = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
  return list.length === 0 ? undefined : list
}
