// Brings a changelog into stores: by what Troupe restores with, or by a bare loop of the same client that writes into the same stores.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import kafka from '@confluentinc/kafka-javascript'
import { systemClock as clock } from '../../../dist/clock.js'
import { silentLog } from '../../../dist/log.js'
import { RestoreProgress } from '../../../dist/metrics/restore-stats.js'
import { Restorer } from '../../../dist/state/restore/restorer.js'
import { openStores } from '../../../dist/state/stores/open-stores.js'
import { createKafkaBroker } from '../../../dist/streams/kafka/broker.js'

const lookMs = 5

export async function run(task) {
  const { group, settings, meter } = task
  const folder = mkdtempSync(join(tmpdir(), 'troupe-bench-'))
  const state = { store: settings.store, directory: settings.store === 'disk' ? join(folder, 'state') : null }
  const stores = await openStores({ state, clock, log: silentLog })
  const opened = await Promise.all(
    Array.from({ length: settings.partitions }, (_, partition) =>
      stores.open({ groupId: group, actor: 'bench', partition, changelogId: null, deleteRetentionMs: 86_400_000 }),
    ),
  )
  const beganAtMs = performance.now()
  const end = settings.isBare ? await readBare(task, opened) : restore(task, opened)
  meter.noteAtEnd(async () => {
    await end()
    const seconds = (performance.now() - beganAtMs) / 1000
    const keys = opened.reduce((sum, { keyCount }) => sum + keyCount, 0)
    await stores.close()
    rmSync(folder, { recursive: true, force: true })
    return { wholeSeconds: seconds, keys }
  })
}

/** What it resolves with waits until all is restored. */
function restore({ brokers, topic, group, meter }, stores) {
  const broker = createKafkaBroker({
    brokers: brokers.split(','),
    groupId: group,
    groupProtocol: 'classic',
    client: {},
    commitIntervalMs: 100,
    maxPollIntervalMs: 300_000,
    clock,
    log: () => undefined,
  })
  const restorer = new Restorer({ openReader: () => broker.reader('restore'), clock })
  const { signal } = new AbortController()
  const all = stores.map((store, partition) => {
    const progress = new RestoreProgress('bench', partition, clock.now())
    return { progress, ended: restorer.restore({ changelog: { topic, partition }, store, progress }, signal) }
  })
  let counted = 0
  setInterval(() => {
    const records = all.reduce((sum, { progress }) => sum + progress.records, 0)
    if (records > counted) meter.count(records - counted)
    counted = records
  }, lookMs)
  return () => Promise.all(all.map(({ ended }) => ended))
}

/** Reads on while a batch is written. */
async function readBare({ brokers, topic, group, settings, meter }, stores) {
  const consumer = new kafka.KafkaConsumer(
    { 'bootstrap.servers': brokers, 'group.id': group, 'enable.auto.commit': false, ...settings.client },
    { 'auto.offset.reset': 'earliest' },
  )
  consumer.setDefaultConsumeTimeout(50)
  consumer.setDefaultIsTimeoutOnlyForFirstMessage(true)
  await new Promise((resolve, reject) => consumer.connect({}, (error) => (error ? reject(error) : resolve())))
  consumer.assign(stores.map((_, partition) => ({ topic, partition, offset: 0 })))
  let left = settings.records
  let writing = Promise.resolve()
  async function write(records) {
    const byPartition = stores.map(() => [])
    const positions = stores.map(() => 0)
    for (const { key, offset, partition, value } of records) {
      byPartition[partition].push([key, value])
      positions[partition] = offset + 1
    }
    for (const [partition, changes] of byPartition.entries()) {
      if (changes.length === 0) continue
      const mark = { changelogPosition: positions[partition], streamTime: null, checkpoint: 0 }
      await stores[partition].write(changes, mark)
    }
  }
  async function read() {
    while (left > 0) {
      const records = await new Promise((resolve, reject) =>
        consumer.consume(500, (error, taken) => (error ? reject(error) : resolve(taken))),
      )
      left -= records.length
      await writing
      meter.count(records.length)
      writing = write(records)
    }
    await writing
  }
  const reading = read()
  return () => reading
}
