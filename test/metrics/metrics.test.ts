import { Counter, Registry } from 'prom-client'
import { describe, expect, test } from 'vitest'
import { describeMetrics, metricTable, registerMetrics } from '../../src/metrics/metrics.ts'
import { Histogram } from '../../src/metrics/histogram.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'

type OpenMetricsRegistry = Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE>

/** A supervisor that has seen a bit of everything, so that every row has a series. */
function busyStats(): EngineStats {
  const stats = new EngineStats()
  const partition = stats.partition('enrich', 'clicks', 3)
  Object.assign(partition, { received: 10, done: 7, skipped: 1, deadLettered: 2, isAssigned: true, inFlight: 4 })
  Object.assign(partition, { safePosition: 100, committedPosition: 90, logEnd: 112, epoch: 2 })
  const actor = stats.actor('enrich')
  actor.aside.add('late')
  actor.handlerSeconds.observe(0.0005, 100)
  actor.failures.add('HANDLER_FAILED')
  actor.deadLetters.add('DECODE_FAILED', 2)
  actor.skippedFailures.add('TERMINAL_ERROR')
  actor.constraint = 'key-skew'
  actor.concurrencyLimit = 1000
  stats.sink('kafka').durable = 9
  stats.unreadableRows.set('products', 1)
  stats.trouble.add('BROKER_UNREACHABLE')
  stats.stores.begin({ actor: 'enrich', partition: 3, kind: 'disk', size: { keyCount: 5, byteCount: 600 } })
  Object.assign(stats.restores.begin('enrich', 4, stats.clock.now() - 10_000), { from: 0, position: 10, end: 30 })
  return stats
}

async function scrape(...sources: EngineStats[]): Promise<string> {
  const registry = new Registry()
  for (const stats of sources) registerMetrics(registry, stats)
  return await registry.metrics()
}

describe('the table', () => {
  test.each(metricTable.map((row) => [row.name, row] as const))('%s follows the naming rules', (name, row) => {
    expect(name).toMatch(/^troupe_[a-z_]+[a-z]$/)
    expect(name.endsWith('_total')).toBe(row.type === 'counter')
    expect(name).not.toMatch(/_(count|sum|bucket|milliseconds|ms|kilobytes|gauge|counter|histogram)$/)
    if (row.type === 'histogram') expect(name).toMatch(/_(seconds|records|outputs)$/)
    expect(row.help).toMatch(/^[A-Z0-9].*\.$/)
    expect(row.labels).not.toContain('key')
    expect(row.labels).not.toContain('offset')
  })

  test('has no name twice', () => {
    expect(new Set(metricTable.map(({ name }) => name)).size).toBe(metricTable.length)
  })

  test('is printed whole for the docs', () => {
    for (const { name, help } of metricTable) {
      expect(describeMetrics()).toContain(`| \`${name}\` |`)
      expect(describeMetrics()).toContain(`| ${help} |`)
    }
  })
})

