/** What does a call for many records cost, beside the loop that is written by hand for it? */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Benchmark } from './harness/benchmark.ts'
import type { Contender } from './harness/contender.ts'
import type { BacklogSettings } from './harness/data-set.ts'
import { cell, costCells, costColumns, failureRemarks } from './harness/report.ts'

interface Its extends BacklogSettings {
  readonly keys: number
  /** How long the service takes for a request. */
  readonly servicems: number
  /** Of a call of Troupe's and of the bare client's: about as many as a batch of kafkajs has. */
  readonly callrecords: number
}

const troupe = 'Troupe, a batch handler in key order'
const byHand = 'kafkajs, a request for each batch of each partition'
const bare = 'the bare client of Troupe, requests as large, no order'
const service = fileURLToPath(new URL('contenders/bulk-service.mjs', import.meta.url))

export const batchHandler: Benchmark<Its> = {
  name: 'batch-handler',
  question: 'A backlog, one bulk request over HTTP for many records: how many records a second?',
  goal: '≥ 0.9 of an eachBatch of kafkajs that does the same',
  defaults: { records: 800_000, partitions: 8, keys: 10_000, bytes: 100, servicems: 5, callrecords: 8_000 },
  async run({ settings, kafka, alternate, log }) {
    const { records, partitions, keys, bytes, servicems: serviceMs, callrecords: maxRecords } = settings
    const broker = await kafka()
    log(`filling a topic with ${records.toLocaleString('en')} records`)
    const topic = await broker.fill({ records, partitions, keys, valueBytes: bytes })
    const server = fork(service, [String(serviceMs)])
    try {
      const [port] = (await once(server, 'message')) as [number]
      const its = { url: `http://127.0.0.1:${port}/`, partitions, maxRecords }
      const counted = { topic, records: Math.floor(records * 0.8), warmUp: Math.floor(records * 0.1) }
      const contenders: readonly Contender[] = [
        { name: troupe, module: 'bulk-troupe.mjs', settings: its, isProfiled: true, ...counted },
        { name: bare, module: 'bulk-raw-loop.mjs', settings: its, ...counted },
        { name: byHand, module: 'bulk-kafkajs.mjs', settings: its, ...counted },
      ]
      const rounds = await alternate(contenders)
      const rows = contenders.map(({ name }) => ({
        name,
        ...(name === byHand ? { goal: '≥ 0.9' } : {}),
        cells: [cell(rounds.ratio(troupe, name), 2), ...costCells(rounds, name)],
      }))
      return [
        { title: 'Bulk requests', columns: ['Troupe by this', ...costColumns], rows, remarks: failureRemarks(rounds) },
      ]
    } finally {
      server.disconnect()
    }
  },
}
