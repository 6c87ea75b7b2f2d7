/** Whoever reads what `troupe run` says may stop reading, or go: records are handled all the same. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { Kafka, logLevel } from 'kafkajs'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { startEmbeddedBroker, type EmbeddedBroker } from '../../src/embedded/embedded.ts'
import { findFreePort } from '../support/command-process.ts'

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
/** So many that what they say is many times what a pipe, and the log's queue, hold. */
const RECORDS = 10_000

describe('troupe run whose output nobody reads', () => {
  let broker: EmbeddedBroker
  let child: ChildProcess
  let ended: Promise<unknown[]>
  let url = ''

  beforeAll(async () => {
    broker = await startEmbeddedBroker()
    const kafka = new Kafka({ brokers: [broker.bootstrapServers], logLevel: logLevel.NOTHING })
    const producer = kafka.producer()
    await producer.connect()
    for (let sent = 0; sent < RECORDS; sent += 1_000) {
      const messages = Array.from({ length: 1_000 }, (_, index) => ({ key: `${index}`, value: `${sent + index}` }))
      await producer.send({ topic: 'words', messages })
    }
    await producer.disconnect()
  })

  afterEach(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    for (const stream of [child.stdout, child.stderr]) stream?.destroy()
    await ended
  })

  afterAll(async () => {
    await broker.stop()
  })

  async function start(): Promise<void> {
    const port = await findFreePort()
    url = `http://127.0.0.1:${port}`
    const args = ['run', file('talkative-app.mjs'), '--http-port', `${port}`, '--kafka-group-id', `talkers-${port}`]
    const env = { ...process.env, KAFKA_BROKERS: broker.bootstrapServers }
    // Paused until somebody listens: what they are sent stays in the pipe.
    child = spawn(process.execPath, [file('../../dist/supervisor/cli/cli.js'), ...args], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    ended = once(child, 'exit')
  }

  async function count(metric: string): Promise<number> {
    const page = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(5_000) }).then(
      (answer) => answer.text(),
      () => '',
    )
    const series = page.split('\n').filter((line) => line.startsWith(`${metric}{`) || line.startsWith(`${metric} `))
    return series.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
  }

  test('goes on handling records, answers on its port, and drains at SIGTERM', async () => {
    await start()
    await expect.poll(() => count('troupe_records_processed_total'), { timeout: 60_000 }).toBe(RECORDS)
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
  })

  test('tells how many lines it has dropped, in the log and as a metric, when somebody reads again', async () => {
    await start()
    await expect.poll(() => count('troupe_records_processed_total'), { timeout: 60_000 }).toBe(RECORDS)
    const dropped = await count('troupe_log_lines_dropped_total')
    expect(dropped).toBeGreaterThan(0)
    let said = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text))
    child.stdout?.resume()
    await expect.poll(() => said, { timeout: 60_000 }).toContain(`${dropped} lines of the log were dropped`)
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
    const lines = said.trim().split('\n')
    for (const line of lines) expect(() => JSON.parse(line) as unknown, line).not.toThrow()
    expect(lines.filter((line) => line.includes('at words/'))).toHaveLength(RECORDS - dropped)
  })

  test('is no failure when whoever read it has gone', async () => {
    await start()
    child.stdout?.destroy()
    child.stderr?.destroy()
    await expect.poll(() => count('troupe_records_processed_total'), { timeout: 60_000 }).toBe(RECORDS)
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
  })
})
