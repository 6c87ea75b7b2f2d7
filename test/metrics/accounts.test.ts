/**
 * Every metric of the table against an independent count: of the data that went in, of what the handler saw, or of what
 * crossed the engine's seams. A metric that has none here says which test counts it.
 */
import { readFileSync } from 'node:fs'
import { Registry } from 'prom-client'
import { beforeAll, describe, expect, test } from 'vitest'
import { deadLetter, defineHandler, done, skip, type Outcome } from '../../src/actors/handlers/handler.ts'
import { silentLog } from '../../src/log.ts'
import { metricTable, registerMetrics } from '../../src/metrics/metrics.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { resolveOptions } from '../../src/options/resolve.ts'
import { json, text } from '../../src/streams/flows/codec.ts'
import { table, topic } from '../../src/streams/flows/flow.ts'
import { Engine } from '../../src/supervisor/engine.ts'
import { FakeBroker } from '../../src/testing/broker/fake-broker.ts'
import { FakeDatabase, FakeSink } from '../../src/testing/fake-sink.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { SeamCounts, addTo, type WriteCounts } from '../support/seam-counts.ts'
import { settled } from '../support/settled.ts'

const COMMIT_INTERVAL_MS = 100
const PARTITIONS = 2

/** What a record is to come to. `hold` stays at its handler until it is let go; `refused` writes a row that is refused. */
type Deed = 'topic' | 'row' | 'nothing' | 'skip' | 'dead' | 'fails-once' | 'fails' | 'garbage' | 'hold' | 'refused'
const deeds: readonly Deed[] = [
  ...(['topic', 'row', 'nothing', 'skip', 'dead', 'fails-once', 'fails', 'garbage', 'hold', 'refused'] as const),
]
const ATTEMPTS = 3
/** Tries, all of which fail but the last of a record that is done. */
const tries: Readonly<Partial<Record<Deed, number>>> = { 'fails-once': 2, fails: ATTEMPTS }

const out = topic('out', { value: text })
const rows = table<{ id: string }>('rows', { sink: 'table', columns: { id: 'text' }, key: ['id'] })

interface Given {
  readonly partition: number
  readonly offset: number
  readonly deed: Deed
  readonly bytes: number
}

class World {
  readonly clock = new ManualClock()
  readonly stats = new EngineStats()
  readonly seam = new SeamCounts()
  readonly given: Given[] = []
  /** Values that the handler was called with, by partition. */
  readonly calls = new Map<string, number>()
  readonly broker = new FakeBroker({ clock: this.clock })
  readonly registry = new Registry()
  engine: Engine | null = null
  isHeld = true
  page: ReadonlyMap<string, number> = new Map()
  readonly #held: (() => void)[] = []

  async start(): Promise<void> {
    this.broker.createTopic('clicks', PARTITIONS)
    this.broker.createTopic('out', 1)
    this.broker.createTopic('dead', 1)
    registerMetrics(this.registry, this.stats)
    const handler = defineHandler({
      name: 'mix',
      input: topic<Deed>('clicks', { value: json<Deed>() }),
      outputs: [out, rows],
      handle: (deed, { attempt, id, record }) => {
        addTo(this.calls, String(record.partition))
        return this.#act(deed, attempt, id)
      },
    })
    const client = this.broker.client('one')
    const database = new FakeDatabase()
    database.refuseRow = (_, row) => (String(row['id']).startsWith('refused') ? 'not this one' : null)
    const app = resolveOptions({
      kafka: { brokers: 'fake:9092', groupId: 'group' },
      actors: [{ name: 'mix', handler, deadLetter: 'dead', retry: { attempts: ATTEMPTS, backoffMs: 5 } }],
      sinks: { table: this.seam.sink(new FakeSink({ clock: client.clock, database }), 'table') },
      commitIntervalMs: COMMIT_INTERVAL_MS,
    })
    const broker = this.seam.broker(client)
    const parts = { app, broker, clock: client.clock, random: () => 0, log: silentLog, stats: this.stats }
    this.engine = await settled(this.clock, Engine.start(parts))
  }

  append(deed: Deed, at: number): void {
    const [partition, value] = [at % PARTITIONS, deed === 'garbage' ? '{' : JSON.stringify(deed)]
    const { offset } = this.broker.append('clicks', { value, key: `key ${at}`, partition, headers: { h: 'four' } })
    this.given.push({ partition, offset, deed, bytes: value.length + `key ${at}`.length + 'h'.length + 'four'.length })
  }

