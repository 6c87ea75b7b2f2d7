/**
 * The schema registry is away while records come with a schema that nobody knows yet, and a process is killed meanwhile: the
 * clicks on Avro, on a real Kafka, PostgreSQL and registry. What came out is read back by avsc and clients that are not Troupe's.
 */
import avsc from 'avsc'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { enrichedClickSchema } from '../../examples/clicks/avro/flows.ts'
import { clicks, deadLetterTopic, enrichedClicks } from '../../examples/clicks/flows.ts'
import { createClickTable } from '../../examples/clicks/table.ts'
import { registerSchema } from '../../examples/pipeline/registry.ts'
import { clickSchema } from '../../schemas/click.ts'
import type { InstancesStatus } from '../../src/supervisor/instances/merged-answers.ts'
import { CommandProcess, findFreePort } from '../support/command-process.ts'
import { headerText, KafkaProbe, type ReadRecord } from '../support/kafka-probe.ts'
import { balanceLedger } from '../support/ledger.ts'
import { startKafka, type KafkaCluster } from '../support/real-kafka.ts'
import { startPostgres, type RealPostgres } from '../support/real-postgres.ts'
import { startRealRegistry } from '../support/real-registry.ts'
import { TcpProxy } from '../support/tcp-proxy.ts'

type RealRegistry = Awaited<ReturnType<typeof startRealRegistry>>

const OUTAGE_MS = Number(process.env['REGISTRY_OUTAGE_MS'] ?? 60_000)
const PARTITIONS = 6
const USERS = 200
const group = 'click-enricher'
/** Whose clicks come with the new schema once it is there; the others' must not wait for them. */
const isEarly = (user: number): boolean => user % 4 === 0

const newClickSchema = {
  ...clickSchema,
  fields: [...clickSchema.fields, { name: 'referrer', type: ['null', 'string'], default: null }],
}
const typeOf = (schema: object): avsc.Type => avsc.Type.forSchema(schema as avsc.Schema)
const oldType = typeOf(clickSchema)
const newType = typeOf(newClickSchema)
const enrichedType = typeOf(enrichedClickSchema)

const idOf = ({ offset, partition, topic }: ReadRecord): string => `${topic}/${partition}/${offset}`
const causeOf = (record: ReadRecord): string => (headerText(record, 'troupe-id') ?? 'no id').replace(/\/0$/, '')

