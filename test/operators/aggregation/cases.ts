/**
 * The cases of aggregations as data: what comes in, and what the published rules make of it. One suite plays them purely
 * (`cases.test.ts`), another through the engine. Records as `key@time`, or `key amount@time`; without an amount it is 1.
 */
import { defineAggregation, type Aggregation } from '../../../src/operators/aggregation/aggregation.ts'
import type { MergedSession, ResultsOf } from '../../../src/operators/aggregation/definition.ts'
import type { ValuesOf } from '../../../src/operators/values/value.ts'
import { hopping, session, sliding, tumbling } from '../../../src/operators/windows/declared-window.ts'
import type { DeclaredWindow } from '../../../src/operators/windows/declared-window.ts'
import { text } from '../../../src/streams/flows/codec.ts'
import { topic } from '../../../src/streams/flows/flow.ts'
import type { PlayedRecord } from '../../support/operator-driver.ts'

export interface Reading {
  readonly amount: number
  readonly atMs: number
}

export const readings = topic<Reading, 'readings', string>('readings', {
  key: text,
  tombstones: true,
  time: ({ atMs }) => atMs,
})
export const results = topic<string, 'results', string>('results', { key: text })

export interface AggregationCase {
  /** Its number among the cases, and what it shows. */
  readonly title: string
  readonly window: DeclaredWindow | undefined
  readonly value: 'count' | 'sum' | 'average'
  readonly emit: 'final' | 'updates'
  readonly records: readonly string[]
  /** As `key[start,end)=value`, in order; late ones as `late key[start,end)+lateBy`. */
  readonly outputs: readonly string[]
  /** Records that did not count, by their place. */
  readonly aside?: Readonly<Record<number, string>>
}

const MINUTE_MS = 60_000

