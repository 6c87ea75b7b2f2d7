// Troupe, a batch handler on main that makes one bulk request for each call: the order of keys and retries are its defaults.
import { bytes, defineBatchHandler, done, startSupervisor, topic as topicNamed } from 'troupe'
import { postAll } from './bulk-call.mjs'

export async function run({ brokers, topic, group, settings, meter }) {
  let calls = 0
  let counted = 0
  meter.noteAtEnd(() => ({ recordsPerCall: counted / calls }))
  const handler = defineBatchHandler({
    input: topicNamed(topic, { value: bytes }),
    maxRecords: settings.maxRecords,
    maxBytes: settings.maxRecords * 1_024,
    maxWaitMs: 50,
    async handle(records) {
      await postAll(
        settings.url,
        records.map(({ value }) => value),
      )
      calls += 1
      counted += records.length
      meter.count(records.length)
      return done()
    },
  })
  const supervisor = await startSupervisor({
    kafka: { brokers, groupId: group },
    actors: [{ name: 'bench', handler, runOn: 'main', concurrency: settings.partitions * settings.maxRecords }],
    log: { level: 'error' },
  })
  return () => supervisor.stop()
}
