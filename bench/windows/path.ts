/**
 * What does a record cost on main that is folded into a window, as part of a checkpoint and without a broker? And the fold alone?
 *
 * For a profile: `node --cpu-prof --import tsx bench/run.ts windows-path --rounds 1 --only count`.
 */
import { defineAggregation } from '../../src/operators/aggregation/aggregation.ts'
import type { Kept, Operator } from '../../src/operators/operator.ts'
import { tumbling } from '../../src/operators/windows/declared-window.ts'
import { defineHandler, skip, type AnyRecordHandler } from '../../src/actors/handlers/handler.ts'
import { state } from '../../src/state/declared-state.ts'
import { bytes, json } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'
import type { Benchmark } from '../harness/benchmark.ts'
import { recordsOf, type Order } from '../harness/data-set.ts'
import { cell } from '../harness/report.ts'
import { spreadOf } from '../harness/rounds.ts'
import { measurePath, type PathRecords } from '../state/checkpoint-path.ts'

interface Its {
  readonly [name: string]: number | string
  readonly records: number
  readonly keys: number
  readonly perminute: number
  /** Only the rows whose names have this; all, unless given. */
  readonly rows: string
}

const fromMs = Date.UTC(2026, 0, 1)

const input = topic('in', { value: bytes })
const orders = topic('in', { value: json<Order>() })
const out = topic('out', { value: json<unknown>() })
const window = tumbling({ sizeMs: 60_000, graceMs: 0 })

const count = defineAggregation({
  ...{ input, window, outputs: [out] },
  values: ({ count: records }) => ({ total: records() }),
  result: ({ key, values, window: { startMs } }) => [out.record({ startMs, ...values }, { key })],
})
const updates = defineAggregation({
  ...{ input, window, outputs: [out], emit: 'updates' },
  values: ({ count: records }) => ({ total: records() }),
  result: ({ key, values, window: { startMs } }) => [out.record({ startMs, ...values }, { key })],
})
const sum = defineAggregation({
  ...{ input: orders, window, outputs: [out] },
  values: ({ sum: total }) => ({ total: total((order) => order.amount) }),
  result: ({ key, values, window: { startMs } }) => [out.record({ startMs, ...values }, { key })],
})
const counting = defineHandler({
  input,
  state: { total: state<number>({ initial: () => 0 }) },
  handle(_, { state: { total } }) {
    total.set(total.get() + 1)
    return skip()
  },
}) as unknown as AnyRecordHandler

interface Row {
  readonly name: string
  readonly handler: AnyRecordHandler | Operator
  readonly isJson?: boolean
}

const rows: readonly Row[] = [
  { name: 'a handler that counts in its state, no output', handler: counting },
  { name: 'count in windows, finals', handler: count },
  { name: 'count in windows, updates', handler: updates },
  { name: 'JSON and sum in windows, finals', handler: sum, isJson: true },
]

export const windowsPath: Benchmark<Its> = {
  name: 'windows-path',
  question:
    'What does a record cost on main, without a broker, that is folded into a window of a minute, as part of a checkpoint?',
  goal: 'none of its own: what the client takes besides is some 8 µs a record',
  defaults: { records: 600_000, keys: 10_000, perminute: 100_000, rows: '' },
  async run({ rounds, settings: { records, keys, perminute: perMinute, rows: wanted } }) {
    const chosen = rows.filter(({ name }) => name.includes(wanted))
    const plain = Buffer.alloc(100, 'v')
    const values = Array.from(
      recordsOf({
        records: 1_000,
        partitions: 1,
        keys: 1,
        valueBytes: 100,
        isOrders: true,
        times: { fromMs, perMinute },
      }),
      ({ value }) => value,
    )
    const measure = async ({ handler, isJson = false }: Row): Promise<number> => {
      const value = (index: number): Buffer => (isJson ? values[index % values.length]! : plain)
      const path: PathRecords = { records, keys, value, fromMs, perMinute }
      return await measurePath(handler, path)
    }
    const costs = new Map<string, number[]>(chosen.map(({ name }) => [name, []]))
    for (const row of chosen) await measure(row)
    for (let round = 0; round < rounds; round += 1) {
      for (const row of chosen) costs.get(row.name)!.push((await measure(row)) * 1_000)
    }
    const alone = [
      { name: 'count', operator: count },
      { name: 'sum', operator: sum },
    ].filter(({ name }) => name.includes(wanted) || wanted === '')
    const folds = new Map<string, number[]>(alone.map(({ name }) => [name, []]))
    for (const { operator } of alone) fold(operator, { records, keys, perMinute })
    for (let round = 0; round < rounds; round += 1) {
      for (const { name, operator } of alone)
        folds.get(name)!.push(fold(operator, { records, keys, perMinute }) * 1_000)
    }
    return [
      {
        title: `Of a checkpoint, ${keys.toLocaleString('en')} keys, ${perMinute.toLocaleString('en')} records a minute`,
        columns: ['CPU ns/record'],
        rows: chosen.map(({ name }) => ({ name, cells: [cell(spreadOf(costs.get(name)!))] })),
      },
      {
        title: 'The operator alone, with what it keeps in a Map',
        columns: ['CPU ns/record'],
        rows: alone.map(({ name }) => ({ name, cells: [cell(spreadOf(folds.get(name)!))] })),
      },
    ]
  },
}

type Folded = Pick<PathRecords, 'records' | 'keys' | 'perMinute'>

/** CPU of a record, microseconds, timers that are due included. */
function fold(operator: Operator, { records, keys, perMinute }: Folded): number {
  const values = new Map<string, unknown>()
  const timers = new Map<string, number>()
  const kept: Kept = {
    get: (_, key) => values.get(key),
    set(_, key, value) {
      if (value === undefined) values.delete(key)
      else values.set(key, value)
    },
    setTimer(key, dueMs) {
      if (dueMs === null) timers.delete(key)
      else timers.set(key, dueMs)
    },
    decode: () => undefined,
  }
  const names = Array.from({ length: keys }, (_, key) => `key-${key}`)
  const value: Order = { id: 1, amount: 1_234, timestamp: fromMs, note: '' }
  const record = { topic: 'in', partition: 0, offset: 0, timestamp: fromMs, key: null, value: null, headers: [] }
  const before = process.cpuUsage()
  for (let index = 0; index < records; index += 1) {
    const key = names[(index * 7_919) % keys]!
    const timeMs = fromMs + Math.floor((index * 60_000) / perMinute)
    const dueMs = timers.get(key)
    if (dueMs !== undefined && dueMs <= timeMs) {
      timers.delete(key)
      operator.due({ key, keyText: key, dueMs, streamTimeMs: dueMs }, kept)
    }
    const times = { timeMs, streamTimeMs: timeMs, sourceTimeMs: timeMs, isFarFuture: false }
    operator.take({ record, value, key, keyText: key, ...times }, kept, 0)
  }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / records
}
