/** What `members/regroup.mjs` is given, and what it has to come to. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { NewRecord, ReadRecord } from '../support/kafka-probe.ts'

interface Sale {
  readonly n: number
  readonly at: number
  readonly region: string
}

const SIZE_MS = 1_000
const REGIONS = 7

/** Their keys say nothing of their regions. A little out of order; none is late. */
export function salesOf(count: number): NewRecord[] {
  return Array.from({ length: count }, (_, n) => {
    const sale: Sale = { n, at: 1_000_000 + n * 10 + ((n * 37) % 300), region: `r${n % REGIONS}` }
    return { key: String(n % 97), value: JSON.stringify(sale) }
  })
}

/** As results are written, sorted: a plain loop, no matter where and in which order the records stand. */
export function regionsOf(inputs: readonly ReadRecord[]): string[] {
  const windows = new Map<string, { region: string; startMs: number; records: number; total: number }>()
  for (const { value } of inputs) {
    const { at, n, region } = JSON.parse(String(value)) as Sale
    const startMs = at - (at % SIZE_MS)
    const id = `${region} ${startMs}`
    const before = windows.get(id) ?? { region, startMs, records: 0, total: 0 }
    windows.set(id, { ...before, records: before.records + 1, total: before.total + n })
  }
  return [...windows.values()].map((each) => JSON.stringify(each)).sort()
}

export async function until(isSo: () => Promise<boolean>, timeoutMs = 120_000): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`not so after ${timeoutMs} ms`)
    await sleep(100)
  }
}
