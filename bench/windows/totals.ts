/** A plain computation of what windows come to. */
import { amountOf, keysOf, namesOf, timeOf, type DataSet } from '../harness/data-set.ts'

export interface WindowTotal {
  readonly startMs: number
  readonly partition: number
  total: number
}

/** Of each window and key, by `startMs/key`: how many records it has, or the sum of their amounts. */
export function totalsOf(data: DataSet, sizeMs: number): Map<string, WindowTotal> {
  const totals = new Map<string, WindowTotal>()
  const { times } = data
  if (times === undefined) throw new Error('these records have no times')
  const names = namesOf(data)
  let index = 0
  for (const number of keysOf(data)) {
    const { key, partition } = names[number]!
    const startMs = Math.floor(timeOf(times, index) / sizeMs) * sizeMs
    const name = `${startMs}/${key}`
    const own = totals.get(name) ?? { startMs, partition, total: 0 }
    own.total += data.isOrders === true ? amountOf(index) : 1
    totals.set(name, own)
    index += 1
  }
  return totals
}
