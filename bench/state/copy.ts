/** What does exactly-once cost an app without state? */
import type { Benchmark } from '../harness/benchmark.ts'
import type { Contender } from '../harness/contender.ts'
import type { BacklogSettings } from '../harness/data-set.ts'
import { cell, costCells, costColumns, failureRemarks } from '../harness/report.ts'
import { perInputCells, perInputColumns } from './per-input.ts'

const atLeastOnce = 'Troupe, at least once'
const exactlyOnce = 'Troupe, exactly once'

export const stateCopy: Benchmark<BacklogSettings & { readonly keys: number }> = {
  name: 'exactly-once',
  question:
    'A backlog, copied record by record without state: what does exactly-once leave of the speed of at least once?',
  goal: '≥ 0.80',
  defaults: { records: 1_000_000, partitions: 4, keys: 10_000, bytes: 100 },
  async run({ settings, kafka, alternate, log }) {
    const { records, partitions, keys, bytes } = settings
    const warmUp = Math.ceil(records / 5)
    const total = Math.ceil((records + warmUp) * 1.1)
    const broker = await kafka()
    log(`filling a topic with ${total.toLocaleString('en')} records`)
    const topic = await broker.fill({ records: total, partitions, keys, valueBytes: bytes })
    const contenders: readonly Contender[] = [
      { name: atLeastOnce, guarantee: 'at-least-once' },
      { name: exactlyOnce, guarantee: 'exactly-once' },
    ].map(({ name, guarantee }) => ({
      name,
      module: 'state/troupe-copy.mjs',
      settings: { guarantee },
      isProfiled: true,
      topic,
      records,
      warmUp,
      limitSeconds: 120,
    }))
    const rounds = await alternate(contenders)
    const rows = contenders.map(({ name }) => ({
      name,
      ...(name === exactlyOnce ? { goal: '≥ 0.80' } : {}),
      cells: [
        cell(rounds.ratio(name, atLeastOnce), 2),
        cell(
          rounds.paired([name, atLeastOnce], (own, base) => base.cpuUs / own.cpuUs),
          2,
        ),
        ...perInputCells(rounds, name),
        ...costCells(rounds, name),
      ],
    }))
    const columns = ['by at least once', 'the same by CPU', ...perInputColumns, ...costColumns]
    return [{ title: 'Copied', columns, rows, remarks: failureRemarks(rounds) }]
  },
}
