// Troupe with its defaults: work on threads in front of windows that are counted on main; or, without work, the windows alone.
import { setTimeout as sleep } from 'node:timers/promises'
import { setEnvironmentData } from 'node:worker_threads'
import { startSupervisor } from 'troupe'
import { outputOf, Written } from '../state/written.mjs'
import { checkFinals } from './checks.mjs'

const maxWaitMs = 20_000

export async function run(task) {
  const { brokers, topic, group, settings, meter } = task
  const { threads, work, check, orderFinals } = settings
  const written = await Written.begin(task)
  setEnvironmentData('bench', { input: topic, output: outputOf(group), sizeMs: check.sizeMs, work })
  let finals = 0
  globalThis.benchFinal = ({ endMs }) => {
    if (endMs <= check.orderUntilMs) finals += 1
  }
  const handler = new URL('prepare-operator.mjs', import.meta.url)
  const supervisor = await startSupervisor({
    kafka: { brokers, groupId: group },
    threads: { count: threads },
    actors: [{ handler, runOn: work === null ? 'main' : 'threads' }],
    log: { level: 'error' },
  })
  meter.noteAtEnd(async () => {
    // What was read and worked on is folded a little later.
    const untilMs = Date.now() + maxWaitMs
    while (finals < orderFinals && Date.now() < untilMs) await sleep(50)
    await supervisor.stop()
    return { ...(await written.perInput()), ...(await checkFinals(task)) }
  })
  await written.watchPositions()
}