describe('a scrape', () => {
  test('shows every metric of the table with its labels', async () => {
    const page = await scrape(busyStats())
    for (const { name, type, labels, help } of metricTable) {
      expect(page).toContain(`# HELP ${name} ${help}`)
      expect(page).toContain(`# TYPE ${name} ${type}`)
      const series = page.split('\n').find((line) => line.startsWith(name))
      expect(series, name).toBeDefined()
      for (const label of labels) expect(series).toContain(`${label}="`)
    }
  })

  test('reads the numbers as they are at that time', async () => {
    const registry = new Registry()
    const stats = busyStats()
    registerMetrics(registry, stats)
    const line = 'troupe_records_processed_total{actor="enrich",topic="clicks",partition="3",outcome="done"}'
    expect(await registry.metrics()).toContain(`${line} 7\n`)
    stats.partition('enrich', 'clicks', 3).done += 1
    expect(await registry.metrics()).toContain(`${line} 8\n`)
  })

  test('gives histograms cumulative buckets, sum and count', async () => {
    const page = await scrape(busyStats())
    expect(page).toContain('troupe_handler_duration_seconds_bucket{actor="enrich",le="0.00025"} 0\n')
    expect(page).toContain('troupe_handler_duration_seconds_bucket{actor="enrich",le="0.0005"} 100\n')
    expect(page).toContain('troupe_handler_duration_seconds_bucket{actor="enrich",le="+Inf"} 100\n')
    expect(page).toContain('troupe_handler_duration_seconds_sum{actor="enrich"} 0.05\n')
    expect(page).toContain('troupe_handler_duration_seconds_count{actor="enrich"} 100\n')
  })

  test('shows the lag behind the end of the log', async () => {
    expect(await scrape(busyStats())).toContain('troupe_consumer_lag_records{topic="clicks",partition="3"} 12\n')
  })

  test('drops the gauges of a partition that others own and keeps its counters', async () => {
    const stats = busyStats()
    expect(await scrape(stats)).toContain('troupe_safe_position{topic="clicks",partition="3"} 100')
    expect(await scrape(stats)).toContain('troupe_partitions_assigned{actor="enrich",topic="clicks"} 1')
    stats.partition('enrich', 'clicks', 3).release()
    const page = await scrape(stats)
    expect(page).not.toContain('troupe_safe_position{')
    expect(page).not.toContain('troupe_records_in_flight{')
    expect(page).not.toContain('troupe_consumer_lag_records{')
    expect(page).toContain('troupe_partitions_assigned{actor="enrich",topic="clicks"} 0')
    expect(page).toContain('troupe_records_received_total{actor="enrich",topic="clicks",partition="3"} 10')
  })

  test('leaves unknown numbers out instead of showing 0', async () => {
    const stats = new EngineStats()
    stats.partition('enrich', 'clicks', 0).isAssigned = true
    const page = await scrape(stats)
    expect(page).not.toContain('troupe_consumer_lag_records{')
    expect(page).not.toContain('troupe_committed_position{')
  })

  test('shows what binds an actor as one series of several that is 1', async () => {
    const page = await scrape(busyStats(), busyStats())
    expect(page).toContain('troupe_binding_constraint{actor="enrich",constraint="key_skew"} 1\n')
    expect(page).toContain('troupe_binding_constraint{actor="enrich",constraint="input"} 0\n')
    expect(await scrape(new EngineStats())).not.toContain('troupe_binding_constraint{')
  })

  test('shows the age of the oldest unfinished checkpoint, and each reason of an abort', async () => {
    const clock = new ManualClock()
    const stats = new EngineStats(clock)
    const frozenAtMs = clock.now()
    await clock.advance(2_500)
    expect(await scrape(stats)).toContain('troupe_oldest_checkpoint_age_seconds 0\n')
    stats.checkpoints.oldestFrozenAtMs = () => frozenAtMs
    stats.checkpoints.aborts['owner-gone'] += 1
    stats.checkpoints.stepSeconds.rows.observe(0.2)
    const page = await scrape(stats)
    expect(page).toContain('troupe_oldest_checkpoint_age_seconds 2.5\n')
    expect(page).toContain('troupe_transactions_aborted_total{reason="owner_gone"} 1\n')
    expect(page).toContain('troupe_transactions_aborted_total{reason="fenced"} 0\n')
    expect(page).toContain('troupe_checkpoint_step_duration_seconds_sum{step="rows"} 0.2\n')
  })

  test('shows how large the state of a partition is, and what is left of a restore', async () => {
    const clock = new ManualClock()
    const stats = new EngineStats(clock)
    const size = { keyCount: 5, byteCount: 600 }
    const endSize = stats.stores.begin({ actor: 'count', partition: 3, kind: 'disk', size })
    const restore = stats.restores.begin('count', 4, clock.now())
    expect(await scrape(stats)).not.toContain('troupe_restore_left_seconds{')
    await clock.advance(10_000)
    Object.assign(restore, { records: 8, bytes: 80, from: 0, position: 10, end: 30 })
    const page = await scrape(stats)
    expect(page).toContain('troupe_state_keys{actor="count",partition="3",store="disk"} 5\n')
    expect(page).toContain('troupe_state_bytes{actor="count",partition="3",store="disk"} 600\n')
    expect(page).toContain('troupe_restoring_partitions{actor="count"} 1\n')
    expect(page).toContain('troupe_restored_records_total{actor="count"} 8\n')
    expect(page).toContain('troupe_restored_bytes_total{actor="count"} 80\n')
    expect(page).toContain('troupe_restore_offsets_left{actor="count",partition="4"} 20\n')
    expect(page).toContain('troupe_restore_left_seconds{actor="count",partition="4"} 20\n')
    endSize()
    stats.restores.end(restore)
    const after = await scrape(stats)
    expect(after).not.toContain('troupe_state_keys{')
    expect(after).not.toContain('troupe_restore_left_seconds{')
    expect(after).toContain('troupe_restoring_partitions{actor="count"} 0\n')
    expect(after).toContain('troupe_restores_total{actor="count"} 1\n')
    expect(after).toContain('troupe_restored_records_total{actor="count"} 8\n')
  })

  test('works on an OpenMetrics registry too', async () => {
    const registry: Registry = new Registry()
    ;(registry as unknown as OpenMetricsRegistry).setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
    registerMetrics(registry, busyStats())
    for (const scraped of [await registry.metrics(), await registry.metrics()]) {
      expect(scraped).toContain('# TYPE troupe_restarts counter\ntroupe_restarts_total 0\n')
    }
  })
})

