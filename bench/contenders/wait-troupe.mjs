// Troupe with its defaults, a handler that waits.
import { setTimeout as sleep } from 'node:timers/promises'
import { bytes, defineHandler, skip, startSupervisor, topic as topicNamed } from 'troupe'

export async function run({ brokers, topic, group, settings, meter }) {
  const handler = defineHandler({
    input: topicNamed(topic, { value: bytes }),
    async handle() {
      await sleep(settings.waitMs)
      meter.count()
      return skip()
    },
  })
  const supervisor = await startSupervisor({
    kafka: { brokers, groupId: group },
    actors: [{ name: 'bench', handler, runOn: 'main', order: settings.order }],
    log: { level: 'error' },
  })
  return () => supervisor.stop()
}
