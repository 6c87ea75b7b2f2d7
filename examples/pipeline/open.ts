/** What every pipeline opens before its first record: servers, topics and table, supervisor, live view, in this order. */
import type { App, Supervisor } from 'troupe'
import type { Kafka } from 'kafkajs'
import { createKafkaClient, verifyBrokers } from './kafka-client.ts'
import { LiveView } from './live-view.ts'
import { describeServers, provideServers, type Servers } from './servers.ts'
import type { StartOptions } from './start-options.ts'
import { describeHttp, readSamples, superviseApp } from './supervise.ts'
import { createMissingTopics, touchTopics } from './topics.ts'
import type { ViewWords } from './view-numbers.ts'

/** What is a pipeline's own. */
export interface Blueprint {
  /** All of them; the first is the one that records are produced to. */
  readonly topics: readonly [input: string, ...others: string[]]
  /** Those of them that one of its actors writes and another one reads. */
  readonly between?: readonly string[]
  readonly table: string
  /** Returns whether it had to be created. */
  readonly createTable: (postgresUrl: string) => Promise<boolean>
  /** With `--avro`: its schemas into the registry. Only a pipeline that has them knows that option. */
  readonly registerSchemas?: (registryUrl: string) => Promise<void>
  /** Loads its app, which finds the servers' addresses in the environment, as under `troupe run`. */
  readonly loadApp: () => Promise<App>
  readonly words: ViewWords
}

export interface OpenPipeline {
  /** The topics that are handled, the first one first. */
  readonly handled: readonly string[]
  readonly servers: Servers
  /** For everything around the pipeline. */
  readonly kafka: Kafka
  readonly supervisor: Supervisor
  readonly view: LiveView
  /** Aborted when the supervisor gives up, with its error as the reason. */
  readonly failure: AbortSignal
}

/** Notes how to close what was opened: all of it is closed, in reverse, however the run ends. */
export type OnEnd = (close: () => Promise<unknown>) => void

export async function withClosers<Result>(use: (onEnd: OnEnd) => Promise<Result>): Promise<Result> {
  const closers: (() => Promise<unknown>)[] = []
  try {
    return await use((close) => closers.unshift(close))
  } finally {
    for (const close of closers) await close().catch(() => undefined)
  }
}

export async function openPipeline(
  blueprint: Blueprint,
  options: StartOptions,
  stop: AbortSignal,
  onEnd: OnEnd,
): Promise<OpenPipeline> {
  const view = new LiveView(process.stderr, blueprint.words)
  const say = (line: string): void => view.say(line)
  const servers = await provideServers(options)
  onEnd(() => servers.stop())
  say(describeServers(servers))
  const kafka = createKafkaClient(servers.brokers)
  await prepareTopics(kafka, servers, blueprint, options, say)
  await prepareTable(servers, blueprint, options, say)
  if (servers.registryUrl !== undefined) {
    process.env['SCHEMA_REGISTRY_URL'] = servers.registryUrl
    if (options.generator || servers.isRegistryEmbedded) await blueprint.registerSchemas?.(servers.registryUrl)
  }

  process.env['KAFKA_BROKERS'] = servers.brokers.join(',')
  process.env['PG_URL'] = servers.postgresUrl
  const supervisor = await superviseApp({ app: await blueprint.loadApp(), httpPort: options.httpPort, say })
  onEnd(() => supervisor.stop())
  say(`${describeHttp(supervisor)}; Ctrl-C ${options.generator ? 'drains and prints the accounts' : 'stops'}`)
  view.start(() => readSamples(supervisor))
  onEnd(() => view.stop())
  stop.addEventListener('abort', () => {
    const [input] = blueprint.topics
    say(`stopping${options.generator ? `: what is in ${input} is finished first` : ''} (again: at once)`)
  })
  const handled = [blueprint.topics[0], ...(blueprint.between ?? [])]
  return { handled, servers, kafka, supervisor, view, failure: watchForFailure(supervisor) }
}

/** Real topics are created only for the records we make ourselves. */
async function prepareTopics(
  kafka: Kafka,
  servers: Servers,
  { topics }: Blueprint,
  { generator, partitions }: StartOptions,
  say: (line: string) => void,
): Promise<void> {
  if (servers.isBrokerEmbedded) {
    await touchTopics(kafka, topics)
  } else if (generator) {
    await verifyBrokers(kafka, servers.brokers)
    const created = await createMissingTopics(kafka, topics, partitions)
    if (created.length > 0) say(`created ${created.join(', ')} with ${String(partitions)} partitions`)
  }
}

async function prepareTable(
  servers: Servers,
  { table, createTable }: Blueprint,
  { generator }: StartOptions,
  say: (line: string) => void,
): Promise<void> {
  if (!generator && !servers.isPostgresEmbedded) return
  const isCreated = await createTable(servers.postgresUrl)
  if (isCreated && !servers.isPostgresEmbedded) say(`created the table ${table}`)
}

function watchForFailure({ finished }: Supervisor): AbortSignal {
  const controller = new AbortController()
  void finished.then((end) => {
    if (end.reason === 'failed') controller.abort(end.error)
  })
  return controller.signal
}
