// Troupe with its defaults; notes its resident memory every so many records.
import { bytes, defineHandler, skip, startSupervisor, topic as topicNamed } from 'troupe'

export async function run({ brokers, topic, group, settings, meter }) {
  const course = {}
  meter.noteAtEnd(() => course)
  let handled = 0
  let sum = 0
  const handler = defineHandler({
    input: topicNamed(topic, { value: bytes }),
    handle(value) {
      sum += value[0]
      handled += 1
      // Before it is counted: with the last one the measuring is over.
      if (handled % settings.every === 0) course[handled] = process.memoryUsage.rss() / 2 ** 20
      meter.count()
      return skip()
    },
  })
  const supervisor = await startSupervisor({
    kafka: { brokers, groupId: group },
    actors: [{ name: 'bench', handler, runOn: 'main', order: settings.order }],
    log: { level: 'error' },
  })
  return async () => {
    await supervisor.stop()
    return sum
  }
}