  letGo(): void {
    this.isHeld = false
    for (const end of this.#held.splice(0)) end()
  }

  /** Takes the page as it is now. */
  async scrape(): Promise<void> {
    const lines = (await this.registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    this.page = new Map(
      lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
    )
  }

  /** Of those that were given, the number with one of these deeds (of all, unless named), in one partition or in both. */
  count(named: readonly Deed[] = deeds, partition?: number): number {
    return this.#select(named, partition).length
  }

  bytes(named: readonly Deed[] = deeds, partition?: number): number {
    return this.#select(named, partition).reduce((sum, { bytes }) => sum + bytes, 0)
  }

  get open(): readonly Deed[] {
    return this.isHeld ? ['hold'] : []
  }

  get done(): readonly Deed[] {
    return ['topic', 'row', 'nothing', 'fails-once', ...(this.isHeld ? [] : (['hold'] as const))]
  }

  /** Where the position has to stand: at the first record that is held, or at the end. */
  position(partition: number): number {
    const open = this.#select(this.open, partition)
    return open[0]?.offset ?? this.broker.log({ topic: 'clicks', partition }).end
  }

  #select(named: readonly Deed[], partition: number | undefined): Given[] {
    return this.given.filter(
      (each) => named.includes(each.deed) && (partition === undefined || each.partition === partition),
    )
  }

  #act(deed: Deed, attempt: number, id: string): Outcome | Promise<Outcome> {
    switch (deed) {
      case 'topic':
        return done([out.record(id), out.record(id)])
      case 'row':
        return done([rows.upsert({ id })])
      case 'refused':
        return done([rows.upsert({ id: `refused ${id}` }), out.record(id)])
      case 'skip':
        return skip()
      case 'dead':
        return deadLetter('as planned')
      case 'fails-once':
      case 'fails':
        if (deed === 'fails' || attempt === 1) throw Object.assign(new Error('as planned'), { code: `E_${id}` })
        return done()
      case 'hold':
        return this.isHeld ? new Promise((resolve) => this.#held.push(() => resolve(done()))) : done()
      case 'nothing':
      case 'garbage':
        return done()
    }
  }
}

/** Values by labels as the page writes them, without the braces. For a histogram its number of observations. */
type Expected = Readonly<Record<string, number>>
type Account =
  ((world: World) => Expected) | { readonly shownBy: string; readonly says: string } | { readonly because: string }
type MetricName = (typeof metricTable)[number]['name']

const deadDeeds = ['dead', 'fails', 'garbage', 'refused'] as const

const accounts: Readonly<Record<MetricName, Account>> = {
  troupe_records_received_total: perPartition((world, at) => world.count(deeds, at)),
  troupe_received_bytes_total: perPartition((world, at) => world.bytes(deeds, at)),
  troupe_records_processed_total: (world) => ({
    ...outcome('done', (at) => world.count(world.done, at)),
    ...outcome('skipped', (at) => world.count(['skip'], at)),
    ...outcome('dead_lettered', (at) => world.count(deadDeeds, at)),
    ...outcome('already_finished', () => 0),
  }),
  troupe_records_dropped_total: perPartition(() => 0),
  // A held record's try has not ended. Garbage never reaches the handler, and is a try all the same.
  troupe_record_attempts_total: perPartition(
    (world, at) => (world.calls.get(String(at)) ?? 0) - world.count(world.open, at) + world.count(['garbage'], at),
  ),
  troupe_record_retries_total: perPartition(
    (world, at) => (world.calls.get(String(at)) ?? 0) - world.count(deeds, at) + world.count(['garbage'], at),
  ),
  troupe_attempt_failures_total: (world) => ({
    'actor="mix",code="HANDLER_FAILED"': world.count(['fails-once']) + ATTEMPTS * world.count(['fails']),
    'actor="mix",code="DEAD_LETTER"': world.count(['dead']),
    'actor="mix",code="DECODE_FAILED"': world.count(['garbage']),
  }),
  troupe_attempts_given_up_total: {
    shownBy: 'supervisor/left-over-calls.test.ts',
    says: 'attemptsGivenUp',
  },
  troupe_set_alone_total: { shownBy: 'actors/executors/batch-executor.test.ts', says: 'setAlone' },
  troupe_records_aside_total: { shownBy: 'operators/operator-engine.test.ts', says: 'troupe_records_aside_total{' },
  troupe_left_over_calls: { shownBy: 'supervisor/left-over-calls.test.ts', says: 'leftOverCalls' },
  troupe_throttles_total: { shownBy: 'supervisor/pacing.test.ts', says: '.throttles).toBe(' },
  troupe_throttled: { shownBy: 'supervisor/pacing.test.ts', says: '.isThrottled' },
  troupe_concurrency_limit: { shownBy: 'supervisor/pacing.test.ts', says: '.concurrencyLimit' },
  troupe_answers_overdue: { shownBy: 'metrics/open-waits.test.ts', says: 'overdue(' },
  troupe_answers_overdue_total: { shownBy: 'metrics/open-waits.test.ts', says: 'overdue(' },
  troupe_skipped_failures_total: {
    shownBy: 'metrics/failure-codes.test.ts',
    says: "series('troupe_skipped_failures_total')",
  },
  troupe_dead_letters_total: (world) => {
    const codes: Record<string, number> = {}
    for (const { headers } of world.broker.records('dead')) {
      const said = Buffer.from(new Map(headers).get('troupe.code') ?? []).toString()
      const label = `actor="mix",code="${said}"`
      codes[label] = (codes[label] ?? 0) + 1
    }
    expect(Object.values(codes).reduce((sum, count) => sum + count, 0)).toBe(world.count(deadDeeds))
    return codes
  },
  troupe_handler_duration_seconds: (world) => ({ 'actor="mix"': allTries(world) }),
  troupe_record_latency_seconds: (world) => ({ 'actor="mix"': world.count() - world.count(world.open) }),
  troupe_records_in_flight: perPartition((world, at) => world.count(world.open, at)),
  // What records weigh against intake.maxBytes: 512 each and 128 a header, on top of their bytes.
  troupe_bytes_in_flight: perPartition(
    (world, at) => world.bytes(world.open, at) + (512 + 128) * world.count(world.open, at),
  ),
  troupe_parked_records: { shownBy: 'actors/failed-records.test.ts', says: 'parked: 1,' },
  troupe_waiting_records: { shownBy: 'actors/failed-records.test.ts', says: 'waitingRecords: 4,' },
  troupe_retrying_records: { shownBy: 'supervisor/status/troubles.test.ts', says: 'troupe_retrying_records{' },
  troupe_oldest_retry_age_seconds: {
    shownBy: 'supervisor/status/troubles.test.ts',
    says: 'troupe_oldest_retry_age_seconds{',
  },
  troupe_open_troubles: { shownBy: 'supervisor/status/troubles.test.ts', says: 'troupe_open_troubles{' },
  troupe_intake_stopped_by_waiting_keys: { shownBy: 'actors/failed-records.test.ts', says: 'isStoppedByKeys: true,' },
  troupe_consumer_lag_records: perPlace(
    (world, partition) => world.broker.log({ topic: 'clicks', partition }).end - world.position(partition),
  ),
  troupe_safe_position: perPlace((world, partition) => world.position(partition)),
  troupe_committed_position: perPlace((world, partition) => {
    const committed = world.broker.committed({ topic: 'clicks', partition })?.position
    expect(committed).toBe(world.position(partition))
    return committed ?? -1
  }),
  troupe_commits_total: ({ seam }) =>
    Object.fromEntries(Object.entries(seam.commits).map(([result, n]) => [`result="${result.replace('-', '_')}"`, n])),
  troupe_commit_interval_seconds: () => ({ '': COMMIT_INTERVAL_MS / 1000 }),
  troupe_completion_map_bytes_total: ({ seam }) => ({ '': seam.mapBytes }),
  troupe_completion_map_left_out: { shownBy: 'streams/delivery/committer-maps.test.ts', says: 'isMapLeftOut' },
  troupe_out_of_range_total: { shownBy: 'supervisor/assignment.test.ts', says: 'outOfRange).toBe(1)' },
  troupe_topic_replaced_total: { shownBy: 'supervisor/topic-origins.test.ts', says: 'topicReplaced' },
  troupe_foreign_metadata_total: { shownBy: 'supervisor/assignment.test.ts', says: 'foreignMetadata).toBe(1)' },
  troupe_checkpoints_total: { shownBy: 'metrics/checkpoint-accounts.test.ts', says: 'troupe_checkpoints_total' },
  troupe_checkpoint_handled_records_total: {
    shownBy: 'metrics/checkpoint-accounts.test.ts',
    says: 'troupe_checkpoint_handled_records_total',
  },
  troupe_checkpoint_written_records_total: {
    shownBy: 'metrics/checkpoint-accounts.test.ts',
    says: 'troupe_checkpoint_written_records_total',
  },
  troupe_checkpoint_output_bytes_total: {
    shownBy: 'metrics/checkpoint-accounts.test.ts',
    says: 'troupe_checkpoint_output_bytes_total',
  },
  troupe_checkpoint_step_duration_seconds: {
    shownBy: 'metrics/checkpoint-accounts.test.ts',
    says: 'troupe_checkpoint_step_duration_seconds_count{',
  },
  troupe_state_keys: { shownBy: 'metrics/checkpoint-accounts.test.ts', says: 'troupe_state_keys' },
  troupe_state_bytes: { shownBy: 'metrics/checkpoint-accounts.test.ts', says: 'troupe_state_bytes' },
  troupe_restoring_partitions: { shownBy: 'metrics/checkpoint-accounts.test.ts', says: 'troupe_restoring_partitions{' },
  troupe_restores_total: { shownBy: 'metrics/checkpoint-accounts.test.ts', says: 'troupe_restores_total{' },
  troupe_restored_records_total: {
    shownBy: 'metrics/checkpoint-accounts.test.ts',
    says: 'troupe_restored_records_total{',
  },
  troupe_restored_bytes_total: { shownBy: 'metrics/checkpoint-accounts.test.ts', says: 'troupe_restored_bytes_total{' },
  troupe_oldest_checkpoint_age_seconds: {
    shownBy: 'metrics/metrics.test.ts',
    says: 'troupe_oldest_checkpoint_age_seconds 2.5',
  },
  troupe_transactions_aborted_total: {
    shownBy: 'streams/delivery/checkpoint/exactly-once.test.ts',
    says: 'stats.checkpoints.aborts[fault]).toBe(1)',
  },
  troupe_checkpoint_rewinds_total: {
    shownBy: 'streams/delivery/checkpoint/exactly-once.test.ts',
    says: 'stats.checkpoints.rewinds).toBe(2)',
  },
  troupe_restore_offsets_left: { shownBy: 'metrics/metrics.test.ts', says: 'troupe_restore_offsets_left{' },
  troupe_restore_left_seconds: { shownBy: 'metrics/metrics.test.ts', says: 'troupe_restore_left_seconds{' },
  troupe_rebalances_total: ({ seam }) => ({
    'type="assign"': seam.answers.assign,
    'type="revoke"': seam.answers.revoke,
    'type="lost"': 0,
  }),
  troupe_partitions_assigned: ({ seam }) => ({ 'actor="mix",topic="clicks"': seam.assigned.size }),
  troupe_partitions_paused: ({ seam }) => ({ 'actor="mix",topic="clicks"': seam.paused.size }),
  troupe_pauses_total: perPlace(({ seam }, at) => seam.pauses.get(`clicks/${at}`) ?? 0),
  troupe_epoch: ({ seam }) => ({ '': seam.starts }),
  troupe_drain_duration_seconds: () => ({ '': 0 }),
  troupe_drain_timeouts_total: () => ({ '': 0 }),
  troupe_batch_records: { shownBy: 'threads/worker-pool.test.ts', says: '.batchRecords.sum).toBe(500)' },
  troupe_binding_constraint: { shownBy: 'supervisor/status/load-watch.test.ts', says: ".constraint).toBe('limit')" },
  troupe_threads: { shownBy: 'threads/bad-threads.test.ts', says: 'stats.threads.idle === 1' },
  troupe_thread_restarts_total: { shownBy: 'threads/bad-threads.test.ts', says: 'stats.threadRestarts).toBe(1)' },
  troupe_thread_recycles_total: { shownBy: 'threads/bad-threads.test.ts', says: 'stats.threadRecycles).toBe(1)' },
  troupe_sink_writes_total: perSink(({ unavailable, written }) => ({ durable: written, unavailable })),
  troupe_sink_outputs_total: perSink(({ durable, refused }) => ({ durable, refused, purged: 0 })),
  troupe_sink_write_duration_seconds: perSink(({ written }) => written),
  troupe_sink_batch_outputs: perSink(({ written }) => written),
  troupe_sink_queue_outputs: perSink(({ open }) => open),
  troupe_sink_available: perSink(() => 1),
  troupe_schema_registry_requests_total: {
    shownBy: 'streams/registry/registry-client.test.ts',
    says: "expect(outcomes).toEqual(['unreachable', 'answered', 'answered'])",
  },
  troupe_schemas_awaited: { shownBy: 'streams/registry/schema-book.test.ts', says: 'stats.waiting()).toBe(0)' },
  troupe_restarts_total: { shownBy: 'integration/restart.test.ts', says: 'stats.restarts).toBe(1)' },
  troupe_trouble_total: ({ seam }) =>
    Object.fromEntries([...seam.troubles].map(([code, count]) => [`code="${code}"`, count])),
  troupe_table_rows_unreadable_total: {
    shownBy: 'operators/tables/global-table-of.test.ts',
    says: 'stats.unreadableRows).toEqual',
  },
  troupe_log_lines_dropped_total: { shownBy: 'embedded/unread-log.test.ts', says: 'toHaveLength(RECORDS - dropped)' },
  troupe_event_loop_delay_seconds: { because: 'it is how late this very process is: nothing else can count it' },
}

function allTries(world: World): number {
  const one = world.count() - world.count(['fails', 'fails-once', ...world.open])
  return one + (tries['fails-once'] ?? 1) * world.count(['fails-once']) + (tries.fails ?? 1) * world.count(['fails'])
}

function perPartition(read: (world: World, partition: number) => number): (world: World) => Expected {
  return (world) =>
    Object.fromEntries(
      partitions().map((at) => [`actor="mix",topic="clicks",partition="${at}"`, read(world, at)] as const),
    )
}

function perPlace(read: (world: World, partition: number) => number): (world: World) => Expected {
  return (world) =>
    Object.fromEntries(partitions().map((at) => [`topic="clicks",partition="${at}"`, read(world, at)] as const))
}

function outcome(name: string, read: (partition: number) => number): Expected {
  return Object.fromEntries(
    partitions().map((at) => [`actor="mix",topic="clicks",partition="${at}",outcome="${name}"`, read(at)] as const),
  )
}

function perSink(read: (counts: WriteCounts) => number | Readonly<Record<string, number>>): (world: World) => Expected {
  return ({ seam }) =>
    Object.fromEntries(
      [...seam.writes].flatMap(([sink, counts]) => {
        const value = read(counts)
        if (typeof value === 'number') return [[`sink="${sink}"`, value] as const]
        return Object.entries(value).map(([result, n]) => [`sink="${sink}",result="${result}"`, n] as const)
      }),
    )
}

function partitions(): number[] {
  return Array.from({ length: PARTITIONS }, (_, at) => at)
}

/** What the page says of a metric, by labels; of a histogram how often it observed. */
function shown(world: World, name: string, type: string): Expected {
  const series = type === 'histogram' ? `${name}_count` : name
  return Object.fromEntries(
    [...world.page].flatMap(([text, value]) => {
      if (text === series) return [['', value] as const]
      return text.startsWith(`${series}{`) ? [[text.slice(series.length + 1, -1), value] as const] : []
    }),
  )
}

const counted = metricTable.filter(({ name }) => typeof accounts[name] === 'function')
const elsewhere = Object.entries(accounts).flatMap(([name, account]) =>
  'shownBy' in account ? [[name, account.shownBy, account.says] as const] : [],
)

test('every metric has an account', () => {
  expect(Object.keys(accounts).sort()).toEqual(metricTable.map(({ name }) => name).sort())
})

test.each(elsewhere)('%s is counted by %s', (_name, file, says) => {
  expect(readFileSync(new URL(`../${file}`, import.meta.url), 'utf8')).toContain(says)
})

describe('agrees with an independent count', () => {
  const world = new World()

  describe('while some records are held by their handler', () => {
    beforeAll(async () => {
      await world.start()
      for (let at = 0; at < 10 * deeds.length + 7; at += 1) world.append(deeds[(at * 7) % deeds.length]!, at)
      await world.clock.advance(10_000)
      await world.scrape()
    })

    test.each(counted.map(({ name, type }) => [name, type] as const))('%s', (name, type) => {
      expect(shown(world, name, type)).toEqual((accounts[name] as (of: World) => Expected)(world))
    })
  })

  describe('when all is finished', () => {
    beforeAll(async () => {
      world.letGo()
      await world.clock.advance(10_000)
      await world.scrape()
    })

    test.each(counted.map(({ name, type }) => [name, type] as const))('%s', (name, type) => {
      expect(shown(world, name, type)).toEqual((accounts[name] as (of: World) => Expected)(world))
    })
  })
})
