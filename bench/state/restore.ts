/** How long does state take to come back from its changelog? */
import { statePrefix } from '../../src/state/changelog-format.ts'
import type { Benchmark } from '../harness/benchmark.ts'
import type { Contender } from '../harness/contender.ts'
import type { BacklogSettings } from '../harness/data-set.ts'
import { prefetch as client } from '../harness/prefetch.ts'
import { cell, costCells, costColumns, failureRemarks } from '../harness/report.ts'

const stores = ['memory', 'disk'] as const

export const stateRestore: Benchmark<BacklogSettings> = {
  name: 'state-restore',
  question:
    'A million keys come back from their changelog: how fast, beside a bare reader that writes into the same store?',
  goal: '≥ 0.85 of the bare reader, in memory and on disk',
  defaults: { records: 1_000_000, partitions: 4, bytes: 100 },
  async run({ settings, kafka, alternate, log }) {
    const { records, partitions, bytes } = settings
    const broker = await kafka()
    log(`filling a changelog with ${records.toLocaleString('en')} records`)
    const topic = await broker.fill({
      records,
      partitions,
      keys: records,
      choice: 'in turn',
      valueBytes: bytes,
      keyPrefix: statePrefix('kept'),
    })
    const nameOf = (store: string, isBare: boolean): string => `${isBare ? 'bare reader' : 'Troupe'}, into ${store}`
    const contenders: readonly Contender[] = stores.flatMap((store) =>
      [true, false].map((isBare) => ({
        name: nameOf(store, isBare),
        module: 'state/restore.mjs',
        settings: { store, isBare, partitions, records, client },
        isProfiled: !isBare,
        topic,
        records: Math.floor(records * 0.85),
        warmUp: Math.floor(records * 0.1),
        limitSeconds: 120,
      })),
    )
    const rounds = await alternate(contenders)
    const rows = contenders.map(({ name, settings: its }) => {
      const note = (of: string, digits: number) =>
        cell(
          rounds.spread(name, ({ notes }) => notes[of]),
          digits,
        )
      return {
        name,
        ...(its!['isBare'] === true ? {} : { goal: '≥ 0.85' }),
        cells: [
          cell(rounds.ratio(name, nameOf(its!['store'] as string, true)), 2),
          note('wholeSeconds', 1),
          note('keys', 0),
          ...costCells(rounds, name),
        ],
      }
    })
    const columns = ['by the bare reader', 'seconds in all', 'keys', ...costColumns]
    return [{ title: 'Restored', columns, rows, remarks: failureRemarks(rounds) }]
  },
}
