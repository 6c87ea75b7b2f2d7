// Troupe with its defaults: opens a window for each key, and closes none. What it takes then, as it is and after a collection.
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytes, count, defineAggregation, json, startSupervisor, topic as topicNamed, tumbling } from 'troupe'
import { outputOf, Written } from '../state/written.mjs'

export async function run(task) {
  const { brokers, topic, group, settings, meter } = task
  const { sizeMs, store } = settings
  const written = await Written.begin(task)
  const finals = topicNamed(outputOf(group), { value: json() })
  const handler = defineAggregation({
    name: 'windows',
    input: topicNamed(topic, { value: bytes }),
    window: tumbling({ sizeMs, graceMs: 0 }),
    values: { total: count() },
    outputs: [finals],
    result: ({ key, window, values: { total } }) => [finals.record({ startMs: window.startMs, total }, { key })],
  })
  const directory = store === 'disk' ? mkdtempSync(join(tmpdir(), 'troupe-bench-')) : null
  const supervisor = await startSupervisor({
    kafka: { brokers, groupId: group },
    actors: [{ handler, runOn: 'main' }],
    state: { store, directory },
    log: { level: 'error' },
  })
  meter.noteAtEnd(async () => {
    const rssBytes = process.memoryUsage.rss()
    globalThis.gc()
    globalThis.gc()
    // Without the pages of files, which the system takes back when it needs them: a disk store's are such.
    const notes = { rssBytes, keptBytes: anonymousBytes() ?? process.memoryUsage.rss() }
    await supervisor.stop()
    return { ...notes, ...(await written.perInput()) }
  })
  await written.watchPositions()
}

/** undefined: nobody tells on this system. */
function anonymousBytes() {
  try {
    const [, kib] = /^RssAnon:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
    return kib === undefined ? undefined : Number(kib) * 1024
  } catch {
    return undefined
  }
}
