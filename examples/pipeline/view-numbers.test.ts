import { expect, test } from 'vitest'
import { readNumbers, readQuantileMs, type Sample } from './view-numbers.ts'

function sample(name: string, value: number, labels: Sample['labels'] = {}): Sample {
  return { name, value, labels }
}

test('adds up partitions and tells outcomes apart', () => {
  const numbers = readNumbers([
    sample('troupe_records_received_total', 10, { partition: '0' }),
    sample('troupe_records_received_total', 5, { partition: '1' }),
    sample('troupe_records_processed_total', 9, { partition: '0', outcome: 'done' }),
    sample('troupe_records_processed_total', 1, { partition: '0', outcome: 'dead_lettered' }),
    sample('troupe_sink_outputs_total', 8, { sink: 'postgres', result: 'durable' }),
    sample('troupe_sink_outputs_total', 9, { sink: 'kafka', result: 'durable' }),
    sample('troupe_consumer_lag_records', 3, { partition: '1' }),
    sample('troupe_sink_available', 0, { sink: 'postgres' }),
    sample('troupe_sink_available', 1, { sink: 'kafka' }),
  ])
  expect(numbers).toMatchObject({ in: 15, out: 9, deadLettered: 1, rows: 8, unavailable: ['postgres'] })
  expect(numbers.lag).toEqual(new Map([[1, 3]]))
})

test('quantiles are estimated within their bucket', () => {
  const buckets = [
    ['0.001', 50],
    ['0.002', 90],
    ['0.01', 90],
    ['+Inf', 100],
  ].map(([le, count]) => sample('h_bucket', Number(count), { le: String(le) }))
  expect(readQuantileMs(buckets, 'h', 0.5)).toBeCloseTo(1)
  expect(readQuantileMs(buckets, 'h', 0.7)).toBeCloseTo(1.5)
  expect(readQuantileMs(buckets, 'h', 0.99)).toBe(10)
  expect(readQuantileMs([], 'h', 0.5)).toBeUndefined()
})

test('of several actors one is counted, and the lag is that of all topics', () => {
  const samples = [
    sample('troupe_records_received_total', 10, { actor: 'first', partition: '0' }),
    sample('troupe_records_received_total', 9, { actor: 'second', partition: '0' }),
    sample('troupe_records_processed_total', 8, { actor: 'first', outcome: 'done' }),
    sample('troupe_records_processed_total', 7, { actor: 'second', outcome: 'done' }),
    sample('troupe_consumer_lag_records', 3, { topic: 'a', partition: '1' }),
    sample('troupe_consumer_lag_records', 4, { topic: 'b', partition: '1' }),
  ]
  expect(readNumbers(samples, 'first')).toMatchObject({ in: 10, out: 8, lag: new Map([[1, 7]]) })
})
