// Troupe with its defaults, the handler on threads.
import { setEnvironmentData } from 'node:worker_threads'
import { startSupervisor } from 'troupe'
import { latePercent, makeShared } from './work.mjs'

export async function run({ brokers, topic, group, settings, meter }) {
  const shared = makeShared(settings.keys, meter.shared)
  setEnvironmentData('bench', { topic, work: settings.work, shared })
  meter.watch()
  const supervisor = await startSupervisor({
    kafka: { brokers, groupId: group },
    threads: { count: settings.threads },
    actors: [{ name: 'bench', handler: new URL('./troupe-work.mjs', import.meta.url), runOn: 'threads', order: 'key' }],
    log: { level: 'error' },
  })
  meter.noteAtEnd(() => ({ latePercent: latePercent(shared) }))
  return () => supervisor.stop()
}
