/** A million open windows: how much memory is one, in memory and on disk? */
import type { Benchmark } from '../harness/benchmark.ts'
import type { Contender, Measurement } from '../harness/contender.ts'
import { cell, costCells, costColumns, failureRemarks } from '../harness/report.ts'
import type { Rounds } from '../harness/rounds.ts'
import { perInputCells, perInputColumns } from '../state/per-input.ts'

const sizeMs = 86_400_000
/** What the process takes besides is taken out by a smaller number of windows. */
const share = 0.1

const stores = ['memory', 'disk'] as const
const goals: Readonly<Record<(typeof stores)[number], string>> = { memory: '≤ 400', disk: 'flat' }
const nameOf = (store: string, windows: number): string =>
  `Troupe, state ${store === 'disk' ? 'on disk' : 'in memory'}, ${windows.toLocaleString('en')} windows`

export const openWindows: Benchmark<{ windows: number; partitions: number; bytes: number }> = {
  name: 'open-windows',
  question: 'A million open windows, each of another key: how much memory does one take, in memory and on disk?',
  goal: '≤ 400 bytes a window in memory; flat with the disk store',
  rounds: 3,
  defaults: { windows: 1_000_000, partitions: 4, bytes: 100 },
  async run({ settings, kafka, alternate, log }) {
    const { windows: many, partitions, bytes } = settings
    const few = Math.ceil(many * share)
    const broker = await kafka()
    log(`filling topics with ${few.toLocaleString('en')} and ${many.toLocaleString('en')} keys`)
    const contenders: Contender[] = []
    for (const keys of [few, many]) {
      const same = { records: keys, partitions, keys, choice: 'in turn' as const, isHashed: true, valueBytes: bytes }
      // A day has all of them: none closes.
      const fromMs = Math.floor(Date.now() / sizeMs) * sizeMs
      const topic = await broker.fill({ ...same, times: { fromMs, perMinute: Infinity } })
      for (const store of stores) {
        contenders.push({
          ...{ name: nameOf(store, keys), module: 'windows/troupe-open-windows.mjs', isProfiled: true },
          ...{ topic, records: keys, warmUp: 0, limitSeconds: 300, nodeOptions: ['--expose-gc'] },
          settings: { sizeMs, store },
        })
      }
    }
    const rounds = await alternate(contenders)
    const rows = stores.flatMap((store) =>
      [few, many].map((keys) => {
        const name = nameOf(store, keys)
        const aWindow = (note: string) =>
          keys === few ? null : bytesAWindow(rounds, [name, nameOf(store, few)], note, many - few)
        return {
          name,
          ...(keys === few ? {} : { goal: goals[store] }),
          cells: [
            cell(aWindow('keptBytes')),
            cell(aWindow('rssBytes')),
            cell(rounds.spread(name, megabytes('keptBytes'))),
            cell(rounds.spread(name, megabytes('rssBytes'))),
            ...perInputCells(rounds, name),
            ...costCells(rounds, name),
          ],
        }
      }),
    )
    const columns = [
      'bytes a window, collected, without pages of files',
      'bytes a window, RSS',
      'collected, without pages of files, MB',
      'RSS in the end MB',
      ...perInputColumns,
      ...costColumns,
    ]
    const remarks = [
      `bytes a window: what ${many.toLocaleString('en')} take more than ${few.toLocaleString('en')} do, by the difference`,
      ...failureRemarks(rounds),
    ]
    return [{ title: `${many.toLocaleString('en')} open windows`, columns, rows, remarks }]
  },
}

const megabytes =
  (note: string) =>
  ({ notes }: Measurement): number =>
    (notes[note] ?? NaN) / 2 ** 20

function bytesAWindow(rounds: Rounds, names: readonly [string, string], note: string, windows: number) {
  return rounds.paired(names, (many, few) => ((many.notes[note] ?? NaN) - (few.notes[note] ?? NaN)) / windows)
}