export const cases: readonly AggregationCase[] = [
  {
    title: 'T01 an update for each record, until its window is closed',
    window: tumbling({ sizeMs: 2, graceMs: 1 }),
    ...{ value: 'count', emit: 'updates' },
    records: ['k1@0', 'k1@1', 'k1@2', 'k1@1', 'k1@0', 'k1@5', 'k1@0'],
    outputs: ['k1[0,2)=1', 'k1[0,2)=2', 'k1[2,4)=1', 'k1[0,2)=3', 'k1[0,2)=4', 'k1[4,6)=1', 'late k1[0,2)+2'],
    aside: { 6: 'late' },
  },
  {
    title: 'T01 one final for each window, when stream time has come to its end and all grace',
    window: tumbling({ sizeMs: 2, graceMs: 1 }),
    ...{ value: 'count', emit: 'final' },
    records: ['k1@0', 'k1@1', 'k1@2', 'k1@1', 'k1@0', 'k1@5', 'k1@0'],
    outputs: ['k1[0,2)=4', 'k1[2,4)=1', 'late k1[0,2)+2'],
    aside: { 6: 'late' },
  },
  {
    title: 'T02 one record closes several windows, in their order',
    window: tumbling({ sizeMs: 2, graceMs: 2 }),
    ...{ value: 'count', emit: 'final' },
    records: ['k1@0', 'k1@1', 'k1@2', 'k1@0', 'k1@3', 'k1@0', 'k1@4', 'k1@0', 'k1@30'],
    outputs: ['k1[0,2)=4', 'late k1[0,2)+0', 'k1[2,4)=2', 'k1[4,6)=1'],
    aside: { 7: 'late' },
  },
  {
    title: 'T03 a session that grows takes back what was said of it',
    window: session({ gapMs: 5 }),
    ...{ value: 'count', emit: 'updates' },
    records: ['k1@0', 'k1@5', 'k1@1', 'k2@11', 'k1@5', 'k1@30'],
    outputs: [
      ...['k1[0,0]=1', 'k1[0,0]=null', 'k1[0,5]=2', 'k1[0,5]=null', 'k1[0,5]=3', 'k2[11,11]=1', 'late k1[5,5]+1'],
      'k1[30,30]=1',
    ],
    aside: { 4: 'late' },
  },
  {
    title: 'T03 a session is closed when stream time is beyond its end, its gap and all grace',
    window: session({ gapMs: 5 }),
    ...{ value: 'count', emit: 'final' },
    records: ['k1@0', 'k1@5', 'k1@1', 'k2@11', 'k1@5', 'k1@30'],
    outputs: ['k1[0,5]=3', 'late k1[5,5]+1', 'k2[11,11]=1'],
    aside: { 4: 'late' },
  },
  {
    title: 'T04 a record between two sessions makes them one',
    window: session({ gapMs: 5 * MINUTE_MS, graceMs: 24 * 60 * MINUTE_MS }),
    ...{ value: 'count', emit: 'updates' },
    records: [0, 2, 6, 4, 5, 11].map((minute, at) => `${'gbggbb'[at]}@${minute * MINUTE_MS}`),
    outputs: [
      ...['g[0,0]=1', 'b[120000,120000]=1', 'g[360000,360000]=1'],
      ...['g[0,0]=null', 'g[360000,360000]=null', 'g[0,360000]=3'],
      ...['b[120000,120000]=null', 'b[120000,300000]=2', 'b[660000,660000]=1'],
    ],
  },
  {
    title: 'T04 sessions that became one have one final',
    window: session({ gapMs: 5 * MINUTE_MS, graceMs: 2 * MINUTE_MS }),
    ...{ value: 'count', emit: 'final' },
    records: [...[0, 2, 6, 4, 5, 11].map((minute, at) => `${'gbggbb'[at]}@${minute * MINUTE_MS}`), 'x@9000000'],
    outputs: ['b[120000,300000]=2', 'g[0,360000]=3', 'b[660000,660000]=1'],
  },
  {
    title: 'T06 hopping windows begin at multiples of the epoch, whenever the first record comes',
    window: hopping({ sizeMs: 5_000, advanceMs: 3_000, graceMs: 10_000 }),
    ...{ value: 'count', emit: 'final' },
    records: ['a@4000', 'b@0', 'c@99999'],
    outputs: ['a[0,5000)=1', 'b[0,5000)=1', 'a[3000,8000)=1'],
  },
  {
    title: 'T06 a record that is late for some of its hopping windows counts in the others',
    window: hopping({ sizeMs: 5_000, advanceMs: 3_000 }),
    ...{ value: 'count', emit: 'final' },
    records: ['a@5000', 'a@4000', 'a@2999', 'a@99999'],
    outputs: ['late a[0,5000)+0', 'a[3000,8000)=2'],
    aside: { 2: 'late' },
  },
  {
    title: 'T08 sliding windows end with a record, and both ends belong to them',
    window: sliding({ sizeMs: 3_600_000 }),
    ...{ value: 'average', emit: 'updates' },
    records: ['t 30@3600000', 't 29@4800000', 't 28@4800001', 't 27@7200000', 't 26@7200001'],
    outputs: [
      ...['t[0,3600000]=30', 't[1200000,4800000]=29.5', 't[1200001,4800001]=29'],
      ...['t[3600000,7200000]=28.5', 't[3600001,7200001]=27.5'],
    ],
  },
  {
    title: 'T08 a sliding window has one final, beyond its last moment and all grace',
    window: sliding({ sizeMs: 3_600_000, graceMs: 2_400_000 }),
    ...{ value: 'average', emit: 'final' },
    records: [
      ...['t 30@3600000', 't 29@4800000', 't 27@7200000', 't 28@4800001', 't 26@7200001', 'x@9600000'],
      ...['t 1@3700000', 'x@20000000', 't 1@7600000'],
    ],
    outputs: [
      ...['t[0,3600000]=30', 't[1200000,4800000]=29.5', 't[1200001,4800001]=29', 't[3600000,7200000]=23'],
      ...['t[3600001,7200001]=22.2', 'x[6000000,9600000]=1', 'late t[7600000,11200000]+6400000'],
    ],
    aside: { 8: 'late' },
  },
  {
    title: 'T10 sales per minute: late ones aside, with how late they are',
    window: tumbling({ sizeMs: MINUTE_MS, graceMs: 10_000 }),
    ...{ value: 'sum', emit: 'final' },
    records: [
      ...['A 10@0', 'A 5@59999', 'A 7@60000', 'B 3@30000', 'A 1@65000', 'A 2@59000', 'A 4@70000', 'A 100@59000'],
      ...['A 6@125000', 'x@129999', 'x@130000'],
    ],
    outputs: ['A[0,60000)=17', 'B[0,60000)=3', 'late A[0,60000)+0', 'A[60000,120000)=12'],
    aside: { 7: 'late' },
  },
  {
    title: 'T12 time is that of the partition, whatever key its records have',
    window: tumbling({ sizeMs: 10, graceMs: 2 }),
    ...{ value: 'sum', emit: 'final' },
    records: ['key1 1@100', 'key1 3@105', 'key2 5@102', 'key2 7@108', 'key1 1@110', 'key2 2@109', 'key1 1@112'],
    outputs: ['key1[100,110)=4', 'key2[100,110)=14'],
  },
  {
    title: 'T14 a record without a key is skipped, and one without a value',
    window: tumbling({ sizeMs: 10 }),
    ...{ value: 'count', emit: 'final' },
    records: ['a@1', '-@2', 'a null@3', 'a@4', 'a@10'],
    outputs: ['null-key 1@2', 'a[0,10)=2'],
    aside: { 1: 'null-key', 2: 'null-value' },
  },
  {
    title: 'without windows all records of a key are together',
    window: undefined,
    ...{ value: 'sum', emit: 'updates' },
    records: ['a 1@100', 'b 5@7', 'a 2@3', 'a 4@9999999'],
    outputs: ['a=1', 'b=5', 'a=3', 'a=7'],
  },
]

