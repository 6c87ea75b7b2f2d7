/** Does memory stay where it is, however many records go through? */
import type { Benchmark } from './harness/benchmark.ts'
import type { Contender } from './harness/contender.ts'
import type { BacklogSettings } from './harness/data-set.ts'
import { cell, costCells, costColumns, failureRemarks } from './harness/report.ts'

interface Its extends BacklogSettings {
  readonly keys: number
  readonly every: number
}

const troupe = 'Troupe, key order'

export const memory: Benchmark<Its> = {
  name: 'memory',
  question: 'Ten million records go through one process: how much memory does it take, and does it grow?',
  goal: 'resident memory ≤ 300 MB, flat after the warm-up',
  defaults: { records: 10_000_000, partitions: 12, keys: 100_000, bytes: 200, every: 500_000 },
  // One process, so that the last record finds what all the others have left behind.
  rounds: 1,
  async run({ settings, kafka, alternate, log }) {
    const { records, partitions, keys, bytes, every } = settings
    const broker = await kafka()
    log(`filling a topic with ${records.toLocaleString('en')} records`)
    const topic = await broker.fill({ records, partitions, keys, valueBytes: bytes })
    const contenders: readonly Contender[] = [
      {
        name: troupe,
        module: 'memory-troupe.mjs',
        topic,
        records,
        warmUp: 0,
        settings: { every, order: 'key' },
        limitSeconds: 240,
      },
    ]
    const rounds = await alternate(contenders)
    const marks = Array.from({ length: Math.floor(records / every) }, (_, at) => (at + 1) * every)
    const at = (mark: number) => rounds.spread(troupe, ({ notes }) => notes[String(mark)])
    const half = marks.slice(marks.length >> 1)
    const growth = rounds.spread(troupe, ({ notes }) => {
      const early = marks.slice(marks.length >> 2, marks.length >> 1).map((mark) => notes[String(mark)] ?? NaN)
      return Math.max(...half.map((mark) => notes[String(mark)] ?? NaN)) / Math.max(...early)
    })
    const peaks = {
      title: 'Peak',
      columns: [
        'peak RSS MB',
        'most in the second half, by the most in the second quarter',
        ...costColumns.slice(0, 5),
      ],
      rows: [
        {
          name: troupe,
          goal: '≤ 300 MB, about 1',
          cells: [
            cell(rounds.spread(troupe, (each) => each.peakRssMb)),
            cell(growth, 2),
            ...costCells(rounds, troupe).slice(0, 5),
          ],
        },
      ],
      remarks: failureRemarks(rounds),
    }
    const course = {
      title: 'Course',
      columns: ['RSS MB'],
      rows: marks.map((mark) => ({ name: `after ${mark.toLocaleString('en')}`, cells: [cell(at(mark))] })),
    }
    return [peaks, course]
  },
}
