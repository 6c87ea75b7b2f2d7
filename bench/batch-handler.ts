/** What does a call for many records cost, beside the loop that is written by hand for it? */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Benchmark } from './harness/benchmark.ts'
import type { Contender } from './harness/contender.ts'
import type { BacklogSettings } from './harness/data-set.ts'
import { cell, costCells, costColumns, failureRemarks, type Table } from './harness/report.ts'

interface Its extends BacklogSettings {
  readonly keys: number
  /** How long the service takes for a request, */
  readonly servicems: number
  /** and, where it is asked to do something with them, for each record of it. */
  readonly serviceus: number
  /** Of a call of Troupe's and of the bare client's: about as many as a batch of kafkajs has. */
  readonly callrecords: number
}

const service = fileURLToPath(new URL('contenders/bulk-service.mjs', import.meta.url))

export const batchHandler: Benchmark<Its> = {
  name: 'batch-handler',
  question: 'A backlog, one bulk request over HTTP for many records: how many records a second?',
  goal: '≥ 0.9 of an eachBatch of kafkajs that does the same',
  defaults: {
    records: 800_000,
    partitions: 8,
    keys: 10_000,
    bytes: 100,
    servicems: 5,
    serviceus: 50,
    callrecords: 8_000,
  },
  async run({ settings, kafka, alternate, log }) {
    const {
      records,
      partitions,
      keys,
      bytes,
      servicems: serviceMs,
      serviceus: perRecord,
      callrecords: maxRecords,
    } = settings
    const broker = await kafka()
    log(`filling a topic with ${records.toLocaleString('en')} records`)
    const topic = await broker.fill({ records, partitions, keys, valueBytes: bytes })
    const counted = { topic, records: Math.floor(records * 0.8), warmUp: Math.floor(records * 0.1) }
    const tableOf = async (perRecordUs: number): Promise<Table> => {
      const server = fork(service, [String(serviceMs), String(perRecordUs)])
      try {
        const [port] = (await once(server, 'message')) as [number]
        const its = { url: `http://127.0.0.1:${port}/`, partitions, maxRecords }
        const named = (name: string): string => `${name}, ${perRecordUs} µs a record`
        const troupe = named('Troupe, a batch handler in key order')
        const byHand = named('kafkajs, a request for each batch of each partition')
        const bare = named('the client that Troupe has, by hand, in no order')
        const contenders: readonly Contender[] = [
          { name: troupe, module: 'bulk-troupe.mjs', settings: its, isProfiled: true, ...counted },
          { name: byHand, module: 'bulk-kafkajs.mjs', settings: its, ...counted },
          { name: bare, module: 'bulk-raw-loop.mjs', settings: its, ...counted },
        ]
        const rounds = await alternate(contenders)
        const rows = contenders.map(({ name }) => ({
          name,
          ...(name === byHand ? { goal: '≥ 0.9' } : {}),
          cells: [
            cell(rounds.ratio(troupe, name), 2),
            ...costCells(rounds, name),
            cell(rounds.spread(name, ({ notes }) => notes['recordsPerCall'])),
          ],
        }))
        const columns = ['Troupe by this', ...costColumns, 'records/request']
        return { title: `The service takes ${perRecordUs} µs a record`, columns, rows, remarks: failureRemarks(rounds) }
      } finally {
        server.disconnect()
      }
    }
    const tables: Table[] = []
    for (const perRecordUs of new Set([perRecord, 0])) tables.push(await tableOf(perRecordUs))
    return tables
  },
}
