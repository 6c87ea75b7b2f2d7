/** Five million keys in memory: how much of it do they take, and for how long does loading and working hold the loop? */
import type { Benchmark } from '../harness/benchmark.ts'
import type { Contender } from '../harness/contender.ts'
import { cell, costCells, costColumns, failureRemarks } from '../harness/report.ts'
import { perInputCells, perInputColumns } from './per-input.ts'

const loading = 'Troupe, while each key comes for the first time'
const working = 'Troupe, while they come again'

export const stateManyKeys: Benchmark<{ keys: number; partitions: number; bytes: number }> = {
  name: 'state-many-keys',
  question: 'Five million keys of 100 bytes in memory: how much memory, and how long is the event loop held?',
  goal: 'RSS ≤ 1 GB, longest hold ≤ 50 ms',
  rounds: 3,
  defaults: { keys: 5_000_000, partitions: 4, bytes: 100 },
  async run({ settings, kafka, alternate, log }) {
    const { keys, partitions, bytes } = settings
    const again = Math.ceil(keys / 5)
    const broker = await kafka()
    log(`filling a topic with ${(keys + 2 * again).toLocaleString('en')} records`)
    const topic = await broker.fill({
      records: keys + 2 * again,
      partitions,
      keys,
      choice: 'in turn',
      valueBytes: bytes,
    })
    const same = {
      module: 'state/troupe-many-keys.mjs',
      settings: { store: 'memory', directory: null },
      isProfiled: true,
      limitSeconds: 300,
      topic,
    }
    const contenders: readonly Contender[] = [
      { name: loading, ...same, warmUp: 0, records: keys },
      { name: working, ...same, warmUp: keys, records: again },
    ]
    const rounds = await alternate(contenders)
    const rows = contenders.map(({ name }) => ({
      name,
      goal: '≤ 1 GB, ≤ 50 ms',
      cells: [
        cell(rounds.spread(name, ({ notes }) => notes['rssMb'])),
        ...perInputCells(rounds, name),
        ...costCells(rounds, name),
      ],
    }))
    const columns = ['RSS in the end MB', ...perInputColumns, ...costColumns]
    return [{ title: `${keys.toLocaleString('en')} keys`, columns, rows, remarks: failureRemarks(rounds) }]
  },
}
