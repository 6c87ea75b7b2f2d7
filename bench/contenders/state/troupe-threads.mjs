// Troupe with its defaults, keyed work on threads, with a state of so many bytes or without.
import { setEnvironmentData } from 'node:worker_threads'
import { startSupervisor } from 'troupe'
import { makeShared } from '../work.mjs'
import { Written } from './written.mjs'

export async function run(task) {
  const { brokers, topic, group, settings, meter } = task
  const written = await Written.begin(task)
  const { guarantee, keys, stateBytes, threads, work } = settings
  setEnvironmentData('bench', { topic, work, stateBytes, shared: makeShared(keys, meter.shared) })
  meter.watch()
  const supervisor = await startSupervisor({
    kafka: { brokers, groupId: group },
    threads: { count: threads },
    guarantee,
    actors: [{ handler: new URL('threads-handler.mjs', import.meta.url), runOn: 'threads', order: 'key' }],
    log: { level: 'error' },
  })
  meter.noteAtEnd(async () => {
    await supervisor.stop()
    return await written.perInput()
  })
}
