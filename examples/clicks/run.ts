/** One run: all that the pipeline needs, the generator, and the accounts at the end. */
import type { Format } from '../pipeline/formats.ts'
import { produceMade } from '../pipeline/generator.ts'
import { openPipeline, withClosers, type Blueprint } from '../pipeline/open.ts'
import { shortfall } from '../pipeline/problems.ts'
import { nothingToAccountFor, type RunResult } from '../pipeline/report.ts'
import { MAX_RECORDS, type StartOptions } from '../pipeline/start-options.ts'
import { TopicReader } from '../pipeline/topic-reader.ts'
import { untilFinished, untilStopped } from '../pipeline/waiting.ts'
import { accountLines, closeAccounts, findProblems, noteRecord } from './accounts.ts'
import { createFakeClicks } from './fake-clicks.ts'
import { clicks, deadLetterTopic, enrichedClicks } from './flows.ts'
import { avroClicks, jsonClicks } from './formats.ts'
import { ClickLedger } from './ledger.ts'
import { countRows, createClickTable } from './table.ts'

const BROKEN_SHARE = 0.05

const topics = [clicks.name, enrichedClicks.name, deadLetterTopic] as const

function blueprintOf({ loadApp }: Format): Blueprint {
  return {
    topics,
    table: 'enriched_clicks',
    createTable: createClickTable,
    registerSchemas: avroClicks.register,
    loadApp,
    words: {
      in: 'clicks read from user_clicks',
      out: 'enriched: in enriched_clicks and in the table',
      deadLettered: 'broken on purpose: in user_clicks_dlq, as they came',
    },
  }
}

export async function run(options: StartOptions, stop: AbortSignal): Promise<RunResult> {
  return await withClosers(async (onEnd) => {
    const format = options.avro ? avroClicks : jsonClicks
    const opened = await openPipeline(blueprintOf(format), options, stop, onEnd)
    const { servers, kafka, failure } = opened
    if (!options.generator) {
      await untilStopped(stop, failure)
      return nothingToAccountFor
    }

    const reader = await TopicReader.open(kafka, topics)
    onEnd(() => reader.stop())
    const ledger = new ClickLedger(reader.startsOf(clicks.name))
    await reader.follow((record) => noteRecord(ledger, record, format.read))
    const countFinished = (): number => ledger.finished
    const makeClick = createFakeClicks({ seed: options.seed, brokenShare: BROKEN_SHARE, now: Date.now })
    const produced = await produceMade(kafka, clicks.name, () => format.write(makeClick()), {
      records: options.records ?? MAX_RECORDS,
      rate: options.rate,
      countFinished,
      signal: AbortSignal.any([stop, failure]),
    })

    await untilFinished(opened, reader, { countFinished }, stop)
    const accounts = closeAccounts(ledger, await countRows(servers.postgresUrl, ledger.expectedRows.values()))
    const problems = [...findProblems(accounts, produced), ...shortfall(produced, options.records, 'clicks')]
    return { accounts: { ...accounts }, lines: accountLines(accounts), problems }
  })
}