const valueOf = (of: ValuesOf<Reading>, value: AggregationCase['value']) => {
  if (value === 'count') return of.count()
  return value === 'sum' ? of.sum(({ amount }) => amount) : of.average(({ amount }) => amount)
}

export function aggregationOf({ emit, value, window }: AggregationCase): Aggregation {
  const isClosed = window?.what === 'session' || window?.what === 'sliding'
  const shown = (span: { readonly startMs: number; readonly endMs: number } | null) =>
    span === null ? '' : `[${span.startMs},${span.endMs}${isClosed ? ']' : ')'}`
  const values = (of: ValuesOf<Reading>) => ({ value: valueOf(of, value) })
  type Shown = { readonly key: string; readonly values: ResultsOf<ReturnType<typeof values>> }
  const common = {
    input: readings,
    values,
    outputs: [results] as const,
    nullKey: (aside: { readonly reason: string; readonly value: Reading; readonly timeMs: number }) => [
      results.record(`${aside.reason} ${aside.value.amount}@${aside.timeMs}`),
    ],
  }
  if (window === undefined) {
    const result = ({ key, values: { value: is } }: Shown) => [results.record(`${key}=${is}`)]
    return defineAggregation({ ...common, result })
  }
  return defineAggregation({
    ...common,
    window,
    emit,
    result: ({ key, values: { value: is }, window: of }) => [results.record(`${key}${shown(of)}=${is}`)],
    late: ({ key, lateByMs, window: of }) => [results.record(`late ${key}${shown(of)}+${lateByMs}`)],
    ...(window.what === 'session' && emit === 'updates'
      ? { merged: ({ key, window: of }: MergedSession<string>) => [results.record(`${key}${shown(of)}=null`)] }
      : {}),
  })
}

export function recordOf(line: string): PlayedRecord {
  const [, key, amount, time] = /^(\S+?)(?: (\w+))?@(\d+)$/.exec(line) ?? []
  return {
    key: key === '-' ? null : (key ?? ''),
    value: amount === 'null' ? null : { amount: Number(amount ?? 1), atMs: Number(time) },
    timeMs: Number(time),
  }
}