describe('one registry, several supervisors', () => {
  test('two at once make one series of equal labels: counters add up, positions do not', async () => {
    const [one, other] = [busyStats(), busyStats()]
    other.sink('kafka').isAvailable = false
    other.partition('enrich', 'clicks', 4).received = 5
    const page = await scrape(one, other)
    expect(page).toContain('troupe_records_received_total{actor="enrich",topic="clicks",partition="3"} 20\n')
    expect(page).toContain('troupe_records_received_total{actor="enrich",topic="clicks",partition="4"} 5\n')
    expect(page).toContain('troupe_handler_duration_seconds_count{actor="enrich"} 200\n')
    expect(page).toContain('troupe_committed_position{topic="clicks",partition="3"} 90\n')
    expect(page).toContain('troupe_sink_available{sink="kafka"} 0\n')
    const series = page.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    expect(new Set(series.map((line) => line.slice(0, line.lastIndexOf(' ')))).size).toBe(series.length)
  })

  test('a supervisor that ended leaves nothing behind, and can start again any number of times', async () => {
    const registry = new Registry()
    new Counter({ name: 'users_own_total', help: 'Not ours.', registers: [registry] })
    for (let restart = 0; restart < 3; restart += 1) {
      const detach = registerMetrics(registry, busyStats())
      expect(registry.getMetricsAsArray()).toHaveLength(metricTable.length + 1)
      detach()
      detach()
      expect(registry.getMetricsAsArray()).toHaveLength(1)
    }
    expect(await registry.metrics()).toContain('users_own_total 0')
  })

  test('the first to end does not take the numbers of the other with it', async () => {
    const registry = new Registry()
    const detach = registerMetrics(registry, busyStats())
    registerMetrics(registry, busyStats())
    detach()
    expect(await registry.metrics()).toContain(
      'troupe_records_received_total{actor="enrich",topic="clicks",partition="3"} 10\n',
    )
  })

  test('a registry that was cleared meanwhile is filled again', async () => {
    const registry = new Registry()
    registerMetrics(registry, busyStats())
    registry.clear()
    registerMetrics(registry, busyStats())
    expect(registry.getMetricsAsArray()).toHaveLength(metricTable.length)
  })
})

describe('Histogram', () => {
  test('puts a value that equals a bound into that bucket, and one above all into the last', () => {
    const histogram = new Histogram([1, 10])
    for (const value of [0.5, 1, 10, 11]) histogram.observe(value)
    expect(histogram.counts).toEqual([2, 1, 1])
    expect(histogram).toMatchObject({ count: 4, sum: 22.5 })
  })

  test('estimates quantiles within a bucket, never beyond the last bound', () => {
    const histogram = new Histogram([1, 2, 4])
    expect(histogram.quantile(0.5)).toBeNull()
    histogram.observe(1.5, 50)
    histogram.observe(3, 50)
    expect(histogram.quantile(0.25)).toBeCloseTo(1.5)
    expect(histogram.quantile(0.75)).toBeCloseTo(3)
    histogram.observe(100, 900)
    expect(histogram.quantile(0.99)).toBe(4)
  })
})
