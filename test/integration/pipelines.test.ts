/** The pipelines on a real Kafka and a real PostgreSQL. Their accounts are read back with clients that are not Troupe's. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { startEmbeddedSchemaRegistry, type EmbeddedSchemaRegistry } from 'troupe/embedded'
import { CommandProcess, findFreePort } from '../support/command-process.ts'
import { bootstrapServers, kafkaIsAvailable } from '../support/real-kafka.ts'
import { startPostgres, type RealPostgres } from '../support/real-postgres.ts'

const RECORDS = 8_000
/** So that there is a middle to be killed in. */
const PER_SECOND = 400
const pipelines = [
  ['clicks --avro', 'examples/clicks/avro/clicks.ts', 'enriched'],
  ['sensors', 'examples/sensors/sensors.ts', 'readings'],
  ['events', 'examples/events/events.ts', 'processed'],
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

  /** Records that it has handled so far. */
  async function countHandled(port: number): Promise<number> {
    const page = await fetch(`http://127.0.0.1:${port}/metrics`).then(
      (answer) => answer.text(),
      () => '',
    )
    const lines = page.split('\n').filter((line) => line.startsWith('troupe_records_processed_total{'))
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
  }

  test.each(pipelines)(
    '%s loses nothing, also when one of two is killed while the registry is away',
    async (words, app, out) => {
      const args = [
        ...words.split(' '),
        '--records',
        `${RECORDS}`,
        '--rate',
        `${PER_SECOND}`,
        '--json',
        '--http-port',
        '0',
      ]
      const first = begin((env) => CommandProcess.node('test/integration/members/start.mjs', args, { env }))
      await expect.poll(() => first.stderr, { interval: 50 }).toContain('Ctrl-C drains')
      const port = await findFreePort()
      const quickly = ['--kafka-session-timeout-ms', '10000', '--http-host', '127.0.0.1', '--http-port', `${port}`]
      const second = begin((env) => CommandProcess.troupe(['run', app, ...quickly], { env }))
      await expect.poll(() => countHandled(port), { interval: 50 }).toBeGreaterThan(100)
      expect(first.isRunning).toBe(true)
      await registry.interrupt()
      await second.kill()
      const end = await first.ended
      expect(end, end.stderr).toMatchObject({ code: 0 })
      const accounts = JSON.parse(end.stdout.trim().split('\n').at(-1) ?? '') as Record<string, number>
      expect(accounts).toMatchObject({ in: RECORDS, lost: 0, outOfOrder: 0, wrongRows: 0 })
      expect(accounts[out]).toBe(RECORDS - (accounts['deadLettered'] ?? 0))
    },
  )
})
