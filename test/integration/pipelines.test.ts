/** The pipelines on a real Kafka and a real PostgreSQL. Their accounts are read back with clients that are not Troupe's. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { startEmbeddedSchemaRegistry, type EmbeddedSchemaRegistry } from 'troupe/embedded'
import { CommandProcess, findFreePort } from '../support/command-process.ts'
import { bootstrapServers, kafkaIsAvailable } from '../support/real-kafka.ts'
import { startPostgres, type RealPostgres } from '../support/real-postgres.ts'

/** Until it is told to stop: however slowly the other starts, there is a middle to be killed in. */
const PER_SECOND = '400'
const PARTITIONS = 12
const pipelines = [
  ['clicks --avro', 'examples/clicks/avro/clicks.ts', 'enriched'],
  ['sensors', 'examples/sensors/sensors.ts', 'readings'],
  ['events', 'examples/events/events.ts', 'processed'],
] as const
const windowed = [
  ['sales', 'examples/sales/sales.ts', ['unique', 'repeats'], 'results'],
  ['fraud', 'examples/fraud/fraud.ts', ['compared'], 'alerts'],
] as const

describe.skipIf(!kafkaIsAvailable)('npm start on real servers', { timeout: 600_000 }, () => {
  const processes: CommandProcess[] = []
  let postgres: RealPostgres
  let registry: EmbeddedSchemaRegistry
  beforeAll(async () => {
    ;[postgres, registry] = await Promise.all([startPostgres(), startEmbeddedSchemaRegistry()])
  })
  afterEach(async () => {
    for (const process of processes.splice(0)) await process.kill()
    await registry.resume()
  })
  afterAll(async () => {
    await registry.stop()
    await postgres.stop()
  })

  function begin(make: (env: Record<string, string>) => CommandProcess): CommandProcess {
    const servers = { KAFKA_BROKERS: bootstrapServers, PG_URL: postgres.url, SCHEMA_REGISTRY_URL: registry.url }
    const process = make(servers)
    processes.push(process)
    return process
  }

  /** A metric, summed over its labels. */
  async function readMetric(process: CommandProcess, port: number, name: string): Promise<number> {
    if (!process.isRunning) throw new Error(`it has ended: ${process.stderr}`)
    const page = await fetch(`http://127.0.0.1:${port}/metrics`).then(
      (answer) => answer.text(),
      () => '',
    )
    const lines = page.split('\n').filter((line) => line.startsWith(`${name}{`))
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
  }

  /** The accounts of a run in which one of two processes was killed. `topics`: so many its actors read. */
  async function runWithKill(words: string, app: string, topics: number): Promise<Record<string, number>> {
    const [port, otherPort] = [await findFreePort(), await findFreePort()]
    const args = [...words.split(' '), '--rate', PER_SECOND, '--json', '--http-port', `${port}`]
    const first = begin((env) => CommandProcess.node('test/integration/members/start.mjs', args, { env }))
    const owned = (): Promise<number> => readMetric(first, port, 'troupe_partitions_assigned')
    await expect.poll(owned, { interval: 50 }).toBe(topics * PARTITIONS)
    const quickly = ['--kafka-session-timeout-ms', '10000', '--http-host', '127.0.0.1', '--http-port', `${otherPort}`]
    const second = begin((env) => CommandProcess.troupe(['run', app, ...quickly], { env }))
    const handled = (): Promise<number> => readMetric(second, otherPort, 'troupe_records_processed_total')
    await expect.poll(handled, { interval: 50 }).toBeGreaterThan(100)
    await registry.interrupt()
    await second.kill()
    await expect.poll(owned, { interval: 50 }).toBe(topics * PARTITIONS)
    const end = await first.stop()
    expect(end, end.stderr).toMatchObject({ code: 0 })
    return JSON.parse(end.stdout.trim().split('\n').at(-1) ?? '') as Record<string, number>
  }

  test.each(pipelines)(
    '%s loses nothing, also when one of two is killed while the registry is away',
    async (words, app, out) => {
      const accounts = await runWithKill(words, app, 1)
      expect(accounts).toMatchObject({ lost: 0, outOfOrder: 0, wrongRows: 0 })
      expect(accounts[out]).toBeGreaterThan(100)
      expect(accounts['in']).toBe((accounts[out] ?? 0) + (accounts['deadLettered'] ?? 0))
    },
  )

  test.each(windowed)(
    '%s comes to what a plain computation over its input comes to, each result once, also when one of two is killed',
    async (name, app, parts, results) => {
      const accounts = await runWithKill(name, app, 3)
      const none = { lost: 0, strays: 0, duplicates: 0, missing: 0, wrong: 0, wrongRows: 0 }
      expect(accounts).toMatchObject(none)
      expect(accounts[results]).toBeGreaterThan(10)
      const found = [...parts, 'deadLettered'].map((part) => accounts[part] ?? 0)
      expect(accounts['in']).toBe(found.reduce((sum, part) => sum + part, 0))
    },
  )
})
