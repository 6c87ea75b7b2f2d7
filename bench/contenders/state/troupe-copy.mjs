// Troupe with its defaults, no state: each record goes on as it is, at least once or exactly once.
import { bytes, defineHandler, done, startSupervisor, topic as topicNamed } from 'troupe'
import { outputOf, Written } from './written.mjs'

export async function run(task) {
  const { brokers, topic, group, settings, meter } = task
  const written = await Written.begin(task)
  const copies = topicNamed(outputOf(group), { value: bytes })
  const handler = defineHandler({
    name: 'copy',
    input: topicNamed(topic, { value: bytes }),
    outputs: [copies],
    handle(value, { record }) {
      meter.count()
      return done([copies.record(value, { key: record.key })])
    },
  })
  const supervisor = await startSupervisor({
    kafka: { brokers, groupId: group },
    guarantee: settings.guarantee,
    actors: [{ handler, runOn: 'main', order: 'key' }],
    log: { level: 'error' },
  })
  meter.noteAtEnd(async () => {
    await supervisor.stop()
    return await written.perInput()
  })
}
