/** A metric whose values are made when a registry asks for them, out of one row of the table in `metrics.ts`. */
import { Histogram } from './histogram.ts'
import type { EngineStats } from './stats.ts'

/** One series: the values of the row's labels, in the row's order, and the number. */
export type Series = readonly [labels: readonly string[], value: number | Histogram]

export interface MetricRow {
  readonly name: `troupe_${string}`
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
  /** How series with equal labels of two supervisors in one registry become one; `sum` unless given. */
  readonly merge?: 'sum' | 'max' | 'min'
  /** A judgement about one process: of several processes each keeps its own, with the label `instance`. */
  readonly isOfProcess?: true
  readonly read: (stats: EngineStats) => Iterable<Series>
}

interface Sample {
  readonly metricName?: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** What prom-client's registry asks of a metric; the values are made when asked for. */
export class ScrapedMetric {
  // The registry of an OpenMetrics page renames counters in place, so `name` is writable.
  name: string
  readonly help: string
  readonly type: MetricRow['type']
  readonly aggregator: string
  readonly #row: MetricRow
  readonly #sources: ReadonlySet<EngineStats>

  constructor(row: MetricRow, sources: ReadonlySet<EngineStats>) {
    this.name = row.name
    this.help = row.help
    this.type = row.type
    this.aggregator = row.merge ?? 'sum'
    this.#row = row
    this.#sources = sources
  }

  get(): Promise<object> {
    const { name, help, type, aggregator } = this
    const values = [...this.#merged().values()].flatMap((series) => this.#samples(series))
    return Promise.resolve({ name, help, type, aggregator, values })
  }

  /** The numbers are the engine's: `resetMetrics` of the registry does not change them. */
  reset(): void {}

  #merged(): ReadonlyMap<string, Series> {
    const merged = new Map<string, Series>()
    for (const stats of this.#sources) {
      for (const series of this.#row.read(stats)) {
        const key = series[0].join('\u0000')
        const other = merged.get(key)
        merged.set(key, other === undefined ? series : [series[0], merge(this.#row, other[1], series[1])])
      }
    }
    return merged
  }

  #samples([values, value]: Series): readonly Sample[] {
    const labels = Object.fromEntries(this.#row.labels.map((label, at) => [label, values[at] ?? '']))
    return value instanceof Histogram ? histogramSamples(this.name, labels, value) : [{ labels, value }]
  }
}

function merge(row: MetricRow, one: number | Histogram, other: number | Histogram): number | Histogram {
  if (one instanceof Histogram && other instanceof Histogram) {
    const total = new Histogram(one.bounds)
    for (const part of [one, other]) {
      part.counts.forEach((count, at) => (total.counts[at] = (total.counts[at] ?? 0) + count))
      total.sum += part.sum
      total.count += part.count
    }
    return total
  }
  if (one instanceof Histogram || other instanceof Histogram) throw new TypeError(`${row.name}: mixed values`)
  switch (row.merge ?? 'sum') {
    case 'max':
      return Math.max(one, other)
    case 'min':
      return Math.min(one, other)
    case 'sum':
      return one + other
  }
}

function histogramSamples(name: string, labels: Readonly<Record<string, string>>, histogram: Histogram): Sample[] {
  let below = 0
  const buckets = histogram.counts.map((count, at) => {
    below += count
    const bound = histogram.bounds[at]
    return {
      metricName: `${name}_bucket`,
      labels: { ...labels, le: bound === undefined ? '+Inf' : String(bound) },
      value: below,
    }
  })
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: histogram.sum },
    { metricName: `${name}_count`, labels, value: histogram.count },
  ]
}
