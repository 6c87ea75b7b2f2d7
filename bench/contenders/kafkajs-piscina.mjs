// kafkajs, each batch as one Piscina task a record and a Promise.all: what is written by hand most often.
import { isMainThread, setEnvironmentData, getEnvironmentData } from 'node:worker_threads'
import { latePercent, makeHandler, makeShared } from './work.mjs'

export async function run({ brokers, topic, group, settings, meter }) {
  const { connectKafkajs, subscribeKafkajs } = await import('./kafkajs.mjs')
  const { Piscina } = await import('piscina')
  const shared = makeShared(settings.keys, meter.shared)
  setEnvironmentData('bench', { work: settings.work, shared })
  meter.watch()
  meter.noteAtEnd(() => ({ latePercent: latePercent(shared) }))
  const pool = new Piscina({
    filename: new URL(import.meta.url).href,
    minThreads: settings.threads,
    maxThreads: settings.threads,
  })
  const consumer = await subscribeKafkajs({ kafka: connectKafkajs(brokers), topic, group })
  await consumer.run({
    // A copy: a value is a slice of the whole fetch, and that would be cloned for every task.
    eachBatch: ({ batch }) => Promise.all(batch.messages.map(({ value }) => pool.run(new Uint8Array(value)))),
  })
}

const handle = isMainThread ? undefined : makeHandler(getEnvironmentData('bench'))

export default function task(value) {
  handle(value)
}
