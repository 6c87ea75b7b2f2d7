/** One run: servers, topics and table, supervisor, generator and accounts, in this order; and back. */
import type { Supervisor } from 'troupe'
import type { Kafka } from 'kafkajs'
import { setTimeout as sleep } from 'node:timers/promises'
import { findProblems, startReader, type Accounts, type Reader } from './accounts.ts'
import { produceClicks } from './generator.ts'
import { createKafkaClient, verifyBrokers } from './kafka-client.ts'
import { LiveView } from './live-view.ts'
import { describeServers, provideServers, type Servers } from './servers.ts'
import { MAX_RECORDS, type StartOptions } from './start-options.ts'
import { describeHttp, readSamples, superviseClicks } from './supervise.ts'
import { countRows, createMissingTable } from './table.ts'
import { createMissingTopics, touchTopics } from './topics.ts'

export interface RunResult {
  /** Undefined: nothing was produced, so there is nothing to account for. */
  readonly accounts: Accounts | undefined
  readonly problems: readonly string[]
}

/** After Ctrl-C, with the database away for instance. */
const STANDSTILL_MS = 20_000

/** Notes how to close what was opened: all of it is closed, in reverse, however the run ends. */
type OnEnd = (close: () => Promise<unknown>) => void

export async function run(options: StartOptions, stop: AbortSignal): Promise<RunResult> {
  const closers: (() => Promise<unknown>)[] = []
  try {
    return await runPipeline(options, stop, (close) => closers.unshift(close))
  } finally {
    for (const close of closers) await close().catch(() => undefined)
  }
}

async function runPipeline(options: StartOptions, stop: AbortSignal, onEnd: OnEnd): Promise<RunResult> {
  const view = new LiveView(process.stderr)
  const say = (line: string): void => view.say(line)
  const servers = await provideServers(options)
  onEnd(() => servers.stop())
  say(describeServers(servers))
  const kafka = createKafkaClient(servers.brokers)
  await prepareTopics(kafka, servers, options, say)
  await prepareTable(servers, options, say)

  const supervisor = await superviseClicks({ servers, httpPort: options.httpPort, say })
  onEnd(() => supervisor.stop())
  say(`${describeHttp(supervisor)}; Ctrl-C ${options.generator ? 'drains and prints the accounts' : 'stops'}`)
  view.start(() => readSamples(supervisor))
  onEnd(() => view.stop())
  stop.addEventListener('abort', () => {
    say(`stopping${options.generator ? ': what is in user_clicks is finished first' : ''} (again: at once)`)
  })
  const failure = watchForFailure(supervisor)
  if (!options.generator) {
    await untilAborted(AbortSignal.any([stop, failure]))
    failure.throwIfAborted()
    return { accounts: undefined, problems: [] }
  }

  const reader = await startReader(kafka)
  onEnd(() => reader.stop())
  const produced = await produceClicks({
    kafka,
    records: options.records ?? MAX_RECORDS,
    rate: options.rate,
    seed: options.seed,
    countFinished: () => reader.ledger.finished,
    signal: AbortSignal.any([stop, failure]),
  })
  await untilHandled(reader, supervisor, stop, failure)
  failure.throwIfAborted()
  await view.stop()
  await supervisor.stop()
  await reader.readToEnds()
  return await closeAccounts(reader, servers, produced, options)
}

/** Real topics are created only for the clicks we make ourselves. */
async function prepareTopics(
  kafka: Kafka,
  servers: Servers,
  { generator, partitions }: StartOptions,
  say: (line: string) => void,
): Promise<void> {
  if (servers.isBrokerEmbedded) {
    await touchTopics(kafka)
  } else if (generator) {
    await verifyBrokers(kafka, servers.brokers)
    const created = await createMissingTopics(kafka, partitions)
    if (created.length > 0) say(`created ${created.join(', ')} with ${String(partitions)} partitions`)
  }
}

async function prepareTable(servers: Servers, { generator }: StartOptions, say: (line: string) => void): Promise<void> {
  if (!generator && !servers.isPostgresEmbedded) return
  const isCreated = await createMissingTable(servers.postgresUrl)
  if (isCreated && !servers.isPostgresEmbedded) say('created the table enriched_clicks')
}

/** Aborted when the supervisor gives up, with its error as the reason. */
function watchForFailure({ finished }: Supervisor): AbortSignal {
  const controller = new AbortController()
  void finished.then((end) => {
    if (end.reason === 'failed') controller.abort(end.error)
  })
  return controller.signal
}

/** Until the group has committed all that is in `user_clicks`; when somebody wants us to stop, as long as it gets on. */
async function untilHandled(
  reader: Reader,
  { options }: Supervisor,
  stop: AbortSignal,
  failure: AbortSignal,
): Promise<void> {
  let progress = { finished: 0, atMs: Date.now() }
  while (!failure.aborted && !(await reader.hasCaughtUp(options.kafka.groupId))) {
    const { finished } = reader.ledger
    if (finished > progress.finished || !stop.aborted) progress = { finished, atMs: Date.now() }
    if (Date.now() - progress.atMs > STANDSTILL_MS) return
    await sleep(100)
  }
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
}

async function closeAccounts(
  { ledger }: Reader,
  { postgresUrl }: Servers,
  produced: number,
  { records }: StartOptions,
): Promise<RunResult> {
  const { rows, wrongRows } = await countRows(postgresUrl, ledger.expectedRows.values())
  const accounts = { ...ledger.read(), rows, distinct: ledger.expectedRows.size, wrongRows }
  const problems = findProblems(accounts, produced)
  const isCutShort = records !== undefined && produced < records
  return {
    accounts,
    problems: isCutShort ? [...problems, `stopped after ${produced} of ${records} clicks`] : problems,
  }
}
