/** What is counted of checkpoints, state and restores, against what stands in the logs. */
import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { registerMetrics } from '../../src/metrics/metrics.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { isMeta, CHANGELOG, StateApp } from '../support/state-app.ts'

/** What the protocol adds to a record without headers, at most. */
const PROTOCOL_BYTES = 36

async function shown(stats: EngineStats): Promise<ReadonlyMap<string, number>> {
  const registry = new Registry()
  registerMetrics(registry, stats)
  const lines = (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]))
}

test('checkpoints are counted as the logs have them: one meta record each and partition, and all that was written', async () => {
  const app = new StateApp(1)
  const engine = await app.start()
  for (let at = 0; at < 10; at += 1) {
    app.append(0, `k${at % 3}`)
    await app.clock.advance(40)
  }
  await app.clock.advance(1_000)
  const changelog = app.broker.committedRecords(CHANGELOG)
  const outputs = app.broker.committedRecords('totals')
  const page = await shown(app.stats)
  expect(outputs).toHaveLength(10)
  const made = page.get('troupe_checkpoints_total')
  expect(made).toBe(changelog.filter(isMeta).length)
  expect(page.get('troupe_checkpoint_handled_records_total')).toBe(10)
  expect(page.get('troupe_checkpoint_written_records_total')).toBe(changelog.length + outputs.length)
  const bytesOf = (bytes: Uint8Array | null): number => bytes?.byteLength ?? 0
  expect(page.get('troupe_checkpoint_output_bytes_total')).toBe(
    outputs.reduce((sum, { key, value }) => sum + PROTOCOL_BYTES + bytesOf(key) + bytesOf(value), 0),
  )
  expect(page.get('troupe_checkpoint_step_duration_seconds_count{step="transaction"}')).toBe(made)
  expect(page.get('troupe_checkpoint_step_duration_seconds_count{step="base"}')).toBe(made)
  expect(page.get('troupe_oldest_checkpoint_age_seconds')).toBe(0)
  await app.settled(engine.stop())
})

test('state is shown with its size while its partition is here, and a restore with all that it has read', async () => {
  const app = new StateApp(1)
  const engine = await app.start()
  for (const key of ['a', 'b', 'c', 'a']) app.append(0, key)
  await app.clock.advance(1_000)
  const labels = '{actor="count",partition="0",store="memory"}'
  const page = await shown(app.stats)
  // Three keys with two states each, how the two are declared, and the checkpoint.
  expect(page.get(`troupe_state_keys${labels}`)).toBe(9)
  expect(page.get(`troupe_state_bytes${labels}`)).toBeGreaterThan(9)
  await app.settled(engine.stop())
  expect((await shown(app.stats)).has(`troupe_state_keys${labels}`)).toBe(false)

  const records = app.broker.committedRecords(CHANGELOG)
  const next = new EngineStats(app.clock)
  const again = await app.start('two', next)
  await app.clock.advance(1_000)
  const after = await shown(next)
  expect(after.get(`troupe_state_keys${labels}`)).toBe(9)
  expect(after.get('troupe_restores_total{actor="count"}')).toBe(1)
  expect(after.get('troupe_restored_records_total{actor="count"}')).toBe(records.length)
  expect(after.get('troupe_restored_bytes_total{actor="count"}')).toBe(
    records.reduce((sum, { key, value }) => sum + (key?.byteLength ?? 0) + (value?.byteLength ?? 0), 0),
  )
  expect(after.get('troupe_restoring_partitions{actor="count"}')).toBe(0)
  await app.settled(again.stop())
})
