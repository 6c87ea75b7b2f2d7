/**
 * The metrics of several processes as one page. What Troupe counts (the table in `metrics.ts`) is
 * summed, or merged as its row says; a partition's gauges come from the one process that owns it.
 * All else is about a process (memory, CPU, its event loop) and gets the label `instance`; so does what
 * binds an actor: two processes may each be bound by something else, and one without partitions by nothing.
 *
 * A process that ends leaves what it has counted behind, as of its last answer, so that counters
 * do not go back. Its gauges go with it.
 */
import client from 'prom-client'
import { instanceMetrics, metricTable } from '../../metrics/metrics.ts'
import type { MetricRow } from '../../metrics/scraped-metric.ts'

/** A metric as `registry.getMetricsAsJSON()` has it. */
export interface MetricSnapshot {
  readonly name: string
  readonly help: string
  readonly type: string
  /** prom-client's rule for series with equal labels. */
  readonly aggregator?: string
  readonly values: readonly {
    readonly labels: Readonly<Record<string, string | number>>
    readonly value: number
    /** Of histograms: the name with _bucket, _sum or _count. */
    readonly metricName?: string
  }[]
}

interface Noted {
  readonly asked: number
  readonly metrics: readonly MetricSnapshot[]
}

const ours: readonly Pick<MetricRow, 'name' | 'isOfProcess'>[] = [...metricTable, ...Object.values(instanceMetrics)]
/** What the processes say together. */
const shared: ReadonlySet<string> = new Set(ours.filter(({ isOfProcess }) => !isOfProcess).map(({ name }) => name))

export class MergedMetrics {
  readonly contentType: string = client.Registry.PROMETHEUS_CONTENT_TYPE
  readonly #latest = new Map<string, Noted>()
  /** Counters and histograms of the processes that have ended. */
  #left: readonly MetricSnapshot[] = []

  /**
   * What an instance says of itself now. `asked` is the number of the question: an answer that was
   * overtaken by a later one is dropped.
   */
  note(instance: string, asked: number, metrics: readonly MetricSnapshot[]): void {
    const known = this.#latest.get(instance)
    if (known === undefined || known.asked < asked) this.#latest.set(instance, { asked, metrics })
  }

  /** The instance's process has ended; the next one begins at 0. */
  retire(instance: string): void {
    const last = this.#latest.get(instance)
    if (last === undefined) return
    this.#latest.delete(instance)
    const counted = last.metrics.filter(({ name, type }) => shared.has(name) && type !== 'gauge')
    // prom-client's types leave out `metricName` of histograms, which is there.
    this.#left = merge([this.#left, counted]).getMetricsAsArray() as unknown as readonly MetricSnapshot[]
  }

  /** The page, in Prometheus' text format. */
  metrics(): Promise<string> {
    const labelled = [...this.#latest].map(([instance, { metrics }]) =>
      metrics.map((metric) => (shared.has(metric.name) ? metric : labelledWith(instance, metric))),
    )
    return merge([...labelled, this.#left]).metrics()
  }
}

function merge(snapshots: readonly (readonly MetricSnapshot[])[]): client.Registry {
  return client.AggregatorRegistry.aggregate([...snapshots])
}

/** No two have equal labels then, so that there is nothing to omit or to average, as prom-client would. */
function labelledWith(instance: string, metric: MetricSnapshot): MetricSnapshot {
  const values = metric.values.map((sample) => ({ ...sample, labels: { ...sample.labels, instance } }))
  return { ...metric, aggregator: 'first', values }
}
