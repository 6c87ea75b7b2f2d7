// Troupe with its defaults, the work on threads. A record is done when its output has come to a sink on main.
import { setEnvironmentData } from 'node:worker_threads'
import { startSupervisor } from 'troupe'
import { startGenerator, watchLatencies } from './latency.mjs'

export async function run({ brokers, topic, group, settings, meter }) {
  const { end } = watchLatencies({ meter, settings })
  setEnvironmentData('bench', { topic, work: settings.work })
  const ends = {
    maxBatch: 1000,
    open: () => Promise.resolve(),
    prepare: () => Promise.resolve(),
    write(batch) {
      for (const { output } of batch) {
        const [atMs, sentLateMs, number] = output.values.map(Number)
        end({ atMs, sentLateMs, number })
      }
      return Promise.resolve(batch.map(() => null))
    },
    close: () => Promise.resolve(),
  }
  const handler = new URL('./latency-work.mjs', import.meta.url)
  const supervisor = await startSupervisor({
    kafka: { brokers, groupId: group },
    threads: { count: settings.threads },
    actors: [{ name: 'bench', handler, runOn: 'threads', order: 'key', startFrom: 'latest' }],
    sinks: { ends },
    log: { level: 'error' },
  })
  const isAssigned = () => supervisor.status().partitions.length === settings.partitions
  while (!isAssigned()) await new Promise((resolve) => setTimeout(resolve, 10))
  const stop = startGenerator({ brokers, topic, settings })
  return async () => {
    stop()
    await supervisor.stop()
  }
}