describe('the schema registry under fire', { timeout: 600_000 }, () => {
  let cluster: KafkaCluster
  let probe: KafkaProbe
  let postgres: RealPostgres
  let registry: RealRegistry
  let proxy: TcpProxy
  let app: CommandProcess | undefined
  let port: number
  /** Through the proxy. */
  let url: string
  let made = 0

  beforeAll(async () => {
    ;[cluster, postgres, registry] = await Promise.all([startKafka(), startPostgres(), startRealRegistry()])
    probe = new KafkaProbe(cluster.bootstrapServers)
    const address = new URL(registry.url)
    proxy = await TcpProxy.start(Number(address.port))
    address.port = String(proxy.port)
    url = address.href
    for (const topic of [clicks.name, enrichedClicks.name, deadLetterTopic]) await probe.createTopic(topic, PARTITIONS)
    await createClickTable(postgres.url)
    await registerSchema(registry.url, `${enrichedClicks.name}-value`, enrichedClickSchema)
  })
  afterEach(async () => {
    registry.resume()
    proxy.restore()
    await app?.kill()
  })
  afterAll(async () => {
    await probe.close()
    await Promise.all([cluster.stop(), postgres.stop(), registry.stop(), proxy.stop()])
  })

  async function begin(): Promise<void> {
    port = await findFreePort()
    const env = { KAFKA_BROKERS: cluster.bootstrapServers, PG_URL: postgres.url, SCHEMA_REGISTRY_URL: url }
    const args = ['--instances', '2', '--kafka-session-timeout-ms', '10000', '--http-host', '127.0.0.1']
    app = CommandProcess.troupe(['run', 'examples/clicks/avro/clicks.ts', ...args, '--http-port', `${port}`], { env })
    await expect.poll(isReady, { interval: 200 }).toBe(true)
  }

  const ask = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${port}${path}`)

  async function isReady(): Promise<boolean> {
    if (app?.isRunning === false) throw new Error(`the app has ended: ${app.stderr}`)
    return await ask('/readyz').then(
      ({ status }) => status === 200,
      () => false,
    )
  }

  async function instances(): Promise<InstancesStatus['instances']> {
    return ((await (await ask('/status')).json()) as InstancesStatus).instances
  }

  async function produce(count: number, write: (user: number, click: object) => Buffer): Promise<void> {
    const records = Array.from({ length: count }, () => {
      const number = made++
      const user = 1 + (number % USERS)
      const timestamp = new Date(1_790_000_000_000 + number).toISOString()
      const fields = {
        user_id: user,
        session_id: user,
        timestamp,
        url: `https://shop.example/${number}`,
        ip: '8.8.8.8',
      }
      return { key: String(user), value: write(user, fields) }
    })
    await probe.produceAll(clicks.name, records)
  }

  const countOf = async (topic: string): Promise<number> =>
    (await probe.endOffsets(topic)).reduce((sum, end) => sum + end, 0)

  const framed = (type: avsc.Type, id: number, click: object): Buffer => {
    const header = Buffer.alloc(5)
    header.writeInt32BE(id, 1)
    return Buffer.concat([header, type.toBuffer(click)])
  }

  test.each([
    ['gone', () => proxy.cut(), () => proxy.restore()],
    ['hanging', () => registry.pause(), () => registry.resume()],
  ] as const)(
    'a registry that is %s for a minute while a schema is new and an instance is killed: clicks of that schema wait, the others go on, nothing is lost or dead-lettered',
    async (how, away, back) => {
      const subject = `${clicks.name}-value`
      const oldId = await registerSchema(registry.url, subject, clickSchema)
      await begin()
      await produce(2_000, (_, click) => framed(oldType, oldId, click))
      const before = made
      await expect.poll(() => countOf(enrichedClicks.name), { interval: 100 }).toBeGreaterThanOrEqual(made)

      // Another one each time: with a doc that differs.
      const newId = await registerSchema(registry.url, subject, { ...newClickSchema, doc: `A click, ${how}.` })
      away()
      const awayAtMs = performance.now()
      let early = 0
      const write = (user: number, click: object): Buffer => {
        if (!isEarly(user)) return framed(oldType, oldId, click)
        early += 1
        return framed(newType, newId, { ...click, referrer: 'https://search.example' })
      }
      let killed: number | null = null
      while (performance.now() - awayAtMs < OUTAGE_MS) {
        await produce(USERS, write)
        if (killed === null && performance.now() - awayAtMs > OUTAGE_MS / 4) {
          killed = (await instances())[0]?.pid ?? -1
          process.kill(killed, 'SIGKILL')
        }
        await sleep(500)
      }
      const awayMs = performance.now() - awayAtMs
      const late = made - before - early
      // All the others' clicks come out while the registry is away, also those of the killed instance's partitions.
      await expect.poll(() => outputsSince(before), { interval: 500 }).toEqual({ early: 0, others: late })
      expect(await countOf(deadLetterTopic)).toBe(0)
      expect(await (await ask('/metrics')).text()).toMatch(/troupe_schemas_awaited(\{[^}]*\})? [1-9]/)
      back()

      await expect.poll(() => outputsSince(before), { interval: 500 }).toEqual({ early, others: late })
      await expect
        .poll(async () => (await instances()).map(({ state }) => state), { interval: 500 })
        .toEqual(['running', 'running'])
      const ends = await probe.endOffsets(clicks.name)
      const positions = async () => (await probe.committedOffsets(group, clicks.name)).map(({ position }) => position)
      await expect.poll(positions, { interval: 500 }).toEqual(ends)
      const end = await app!.stop()
      expect(end.code, end.stderr).toBe(0)
      expect(end.stderr).toMatch(/schema registry http\S+: .*(ECONN|socket|closed|no whole answer within)/)

      const input = await probe.readAll(clicks.name)
      const output = await probe.readAll(enrichedClicks.name)
      const entries = input.map((record) => ({ id: idOf(record), key: String(record.key) }))
      const balance = balanceLedger(
        entries,
        output.map((record) => ({ id: causeOf(record) })),
      )
      console.log(
        `registry ${how} for ${Math.round(awayMs / 1000)} s: ${balance.inputs} clicks, ${early} of the new schema, lost ` +
          `${balance.lost.length}, out of order ${balance.orderViolations.length}, repeated ${balance.outputs - balance.inputs} (pid ${killed} killed)`,
      )
      expect(balance).toMatchObject({ lost: [], unexpected: [], orderViolations: [] })
      expect(await countOf(deadLetterTopic)).toBe(0)
      const [rows] = await postgres.query(
        'select count(*)::int as count, count(distinct url)::int as urls from enriched_clicks',
      )
      expect(rows).toEqual({ count: made, urls: made })
    },
  )

  /** Different clicks that have come out, of those that were made from this number on. */
  async function outputsSince(first: number): Promise<{ early: number; others: number }> {
    const urls = { early: new Set<string>(), others: new Set<string>() }
    for (const { value } of await probe.readAll(enrichedClicks.name)) {
      const click = enrichedType.fromBuffer(value!.subarray(5)) as { user_id: number; url: string }
      const number = Number(click.url.slice(click.url.lastIndexOf('/') + 1))
      if (number >= first) urls[isEarly(click.user_id) ? 'early' : 'others'].add(click.url)
    }
    return { early: urls.early.size, others: urls.others.size }
  }
})
