/**
 * What does a store of state cost a record, in memory and on disk, beside a Map? And what does it do to the process when it
 * has five million keys?
 *
 * Each store in a process of its own: nobody inherits a heap. CPU time of the whole process, so that what else the machine does
 * counts for less.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Benchmark } from './harness/benchmark.ts'
import { cell, type Table } from './harness/report.ts'
import { spreadOf } from './harness/rounds.ts'

interface Its extends Readonly<Record<string, number>> {
  readonly keys: number
}

/** As `stores-process.ts` prints it. */
export interface StoreFigures {
  readonly loadUs: number
  readonly getUs: number
  readonly changeUs: number
  readonly batchP99Ms: number
  readonly longestBlockMs: number
  /** CPU time of the process in the turn of the loop that took most of it: what a machine with others on it does not lengthen. */
  readonly longestWorkMs: number
  readonly rssMb: number
  readonly reopenMs: number
  /** Of a part that is kept in order: a new key, and a range of 100 from anywhere; NaN: it has no order. */
  readonly inOrderUs: number
  readonly rangeUs: number
}

const kinds = ['memory', 'disk', 'map'] as const

export const stores: Benchmark<Its> = {
  name: 'stores',
  question: 'What does a store of state cost, with keys of 16 bytes and values of 100, in memory and on disk?',
  goal: 'memory: about as a Map; with --keys 5000000: RSS ≤ 1 GB, longest loop block ≤ 50 ms',
  defaults: { keys: 1_000_000 },
  rounds: 3,
  async run({ settings, rounds, log }) {
    const figures = new Map<string, StoreFigures[]>(kinds.map((kind) => [kind, []]))
    for (let round = 0; round < rounds; round++) {
      for (const kind of kinds) {
        const measured = await measure(kind, settings.keys)
        figures.get(kind)!.push(measured)
        log(`${kind}: load ${measured.loadUs.toFixed(2)} µs, longest block ${measured.longestBlockMs.toFixed(0)} ms`)
      }
    }
    const table: Table = {
      title: `Stores of ${settings.keys.toLocaleString('en')} keys`,
      columns: [
        'load, CPU µs',
        'get, CPU µs',
        'read-modify-write, CPU µs',
        'batch of 1,000 p99 ms',
        'longest loop block ms',
        'most CPU in a turn ms',
        'RSS MB',
        'reopen ms',
        'new key of an ordered part, CPU µs',
        'range of 100, CPU µs',
      ],
      rows: kinds.map((kind) => {
        const spread = (figure: (each: StoreFigures) => number, digits: number) =>
          cell(spreadOf(figures.get(kind)!.map(figure)), digits)
        return {
          name: kind === 'map' ? 'a Map of Buffers' : kind,
          cells: [
            spread(({ loadUs }) => loadUs, 2),
            spread(({ getUs }) => getUs, 2),
            spread(({ changeUs }) => changeUs, 2),
            spread(({ batchP99Ms }) => batchP99Ms, 2),
            spread(({ longestBlockMs }) => longestBlockMs, 1),
            spread(({ longestWorkMs }) => longestWorkMs, 1),
            spread(({ rssMb }) => rssMb, 0),
            spread(({ reopenMs }) => reopenMs, 0),
            spread(({ inOrderUs }) => inOrderUs, 2),
            spread(({ rangeUs }) => rangeUs, 0),
          ],
        }
      }),
    }
    return [table]
  },
}

async function measure(kind: string, keys: number): Promise<StoreFigures> {
  const file = fileURLToPath(new URL('contenders/stores-process.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', file, kind, String(keys)])
  return JSON.parse(stdout) as StoreFigures
}
