// Troupe with its defaults, the handler on main: it counts the records of each key, and writes each count, the last of each key and checkpoint, or none.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytes, defineHandler, done, json, skip, startSupervisor, state, topic as topicNamed } from 'troupe'
import { outputOf, Written } from './written.mjs'

export async function run(task) {
  const { brokers, topic, group, settings, meter } = task
  const written = await Written.begin(task)
  const counts = topicNamed(outputOf(group), { value: json(), latestPerCheckpoint: settings.outputs === 'key' })
  const handler = defineHandler({
    name: 'count',
    input: topicNamed(topic, { value: bytes }),
    outputs: [counts],
    state: { total: state({ initial: () => 0 }) },
    handle(value, { record, state: { total } }) {
      const count = total.get() + 1
      total.set(count)
      meter.count()
      return settings.outputs === 'none' ? skip() : done([counts.record(count, { key: record.key })])
    },
  })
  const directory = settings.store === 'disk' ? mkdtempSync(join(tmpdir(), 'troupe-bench-')) : null
  const supervisor = await startSupervisor({
    kafka: { brokers, groupId: group },
    actors: [{ handler, runOn: 'main', order: 'key' }],
    state: { store: settings.store, directory },
    log: { level: 'error' },
  })
  meter.noteAtEnd(async () => {
    await supervisor.stop()
    return await written.perInput()
  })
}
