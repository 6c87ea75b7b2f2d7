/** Does one hot key hold up the others? */
import type { Benchmark } from './harness/benchmark.ts'
import type { Contender } from './harness/contender.ts'
import { countHottest, type BacklogSettings, type DataSet } from './harness/data-set.ts'
import { cell, costCells, costColumns, failureRemarks } from './harness/report.ts'
import { troupeIn, waitContenders } from './harness/waiting.ts'

interface Its extends BacklogSettings {
  readonly keys: number
  readonly waitms: number
}

const troupe = troupeIn('key')
const bound = 'no Kafka: the waits of the hottest key'

export const zipf: Benchmark<Its> = {
  name: 'zipf',
  question: 'A backlog with keys by Zipf’s law, a handler that waits 10 ms: does only the hottest key set the pace?',
  goal: '≥ 0.95 of the bound that the hottest key sets',
  defaults: { records: 8_000, partitions: 24, keys: 1_000, bytes: 50, waitms: 10 },
  async run({ settings, kafka, alternate, log }) {
    const { records, partitions, keys, bytes, waitms: waitMs } = settings
    const broker = await kafka()
    const data: DataSet = { records, partitions, keys, valueBytes: bytes, choice: 'zipf' }
    const hottest = countHottest(data)
    log(`filling a topic with ${records.toLocaleString('en')} records, of which ${hottest} have the hottest key`)
    const topic = await broker.fill(data)
    const waits = { topic, records, partitions, waitMs }
    const contenders: readonly Contender[] = [
      waitContenders.troupe(waits, 'key'),
      waitContenders.batches(waits),
      waitContenders.bare(bound, waitMs, [hottest]),
    ]
    const rounds = await alternate(contenders)
    const nominal = records / ((hottest * waitMs) / 1000)
    const rows = contenders.slice(0, 2).map(({ name }) => ({
      name,
      ...(name === troupe ? { goal: '≥ 0.95' } : {}),
      cells: [
        cell(
          rounds.spread(name, (each) => each.recordsPerSecond / nominal),
          3,
        ),
        cell(
          rounds.paired([name, bound], (own, waits) => waits.seconds / own.seconds),
          3,
        ),
        ...costCells(rounds, name),
      ],
    }))
    const columns = [`of ${Math.round(nominal).toLocaleString('en')}/s`, 'of its waits without Kafka', ...costColumns]
    const share = `Of ${records.toLocaleString('en')} records ${hottest.toLocaleString('en')} have the hottest key.`
    return [{ title: 'One hot key', columns, rows, remarks: [share, ...failureRemarks(rounds)] }]
  },
}
