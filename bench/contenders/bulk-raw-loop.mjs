// The native client by hand: as many records together as a call of Troupe has, as many calls at the same time as there are partitions. No order, no retry, positions committed blindly.
import kafka from '@confluentinc/kafka-javascript'
import { postAll } from './bulk-call.mjs'

export async function run({ brokers, topic, group, settings, meter }) {
  const consumer = new kafka.KafkaConsumer(
    { 'bootstrap.servers': brokers, 'group.id': group, 'enable.auto.commit': true },
    { 'auto.offset.reset': 'earliest' },
  )
  consumer.setDefaultConsumeTimeout(100)
  consumer.setDefaultIsTimeoutOnlyForFirstMessage(true)
  await new Promise((resolve, reject) => consumer.connect({}, (error) => (error ? reject(error) : resolve())))
  consumer.subscribe([topic])
  let calls = 0
  let records = 0
  meter.noteAtEnd(() => ({ recordsPerCall: records / calls }))
  const inFlight = new Set()
  const post = async (values) => {
    await postAll(settings.url, values)
    calls += 1
    records += values.length
    meter.count(values.length)
  }
  let values = []
  while (records < Infinity) {
    const taken = await new Promise((resolve, reject) =>
      consumer.consume(500, (error, some) => (error ? reject(error) : resolve(some))),
    )
    for (const { value } of taken) values.push(value)
    // At the end of the topic what there is goes.
    if (values.length === 0 || (values.length < settings.maxRecords && taken.length > 0)) continue
    const call = post(values).finally(() => inFlight.delete(call))
    inFlight.add(call)
    values = []
    if (inFlight.size >= settings.partitions) await Promise.race(inFlight)
  }
}
