/** Are all partitions at work at the same time, when the records of each have to keep their order? */
import type { Benchmark } from './harness/benchmark.ts'
import type { Contender } from './harness/contender.ts'
import type { BacklogSettings } from './harness/data-set.ts'
import { cell, costCells, costColumns, failureRemarks } from './harness/report.ts'
import { troupeIn, waitContenders } from './harness/waiting.ts'

interface Its extends BacklogSettings {
  readonly waitms: number
}

const troupe = troupeIn('partition')
const bound = 'no Kafka: the same waits, a lane for each partition'

export const partition: Benchmark<Its> = {
  name: 'partition',
  question:
    'A backlog, a handler that waits 20 ms, records of a partition one after the other: are all partitions at work?',
  goal: '≥ 0.95 of one record of each partition at a time',
  defaults: { records: 10_000, partitions: 24, bytes: 50, waitms: 20 },
  async run({ settings, kafka, alternate, log }) {
    const { records, partitions, bytes, waitms: waitMs } = settings
    const broker = await kafka()
    log(`filling a topic with ${records.toLocaleString('en')} records`)
    // As many in each partition: what is asked is not how uneven they are.
    const topic = await broker.fill({ records, partitions, keys: partitions, valueBytes: bytes, choice: 'in turn' })
    const waits = { topic, records, partitions, waitMs }
    const lanes = Array.from({ length: partitions }, (_, at) => Math.ceil((records - at) / partitions))
    const contenders: readonly Contender[] = [
      waitContenders.troupe(waits, 'partition'),
      waitContenders.messages(waits, 1),
      waitContenders.nativeMessages(waits, 0.05),
      waitContenders.bare(bound, waitMs, lanes),
    ]
    const rounds = await alternate(contenders)
    const nominal = (partitions * 1000) / waitMs
    const rows = contenders.map(({ name }) => ({
      name,
      ...(name === troupe ? { goal: '≥ 0.95' } : {}),
      cells: [
        cell(
          rounds.spread(name, (each) => each.recordsPerSecond / nominal),
          3,
        ),
        cell(rounds.ratio(name, bound), 3),
        ...costCells(rounds, name),
      ],
    }))
    const columns = [`of ${nominal.toLocaleString('en')}/s`, 'of the same waits without Kafka', ...costColumns]
    return [{ title: 'All partitions at a time', columns, rows, remarks: failureRemarks(rounds) }]
  },
}
