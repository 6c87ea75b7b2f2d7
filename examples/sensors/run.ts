/** One run: all that the pipeline needs, the simulator, and the accounts at the end. */
import { produceMade } from '../pipeline/generator.ts'
import { openPipeline, withClosers, type Blueprint } from '../pipeline/open.ts'
import { shortfall } from '../pipeline/problems.ts'
import { nothingToAccountFor, type RunResult } from '../pipeline/report.ts'
import { MAX_RECORDS, type StartOptions } from '../pipeline/start-options.ts'
import { TopicReader } from '../pipeline/topic-reader.ts'
import { untilFinished, untilStopped } from '../pipeline/waiting.ts'
import { accountLines, closeAccounts, findProblems, noteRecord } from './accounts.ts'
import { deadLetterTopic, sensorAlerts, sensorData, sensorReadings } from './flows.ts'
import { avroSensors, jsonSensors } from './formats.ts'
import { SensorLedger } from './ledger.ts'
import { createSimulator } from './simulator.ts'
import { countRows, createSensorTable } from './table.ts'

const BROKEN_SHARE = 0.05

const topics = [sensorData.name, sensorReadings.name, sensorAlerts.name, deadLetterTopic] as const

const blueprint: Omit<Blueprint, 'loadApp'> = {
  topics,
  table: 'sensors',
  createTable: createSensorTable,
  registerSchemas: avroSensors.register,
  words: {
    in: 'readings from sensor-data',
    out: 'in sensor-readings and in the table; with an alert where a limit is passed',
    deadLettered: 'broken or out of range on purpose: in sensor-dlq, as they came',
  },
}

export async function run(options: StartOptions, stop: AbortSignal): Promise<RunResult> {
  return await withClosers(async (onEnd) => {
    const format = options.avro ? avroSensors : jsonSensors
    const opened = await openPipeline({ ...blueprint, loadApp: format.loadApp }, options, stop, onEnd)
    const { servers, kafka, failure } = opened
    if (!options.generator) {
      await untilStopped(stop, failure)
      return nothingToAccountFor
    }

    const reader = await TopicReader.open(kafka, topics)
    onEnd(() => reader.stop())
    const ledger = new SensorLedger(reader.startsOf(sensorData.name))
    await reader.follow((record) => noteRecord(ledger, record, format.read))
    const countFinished = (): number => ledger.finished
    const simulate = createSimulator({ seed: options.seed, brokenShare: BROKEN_SHARE, now: Date.now })
    const produced = await produceMade(kafka, sensorData.name, () => format.write(simulate()), {
      records: options.records ?? MAX_RECORDS,
      rate: options.rate,
      countFinished,
      signal: AbortSignal.any([stop, failure]),
    })

    await untilFinished(opened, reader, { countFinished }, stop)
    const accounts = closeAccounts(ledger, await countRows(servers.postgresUrl, ledger.lastReadings.values()))
    const problems = [...findProblems(accounts, produced), ...shortfall(produced, options.records, 'readings')]
    return { accounts: { ...accounts }, lines: accountLines(accounts), problems }
  })
}
