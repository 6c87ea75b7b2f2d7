/** How many handlers that only wait are under way at the same time, when each key has to keep its order? */
import type { Benchmark } from './harness/benchmark.ts'
import type { Contender } from './harness/contender.ts'
import type { BacklogSettings, DataSet } from './harness/data-set.ts'
import { cell, costCells, costColumns, failureRemarks } from './harness/report.ts'
import { troupeIn, waitContenders } from './harness/waiting.ts'

interface Its extends BacklogSettings {
  readonly keys: number
  readonly waitms: number
}

const troupe = troupeIn('key')

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
    const waits = { topic, records, partitions, waitMs }
    const contenders: readonly Contender[] = [
      waitContenders.troupe(waits, 'key'),
      waitContenders.batches(waits),
      {
        name: 'consume(500) of the native client, their keys at the same time',
        module: 'wait-native-loop.mjs',
        settings: { waitMs },
        topic,
        // The whole would take minutes, here and below.
        records: Math.ceil(records * 0.1),
        warmUp: 0,
      },
      waitContenders.messages(waits, 0.01),
      waitContenders.nativeMessages(waits, 0.001),
      waitContenders.bare(
        'no Kafka: the same waits, a lane for each key',
        waitMs,
        new Array<number>(keys).fill(records / keys),
      ),
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
