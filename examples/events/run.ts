/** One run: the servers, all that the pipeline needs, the producer, and the accounts at the end. */
import { sendPaced } from '../pipeline/generator.ts'
import { openPipeline, withClosers, type Blueprint } from '../pipeline/open.ts'
import { shortfall } from '../pipeline/problems.ts'
import { nothingToAccountFor, type RunResult } from '../pipeline/report.ts'
import { MAX_RECORDS, type StartOptions } from '../pipeline/start-options.ts'
import { TopicReader } from '../pipeline/topic-reader.ts'
import { untilFinished, untilStopped } from '../pipeline/waiting.ts'
import { accountLines, closeAccounts, findProblems, noteRecord } from './accounts.ts'
import { untilServersAnswer } from './connect.ts'
import { createFakeEvents } from './fake-events.ts'
import { deadLetterTopic, events, processedEvents } from './flows.ts'
import { EventLedger } from './ledger.ts'
import { openEventProducer } from './producer.ts'
import { countRows, createEventTable } from './table.ts'

const BROKEN_SHARE = 0.05

const blueprint: Blueprint = {
  topics: [events.name, processedEvents.name, deadLetterTopic],
  table: 'processed_events',
  createTable: createEventTable,
  loadApp: async () => (await import('./events.ts')).default,
  words: {
    in: 'events read',
    out: 'processed: in processed-events and in the table',
    deadLettered: 'broken on purpose, or given up after four attempts: in events-dlq, as they came',
  },
}

export async function run(options: StartOptions, stop: AbortSignal): Promise<RunResult> {
  return await withClosers(async (onEnd) => {
    await untilServersAnswer(options, stop, (line) => process.stderr.write(`${line}\n`))
    const opened = await openPipeline(blueprint, options, stop, onEnd)
    const { servers, kafka, failure } = opened
    if (!options.generator) {
      await untilStopped(stop, failure)
      return nothingToAccountFor
    }

    const reader = await TopicReader.open(kafka, blueprint.topics)
    onEnd(() => reader.stop())
    const ledger = new EventLedger(reader.startsOf(events.name))
    await reader.follow((record) => noteRecord(ledger, record))
    const countFinished = (): number => ledger.finished
    const signal = AbortSignal.any([stop, failure])
    const producer = await openEventProducer(servers.brokers, failure)
    onEnd(() => producer.stop())
    const makeEvent = createFakeEvents({ seed: options.seed, brokenShare: BROKEN_SHARE, now: Date.now })
    const pace = {
      records: options.records ?? MAX_RECORDS,
      rate: options.rate,
      countFinished,
      signal,
    }
    const produced = await sendPaced(pace, (count) => producer.send(Array.from({ length: count }, makeEvent)))

    await untilFinished(opened, reader, { countFinished }, stop)
    const rows = await countRows(servers.postgresUrl, ledger.expectedRows.values())
    const accounts = closeAccounts(ledger, producer.delivered, rows)
    const problems = [
      ...(producer.refusal === undefined ? [] : [`an event was not delivered: ${producer.refusal}`]),
      ...findProblems(accounts, produced),
      ...shortfall(produced, options.records, 'events'),
    ]
    return { accounts: { ...accounts }, lines: accountLines(accounts), problems }
  })
}
