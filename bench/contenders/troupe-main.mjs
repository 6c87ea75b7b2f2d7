// Troupe with its defaults, the handler on main.
import { bytes, defineHandler, skip, startSupervisor, topic as topicNamed } from 'troupe'

export async function run({ brokers, topic, group, settings, meter }) {
  let sum = 0
  const handler = defineHandler({
    input: topicNamed(topic, { value: bytes }),
    handle(value) {
      sum += value[0]
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
