import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { describe, expect, test } from 'vitest'
import { registerMetrics } from '../../../src/metrics/metrics.ts'
import { EngineStats } from '../../../src/metrics/stats.ts'
import { MergedMetrics, type MetricSnapshot } from '../../../src/supervisor/instances/merged-metrics.ts'

/** One process: its numbers, and what it says of them. */
class FakeProcess {
  readonly stats = new EngineStats()
  readonly registry = new Registry()

  constructor() {
    registerMetrics(this.registry, this.stats)
  }

  async snapshot(): Promise<readonly MetricSnapshot[]> {
    // As it crosses between processes.
    return structuredClone((await this.registry.getMetricsAsJSON()) as unknown as readonly MetricSnapshot[])
  }

  /** Owns the partition and has finished so many of its records. */
  finish(partition: number, done: number): void {
    Object.assign(this.stats.partition('enrich', 'clicks', partition), { isAssigned: true, done, safePosition: done })
  }
}

const doneIn = (partition: number): string =>
  `troupe_records_processed_total{actor="enrich",topic="clicks",partition="${partition}",outcome="done"}`

describe('the merged page', () => {
  test('sums counters and histograms', async () => {
    const merged = new MergedMetrics()
    const [one, other] = [new FakeProcess(), new FakeProcess()]
    one.finish(0, 7)
    other.finish(0, 5)
    other.finish(1, 3)
    one.stats.actor('enrich').handlerSeconds.observe(0.0005, 100)
    other.stats.actor('enrich').handlerSeconds.observe(0.05, 10)
    merged.note('1', 1, await one.snapshot())
    merged.note('2', 1, await other.snapshot())
    const page = await merged.metrics()
    expect(page).toContain(`${doneIn(0)} 12\n`)
    expect(page).toContain(`${doneIn(1)} 3\n`)
    expect(page).toContain('troupe_handler_duration_seconds_bucket{actor="enrich",le="0.0005"} 100\n')
    expect(page).toContain('troupe_handler_duration_seconds_bucket{actor="enrich",le="+Inf"} 110\n')
    expect(page).toContain('troupe_handler_duration_seconds_count{actor="enrich"} 110\n')
    expect(page).toContain('# TYPE troupe_handler_duration_seconds histogram\n')
  })

  test('shows the gauges of a partition once, and merges others as their rows say', async () => {
    const merged = new MergedMetrics()
    const [one, other] = [new FakeProcess(), new FakeProcess()]
    one.finish(0, 70)
    other.finish(1, 80)
    // Owned once, by somebody else now.
    other.finish(0, 60)
    other.stats.partition('enrich', 'clicks', 0).release()
    one.stats.sink('kafka').isAvailable = true
    other.stats.sink('kafka').isAvailable = false
    merged.note('1', 1, await one.snapshot())
    merged.note('2', 1, await other.snapshot())
    const page = await merged.metrics()
    expect(page).toContain('troupe_safe_position{topic="clicks",partition="0"} 70\n')
    expect(page).toContain('troupe_safe_position{topic="clicks",partition="1"} 80\n')
    expect(page).toContain('troupe_partitions_assigned{actor="enrich",topic="clicks"} 2\n')
    expect(page).toContain('troupe_sink_available{sink="kafka"} 0\n')
  })

  // An actor has one constraint. Merged without the label, it would have two here, and no page could be told from a wrong one.
  test('says of each process what binds its actor', async () => {
    const merged = new MergedMetrics()
    for (const [instance, constraint] of [
      ['1', 'sink'],
      ['2', 'input'],
    ] as const) {
      const process = new FakeProcess()
      process.stats.actor('enrich').constraint = constraint
      merged.note(instance, 1, await process.snapshot())
    }
    const bound = (await merged.metrics()).match(/^troupe_binding_constraint.* 1$/gm)
    expect(bound?.toSorted()).toEqual([
      'troupe_binding_constraint{actor="enrich",constraint="input",instance="2"} 1',
      'troupe_binding_constraint{actor="enrich",constraint="sink",instance="1"} 1',
    ])
    merged.retire('2')
    expect(await merged.metrics()).not.toContain('instance="2"')
  })

  test('labels what is about a process with its instance, and leaves none of it out', async () => {
    const merged = new MergedMetrics()
    for (const instance of ['1', '2', 'parent']) {
      const { registry } = new FakeProcess()
      new Gauge({ name: 'process_start_time_seconds', help: 'h', registers: [registry], aggregator: 'omit' }).set(9)
      new Gauge({ name: 'nodejs_eventloop_lag_seconds', help: 'h', registers: [registry], aggregator: 'average' }).set(
        Number(instance === '2'),
      )
      new Histogram({ name: 'nodejs_gc_duration_seconds', help: 'h', labelNames: ['kind'], registers: [registry] })
        .labels('minor')
        .observe(0.2)
      merged.note(instance, 1, (await registry.getMetricsAsJSON()) as unknown as readonly MetricSnapshot[])
    }
    const page = await merged.metrics()
    for (const instance of ['1', '2', 'parent']) {
      expect(page).toContain(`process_start_time_seconds{instance="${instance}"} 9\n`)
      expect(page).toContain(`nodejs_gc_duration_seconds_count{kind="minor",instance="${instance}"} 1\n`)
    }
    expect(page).toContain('nodejs_eventloop_lag_seconds{instance="1"} 0\n')
    expect(page).toContain('nodejs_eventloop_lag_seconds{instance="2"} 1\n')
    expect(page).not.toMatch(/^troupe_.*instance=/m)
  })

  test('has no series twice', async () => {
    const merged = new MergedMetrics()
    for (const instance of ['1', '2']) {
      const process = new FakeProcess()
      process.finish(0, 3)
      new Counter({ name: 'process_cpu_seconds_total', help: 'h', registers: [process.registry] }).inc(1)
      merged.note(instance, 1, await process.snapshot())
    }
    merged.retire('2')
    const series = (await merged.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    expect(series.length).toBeGreaterThan(10)
    expect(new Set(series.map((line) => line.slice(0, line.lastIndexOf(' ')))).size).toBe(series.length)
  })
})

describe('a process that has ended', () => {
  test('leaves its counters and histograms behind, and the next one adds to them', async () => {
    const merged = new MergedMetrics()
    const first = new FakeProcess()
    first.finish(0, 100)
    first.stats.actor('enrich').handlerSeconds.observe(0.0005, 100)
    merged.note('1', 1, await first.snapshot())
    merged.retire('1')
    expect(await merged.metrics()).toContain(`${doneIn(0)} 100\n`)
    for (let asked = 2; asked < 5; asked += 1) {
      const next = new FakeProcess()
      next.finish(0, 10)
      next.stats.actor('enrich').handlerSeconds.observe(0.0005, 10)
      merged.note('1', asked, await next.snapshot())
      const total = 100 + 10 * (asked - 1)
      expect(await merged.metrics()).toContain(`${doneIn(0)} ${total}\n`)
      expect(await merged.metrics()).toContain(`troupe_handler_duration_seconds_count{actor="enrich"} ${total}\n`)
      merged.retire('1')
      expect(await merged.metrics()).toContain(`${doneIn(0)} ${total}\n`)
    }
  })

  test('takes its gauges and what is about the process along', async () => {
    const merged = new MergedMetrics()
    const process = new FakeProcess()
    process.finish(0, 100)
    new Counter({ name: 'process_cpu_seconds_total', help: 'h', registers: [process.registry] }).inc(5)
    merged.note('1', 1, await process.snapshot())
    expect(await merged.metrics()).toMatch(/^troupe_safe_position\{[^]*^process_cpu_seconds_total\{instance="1"\} 5$/m)
    merged.retire('1')
    const page = await merged.metrics()
    expect(page).not.toContain('troupe_safe_position{')
    expect(page).not.toContain('process_cpu_seconds_total')
  })

  test('that never said anything leaves nothing', async () => {
    const merged = new MergedMetrics()
    merged.retire('1')
    expect((await merged.metrics()).trim()).toBe('')
  })
})

test('an answer that was overtaken by a later one is dropped', async () => {
  const merged = new MergedMetrics()
  const process = new FakeProcess()
  process.finish(0, 1)
  const early = await process.snapshot()
  process.finish(0, 2)
  merged.note('1', 2, await process.snapshot())
  merged.note('1', 1, early)
  expect(await merged.metrics()).toContain(`${doneIn(0)} 2\n`)
})
