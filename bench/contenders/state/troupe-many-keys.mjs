// Troupe with its defaults: the last value of each of very many keys is kept in memory.
import { bytes, defineHandler, skip, startSupervisor, state, topic as topicNamed } from 'troupe'
import { Written } from './written.mjs'

export async function run(task) {
  const { brokers, topic, group, settings, meter } = task
  const written = await Written.begin(task)
  const handler = defineHandler({
    name: 'keep',
    input: topicNamed(topic, { value: bytes }),
    state: { last: state({ codec: bytes }) },
    handle(value, { state: { last } }) {
      const before = last.get()
      last.set(before === undefined ? value : before)
      meter.count()
      return skip()
    },
  })
  const supervisor = await startSupervisor({
    kafka: { brokers, groupId: group },
    actors: [{ handler, runOn: 'main', order: 'key' }],
    state: { store: settings.store, directory: settings.directory },
    log: { level: 'error' },
  })
  meter.noteAtEnd(async () => {
    const rssMb = process.memoryUsage.rss() / 2 ** 20
    await supervisor.stop()
    return { rssMb, ...(await written.perInput()) }
  })
}
