/**
 * Starts and stops supervisors over and over in this one process (needs --expose-gc), each with a handler on a thread, one
 * on main, and HTTP. After each round prints what the process holds, as a line of JSON. Several at once, because the
 * embedded broker lets a new group wait for three seconds.
 *
 *   node --expose-gc start-stop.mjs <rounds> <supervisors at once>
 */
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Kafka, logLevel } from 'kafkajs'
import { defineApp, defineHandler, done, startSupervisor, topic } from 'troupe'
import { startEmbeddedBroker } from 'troupe/embedded'

const [rounds, atOnce] = process.argv.slice(2).map(Number)
const log = { debug() {}, info() {}, warn: report, error: report }
/** A thread, a socket or a file that has ended is still listed for a moment, which on a busy machine is a long one. */
const SETTLE_MS = 60_000
const REST_MS = 1_000

function report(_, message) {
  process.stderr.write(`${message}\n`)
}

/** Below the range from which outgoing connections take theirs: each is used again and again. */
async function freePort() {
  for (;;) {
    const port = randomInt(12_000, 32_000)
    const server = createServer().listen(port, '127.0.0.1')
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
}

function count() {
  const handles = {}
  for (const name of process.getActiveResourcesInfo()) handles[name] = (handles[name] ?? 0) + 1
  return { handles, threads: readdirSync('/proc/self/task').length, files: readdirSync('/proc/self/fd').length }
}

function isMore(now, before) {
  const names = Object.keys(now.handles)
  const handles = names.some((name) => now.handles[name] > (before.handles[name] ?? 0))
  return handles || now.threads > before.threads || now.files > before.files
}

/** Waits until nothing has changed for a while. */
async function rested() {
  const deadline = Date.now() + SETTLE_MS
  let now = count()
  for (let sinceMs = Date.now(); Date.now() - sinceMs < REST_MS && Date.now() < deadline; await sleep(50)) {
    const next = count()
    if (JSON.stringify(next) !== JSON.stringify(now)) sinceMs = Date.now()
    now = next
  }
  return now
}

/** What the process holds once that is no more than `before`, or in the end. */
async function settled(before) {
  const deadline = Date.now() + SETTLE_MS
  let now = count()
  while (isMore(now, before) && Date.now() < deadline) {
    await sleep(50)
    now = count()
  }
  return now
}

async function measure(before) {
  const now = before === undefined ? await rested() : await settled(before)
  for (let round = 0; round < 3; round += 1) {
    globalThis.gc()
    await sleep(0)
  }
  return { ...now, heapBytes: process.memoryUsage().heapUsed, rssBytes: process.memoryUsage.rss() }
}

const broker = await startEmbeddedBroker()
const kafka = new Kafka({ brokers: [broker.bootstrapServers], logLevel: logLevel.NOTHING })
const producer = kafka.producer()
await producer.connect()
await producer.sendBatch({
  topicMessages: ['scripts', 'others', 'results'].map((name) => ({
    topic: name,
    messages: Array.from({ length: 8 }, (_, index) => ({ key: `key ${index}`, value: JSON.stringify({ do: 'echo' }) })),
  })),
})
await producer.disconnect()

const ports = []
while (ports.length < atOnce) {
  const port = await freePort()
  if (!ports.includes(port)) ports.push(port)
}

async function cycle(port, groupId) {
  let handled = 0
  const others = defineHandler({
    input: topic('others'),
    outputs: [topic('results')],
    setup: () => ({}),
    handle: async (value) => {
      await sleep(1)
      handled += 1
      return done([topic('results').record(value)])
    },
  })
  const supervisor = await startSupervisor(
    defineApp({
      // A group of its own each time, so that each cycle has all records to read.
      kafka: { brokers: broker.bootstrapServers, groupId },
      actors: [
        { handler: others, order: 'key' },
        { handler: new URL('../threads/fixtures/scripted.js', import.meta.url), runOn: 'threads', order: 'key' },
      ],
      threads: { count: 1 },
      http: { port, host: '127.0.0.1' },
    }),
    { log },
  )
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  if (!text.includes('troupe_threads')) throw new Error('no metrics')
  while (handled < 8) await sleep(2)
  await supervisor.stop()
  const end = await supervisor.finished
  if (end.reason !== 'stopped') throw new Error(`it has ended: ${end.reason}`)
}

let first
for (let round = 1; round <= rounds; round += 1) {
  await Promise.all(ports.map((port, index) => cycle(port, `cycle-${round}-${index}`)))
  const held = await measure(first)
  first ??= held
  process.stdout.write(`${JSON.stringify({ cycles: round * atOnce, ...held })}\n`)
}
await broker.stop()
process.exit()
