/** How many handlers that only wait are under way at the same time, when each key has to keep its order? */
import type { Benchmark } from './harness/benchmark.ts'
import type { Contender } from './harness/contender.ts'
import type { DataSet } from './harness/data-set.ts'
import { cell, costCells, costColumns, failureRemarks } from './harness/report.ts'

interface Its {
  readonly [name: string]: number
  readonly records: number
  readonly partitions: number
  readonly keys: number
  readonly bytes: number
  readonly waitms: number
}

const troupe = 'Troupe, key order'

export const io: Benchmark<Its> = {
  name: 'io',
  question: 'A backlog, a handler that waits 10 ms, records of a key one after the other: how many records a second?',
  goal: '≥ 45,000 records/s',
  defaults: { records: 250_000, partitions: 8, keys: 1_000, bytes: 50, waitms: 10 },
  async run({ settings, kafka, alternate, log }) {
    const { records, partitions, keys, bytes, waitms: waitMs } = settings
    const broker = await kafka()
    const data: DataSet = { records, partitions, keys, valueBytes: bytes }
    log(`filling a topic with ${records.toLocaleString('en')} records`)
    const topic = await broker.fill(data)
    // All that is there, to the last record of the last key: no part of a run is left out.
    const whole = { topic, records, warmUp: 0 }
    // These would take minutes.
    const part = (share: number) => ({ topic, records: Math.ceil(records * share), warmUp: 0 })
    const contenders: readonly Contender[] = [
      { name: troupe, module: 'wait-troupe.mjs', settings: { waitMs, order: 'key' }, isProfiled: true, ...whole },
      {
        name: 'kafkajs eachBatch, the keys of a batch at the same time',
        module: 'wait-kafkajs-batches.mjs',
        settings: { waitMs, partitions },
        ...whole,
      },
      {
        name: 'consume(500) of the native client, their keys at the same time',
        module: 'wait-native-loop.mjs',
        settings: { waitMs },
        ...part(0.1),
      },
      {
        name: `kafkajs eachMessage, ${partitions} partitions at a time`,
        module: 'wait-kafkajs-messages.mjs',
        settings: { waitMs, partitions },
        ...part(0.01),
      },
      {
        name: `eachMessage of the native client, ${partitions} partitions at a time`,
        module: 'wait-native-messages.mjs',
        settings: { waitMs, partitions },
        ...part(0.001),
      },
      {
        name: 'no Kafka: the same waits, a lane for each key',
        module: 'wait-bare.mjs',
        settings: { waitMs, lanes: new Array<number>(keys).fill(records / keys) },
        records,
        warmUp: 0,
      },
    ]
    const rounds = await alternate(contenders)
    const rows = contenders.map(({ name }) => ({
      name,
      ...(name === troupe ? { goal: '≥ 45,000/s' } : {}),
      cells: [cell(rounds.ratio(troupe, name), 2), ...costCells(rounds, name)],
    }))
    return [{ title: 'Waits', columns: ['Troupe by this', ...costColumns], rows, remarks: failureRemarks(rounds) }]
  },
}
