/** One run: all that the pipeline needs, the generator, and the accounts at the end. */
import { EventTime, findUnusedTime, stepOf } from '../pipeline/event-time.ts'
import { produceMade, produceToEach } from '../pipeline/generator.ts'
import { openPipeline, withClosers, type Blueprint } from '../pipeline/open.ts'
import { shortfall } from '../pipeline/problems.ts'
import { nothingToAccountFor, type RunResult } from '../pipeline/report.ts'
import { MAX_RECORDS, type StartOptions } from '../pipeline/start-options.ts'
import { TopicReader } from '../pipeline/topic-reader.ts'
import { untilCaughtUp, untilFinished, untilStopped } from '../pipeline/waiting.ts'
import { accountLines, closeAccounts, findProblems, noteRecord } from './accounts.ts'
import { createFakePayments } from './fake-payments.ts'
import { MINUTE_MS, cardPayments, comparedPayments, deadLetterTopic, fraudAlerts } from './flows.ts'
import { FraudLedger } from './ledger.ts'
import { countRows, createAlertTable } from './table.ts'

const BROKEN_SHARE = 0.01
/** Few cards pay as often as once a minute. */
const PAYMENTS_A_MINUTE = 0.8

const topics = [cardPayments.name, comparedPayments.name, fraudAlerts.name, deadLetterTopic] as const

const blueprint: Blueprint = {
  topics,
  between: [comparedPayments.name],
  table: 'fraud_alerts',
  createTable: createAlertTable,
  loadApp: async () => (await import('./fraud.ts')).default,
  words: {
    actor: 'compare',
    in: 'payments read',
    out: 'compared with what their cards pay: in compared_payments',
    deadLettered: 'broken on purpose: in card_payments_dlq, as they came',
  },
}

export async function run(options: StartOptions, stop: AbortSignal): Promise<RunResult> {
  return await withClosers(async (onEnd) => {
    const opened = await openPipeline(blueprint, options, stop, onEnd)
    const { servers, kafka, failure } = opened
    if (!options.generator) {
      await untilStopped(stop, failure)
      return nothingToAccountFor
    }

    const reader = await TopicReader.open(kafka, topics)
    onEnd(() => reader.stop())
    const beginMs = await findUnusedTime(kafka, cardPayments.name, Date.now())
    const ledger = new FraudLedger(reader.startsOf(cardPayments.name), beginMs)
    await reader.follow((record) => noteRecord(ledger, record))
    const countFinished = (): number => ledger.finished
    const stepMs = stepOf(options)
    const time = new EventTime(beginMs, stepMs, Date.now)
    const makePayment = createFakePayments({
      seed: options.seed,
      brokenShare: BROKEN_SHARE,
      cards: Math.ceil(MINUTE_MS / stepMs / PAYMENTS_A_MINUTE),
      now: () => time.next(),
    })
    const records = options.records ?? MAX_RECORDS
    const begun = await produceToEach(kafka, cardPayments.name, makePayment, records)
    await untilCaughtUp(opened, reader, AbortSignal.any([stop, failure]))
    time.go()
    const rest = await produceMade(kafka, cardPayments.name, makePayment, {
      records: records - begun,
      rate: options.rate,
      countFinished: () => ledger.finished - begun,
      signal: AbortSignal.any([stop, failure]),
    })
    const produced = begun + rest

    await untilFinished(opened, reader, { countFinished, isComplete: () => ledger.isComplete }, stop)
    const accounts = closeAccounts(ledger, await countRows(servers.postgresUrl, ledger.rows()))
    const problems = [...findProblems(accounts, produced), ...shortfall(produced, options.records, 'payments')]
    return { accounts: { ...accounts }, lines: accountLines(accounts), problems }
  })
}
