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
import { createFakeOrders, type FakeOrder } from './fake-orders.ts'
import { deadLetterTopic, lateOrders, orders, salesAggregates, uniqueOrders } from './flows.ts'
import { avroSales } from './formats.ts'
import { SalesLedger } from './ledger.ts'
import { countRows, createSalesTable } from './table.ts'

const BROKEN_SHARE = 0.001

const topics = [orders.name, uniqueOrders.name, salesAggregates.name, lateOrders.name, deadLetterTopic] as const

const blueprint: Blueprint = {
  topics,
  between: [uniqueOrders.name],
  table: 'sales_aggregates',
  createTable: createSalesTable,
  registerSchemas: avroSales.register,
  loadApp: avroSales.loadApp,
  words: {
    actor: 'remove-repeats',
    in: 'orders read',
    out: 'let through to unique_orders, those that were there already left out',
    deadLettered: 'broken on purpose: in orders_dlq, as they came',
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
    const beginMs = await findUnusedTime(kafka, orders.name, Date.now())
    const ledger = new SalesLedger(reader.startsOf(orders.name), beginMs)
    await reader.follow((record) => noteRecord(ledger, record, avroSales.read))
    const countFinished = (): number => ledger.finished
    const time = new EventTime(beginMs, stepOf(options), Date.now)
    const makeOrder = createFakeOrders({ seed: options.seed, brokenShare: BROKEN_SHARE, now: () => time.next() })
    const make = (): FakeOrder => avroSales.write(makeOrder())
    const records = options.records ?? MAX_RECORDS
    const begun = await produceToEach(kafka, orders.name, make, records)
    await untilCaughtUp(opened, reader, AbortSignal.any([stop, failure]))
    time.go()
    const rest = await produceMade(kafka, orders.name, make, {
      records: records - begun,
      rate: options.rate,
      countFinished: () => ledger.finished - begun,
      signal: AbortSignal.any([stop, failure]),
    })
    const produced = begun + rest

    await untilFinished(opened, reader, { countFinished, isComplete: () => ledger.isComplete }, stop)
    const accounts = closeAccounts(ledger, await countRows(servers.postgresUrl, ledger.rows()))
    const problems = [...findProblems(accounts, produced), ...shortfall(produced, options.records, 'orders')]
    return { accounts: { ...accounts }, lines: accountLines(accounts), problems }
  })
}
