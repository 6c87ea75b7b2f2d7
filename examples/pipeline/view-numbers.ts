/** The numbers of the live view, out of the metrics, and how they are written. */

/** What the numbers are of, in a pipeline's words. */
export interface ViewWords {
  /** Whose records are counted, where there are several. */
  readonly actor?: string
  readonly in: string
  readonly out: string
  readonly deadLettered: string
}

/** One value of a metric, as a scrape shows it. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

export interface ViewNumbers {
  readonly in: number
  readonly out: number
  readonly deadLettered: number
  readonly handled: number
  readonly rows: number
  /** By partition, of all topics together. */
  readonly lag: ReadonlyMap<number, number>
  readonly p50Ms: number | undefined
  readonly p99Ms: number | undefined
  /** Sinks that the engine waits for. */
  readonly unavailable: readonly string[]
}

export function readNumbers(samples: readonly Sample[], actor?: string): ViewNumbers {
  const sum = (name: string, labels: Readonly<Record<string, string>> = {}): number =>
    select(samples, name, labels).reduce((total, { value }) => total + value, 0)
  const whose: Readonly<Record<string, string>> = actor === undefined ? {} : { actor }
  const out = sum('troupe_records_processed_total', { ...whose, outcome: 'done' })
  const deadLettered = sum('troupe_records_processed_total', { ...whose, outcome: 'dead_lettered' })
  return {
    in: sum('troupe_records_received_total', whose),
    out,
    deadLettered,
    handled: out + deadLettered,
    rows: sum('troupe_sink_outputs_total', { sink: 'postgres', result: 'durable' }),
    lag: readLag(samples),
    p50Ms: readQuantileMs(samples, 'troupe_handler_duration_seconds', 0.5, whose),
    p99Ms: readQuantileMs(samples, 'troupe_handler_duration_seconds', 0.99, whose),
    unavailable: select(samples, 'troupe_sink_available')
      .filter(({ value }) => value === 0)
      .map(({ labels }) => String(labels['sink'])),
  }
}

function readLag(samples: readonly Sample[]): ReadonlyMap<number, number> {
  const lag = new Map<number, number>()
  for (const { labels, value } of select(samples, 'troupe_consumer_lag_records')) {
    const partition = Number(labels['partition'])
    lag.set(partition, (lag.get(partition) ?? 0) + value)
  }
  return lag
}

/** As Prometheus' histogram_quantile does it: linear within the bucket. */
export function readQuantileMs(
  samples: readonly Sample[],
  histogram: string,
  quantile: number,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const buckets = select(samples, `${histogram}_bucket`, labels)
    .map(({ labels, value }) => ({ bound: labels['le'] === '+Inf' ? Infinity : Number(labels['le']), count: value }))
    .sort((a, b) => a.bound - b.bound)
  const rank = quantile * (buckets.at(-1)?.count ?? 0)
  let below = { bound: 0, count: 0 }
  for (const bucket of buckets) {
    if (bucket.count > 0 && bucket.count >= rank) {
      if (bucket.bound === Infinity) return below.bound * 1000
      const share = (rank - below.count) / (bucket.count - below.count)
      return (below.bound + (bucket.bound - below.bound) * share) * 1000
    }
    below = bucket
  }
  return undefined
}

function select(
  samples: readonly Sample[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): readonly Sample[] {
  const wanted = Object.entries(labels)
  return samples.filter(
    (sample) => sample.name === name && wanted.every(([label, value]) => String(sample.labels[label]) === value),
  )
}

export function describeScreen(numbers: ViewNumbers, perSecond: number, words: ViewWords): readonly string[] {
  const row = (label: string, value: string, rest = ''): string => `  ${label.padEnd(14)}${value.padStart(12)}  ${rest}`
  return [
    '',
    row('in', show(numbers.in), words.in),
    row('out', show(numbers.out), words.out),
    row('dead-lettered', show(numbers.deadLettered), words.deadLettered),
    row('rows', show(numbers.rows), 'written to PostgreSQL'),
    row('records/s', show(perSecond)),
    row('lag', show(addUp(numbers.lag)), 'by partition:'),
    ...describeLags(numbers.lag),
    row('handling', `p50 ${showMs(numbers.p50Ms)}`, `p99 ${showMs(numbers.p99Ms)}`),
    numbers.unavailable.length === 0 ? '' : `  waiting for ${numbers.unavailable.join(', ')}, which does not answer`,
  ]
}

/** Six a line, so that they fit. */
function describeLags(lag: ReadonlyMap<number, number>): readonly string[] {
  const cells = [...lag]
    .sort(([a], [b]) => a - b)
    .map(([partition, records]) => `${partition}: ${show(records)}`.padEnd(10))
  return Array.from(
    { length: Math.ceil(cells.length / 6) },
    (_, at) => `${' '.repeat(16)}${cells.slice(at * 6, at * 6 + 6).join('')}`,
  )
}

export function describeLine(numbers: ViewNumbers, perSecond: number): string {
  return [
    `in ${show(numbers.in)}`,
    `out ${show(numbers.out)}`,
    `dead-lettered ${show(numbers.deadLettered)}`,
    `rows ${show(numbers.rows)}`,
    `${show(perSecond)} records/s`,
    `lag ${show(addUp(numbers.lag))}`,
    `handling p50 ${showMs(numbers.p50Ms)} p99 ${showMs(numbers.p99Ms)}`,
    ...numbers.unavailable.map((sink) => `waiting for ${sink}`),
  ].join(', ')
}

function addUp(lag: ReadonlyMap<number, number>): number {
  return [...lag.values()].reduce((total, records) => total + records, 0)
}

function show(value: number): string {
  return Math.round(value).toLocaleString('en')
}

function showMs(value: number | undefined): string {
  return value === undefined ? '–' : `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ms`
}
