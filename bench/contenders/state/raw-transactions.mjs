// The loop that one would write with the native client: counts in a Map, and every 100 ms one transaction with the outputs, the
// changed counts and the positions. It reads on meanwhile. No restore, no rebalance, no refusals: a bound, not a rival.
import { performance } from 'node:perf_hooks'
import kafka from '@confluentinc/kafka-javascript'
import { outputOf, Written } from './written.mjs'

const intervalMs = 100
const maxTurnMs = 5
/** As many records wait for their transaction as Troupe lets. */
const maxWaiting = 100_000

export async function run(task) {
  const { brokers, topic, group, settings, meter } = task
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
  const isPerRecord = settings.outputs === 'record'
  const counts = new Map()
  let next = { records: 0, outputs: [], changed: new Set(), positions: new Map() }
  let isOver = false
  let running = null
  let lastAtMs = performance.now()

  async function commit({ outputs, changed, positions }) {
    await ended((end) => producer.beginTransaction(end))
    let turnBeganMs = performance.now()
    const giveWay = async () => {
      if (performance.now() - turnBeganMs < maxTurnMs) return
      await new Promise(setImmediate)
      turnBeganMs = performance.now()
    }
    let sent = 0
    for (const { entry, total } of outputs) {
      producer.produce(output, entry.partition, Buffer.from(String(total)), entry.key)
      if (++sent % 128 === 0) await giveWay()
    }
    for (const entry of changed) {
      const value = Buffer.from(String(entry.total))
      if (!isPerRecord) producer.produce(output, entry.partition, value, entry.key)
      producer.produce(changelog, entry.partition, value, entry.key)
      if (++sent % 128 === 0) await giveWay()
    }
    const offsets = [...positions].map(([partition, offset]) => ({ topic, partition, offset }))
    await ended((end) => producer.sendOffsetsToTransaction(offsets, consumer, 30_000, end))
    await ended((end) => producer.commitTransaction(30_000, end))
  }

  meter.noteAtEnd(async () => {
    isOver = true
    await running
    return await written.perInput()
  })
  while (!isOver) {
    const records = await ended((end) => consumer.consume(500, end))
    for (const { key, partition, offset } of records) {
      const text = key.latin1Slice()
      let entry = counts.get(text)
      if (entry === undefined) counts.set(text, (entry = { key, partition, total: 0 }))
      entry.total += 1
      next.changed.add(entry)
      if (isPerRecord) next.outputs.push({ entry, total: entry.total })
      next.positions.set(partition, offset + 1)
      meter.count()
    }
    next.records += records.length
    if (next.records === 0 || performance.now() - lastAtMs < intervalMs) continue
    if (running !== null && next.records < maxWaiting) continue
    await running
    lastAtMs = performance.now()
    const frozen = next
    next = { records: 0, outputs: [], changed: new Set(), positions: new Map() }
    running = commit(frozen).finally(() => (running = null))
  }
}

function ended(start) {
  return new Promise((resolve, reject) => start((error, answer) => (error ? reject(error) : resolve(answer))))
}
