// The loop that one would write with the native client: totals of each key's open window in a Map, and every 100 ms one transaction with
// what has closed, the changed totals and the positions. It reads on meanwhile. No late records, no restore, no rebalance, no refusals:
// a bound, not a rival.
import { performance } from 'node:perf_hooks'
import kafka from '@confluentinc/kafka-javascript'
import { outputOf, Written } from '../state/written.mjs'
import { checkFinals } from './checks.mjs'

const intervalMs = 100
const maxTurnMs = 5
/** As many records wait for their transaction as Troupe lets. */
const maxWaiting = 100_000

export async function run(task) {
  const { brokers, topic, group, settings, meter } = task
  const { data, sizeMs } = settings.check
  const changelog = `${group}-changelog`
  const written = await Written.begin(task, { others: [changelog] })
  const consumer = new kafka.KafkaConsumer(
    { 'bootstrap.servers': brokers, 'group.id': group, 'enable.auto.commit': false, ...settings.client },
    { 'auto.offset.reset': 'earliest' },
  )
  const producer = new kafka.Producer({
    'bootstrap.servers': brokers,
    'transactional.id': group,
    'queue.buffering.max.messages': 1_000_000,
    dr_cb: false,
  })
  consumer.setDefaultConsumeTimeout(100)
  consumer.setDefaultIsTimeoutOnlyForFirstMessage(true)
  await ended((end) => consumer.connect({}, end))
  await ended((end) => producer.connect({}, end))
  await ended((end) => producer.initTransactions(30_000, end))
  consumer.subscribe([topic])

  const output = outputOf(group)
  /** Of each partition: when its newest window began, and what its keys have in it. */
  const windows = new Map()
  const nothingYet = () => ({ records: 0, outputs: [], changed: new Set(), positions: new Map() })
  let next = nothingYet()
  let isOver = false
  let running = null
  let lastAtMs = performance.now()

  function take({ key, partition, timestamp, value, offset }) {
    const order = data.isOrders ? JSON.parse(value.toString()) : null
    const startMs = Math.floor((order?.timestamp ?? timestamp) / sizeMs) * sizeMs
    let open = windows.get(partition)
    if (open === undefined) windows.set(partition, (open = { startMs, entries: new Map() }))
    if (startMs > open.startMs) close(open, startMs)
    const text = key.latin1Slice()
    let entry = open.entries.get(text)
    if (entry === undefined) open.entries.set(text, (entry = { key, partition, startMs, total: 0 }))
    entry.startMs = startMs
    entry.total += order?.amount ?? 1
    next.changed.add(entry)
    next.positions.set(partition, offset + 1)
  }

  function close(open, startMs) {
    for (const entry of open.entries.values()) {
      if (entry.total === 0) continue
      next.outputs.push({ entry, value: Buffer.from(JSON.stringify({ startMs: entry.startMs, total: entry.total })) })
      entry.total = 0
      next.changed.add(entry)
    }
    open.startMs = startMs
  }

  /** What is changed is written as it is when its turn comes: at most some milliseconds later than the positions say. */
  async function commit({ outputs, changed, positions }) {
    await ended((end) => producer.beginTransaction(end))
    let turnBeganMs = performance.now()
    const giveWay = async () => {
      if (performance.now() - turnBeganMs < maxTurnMs) return
      await new Promise(setImmediate)
      turnBeganMs = performance.now()
    }
    let sent = 0
    for (const { entry, value } of outputs) {
      producer.produce(output, entry.partition, value, entry.key)
      if (++sent % 128 === 0) await giveWay()
    }
    for (const { key, partition, startMs, total } of changed) {
      const value = total === 0 ? null : Buffer.from(JSON.stringify([startMs, total]))
      producer.produce(changelog, partition, value, key)
      if (++sent % 128 === 0) await giveWay()
    }
    const offsets = [...positions].map(([partition, offset]) => ({ topic, partition, offset }))
    await ended((end) => producer.sendOffsetsToTransaction(offsets, consumer, 30_000, end))
    await ended((end) => producer.commitTransaction(30_000, end))
  }

  meter.noteAtEnd(async () => {
    isOver = true
    await running
    return { ...(await written.perInput()), ...(await checkFinals(task)) }
  })
  while (!isOver) {
    const records = await ended((end) => consumer.consume(500, end))
    for (const record of records) take(record)
    next.records += records.length
    if (next.records === 0 || performance.now() - lastAtMs < intervalMs) continue
    if (running !== null && next.records < maxWaiting) continue
    await running
    lastAtMs = performance.now()
    const frozen = next
    next = nothingYet()
    // Counted as what others commit is counted.
    running = commit(frozen).finally(() => {
      running = null
      meter.count(frozen.records)
    })
  }
}

function ended(start) {
  return new Promise((resolve, reject) => start((error, answer) => (error ? reject(error) : resolve(answer))))
}
