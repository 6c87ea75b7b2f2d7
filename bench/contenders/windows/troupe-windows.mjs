// Troupe with its defaults: counts the records of each key and window, or sums their amounts, and writes what each window was when it
// closed, or each change of it.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytes, count, defineAggregation, json, startSupervisor, sum, topic as topicNamed, tumbling } from 'troupe'
import { outputOf, Written } from '../state/written.mjs'
import { checkFinals } from './checks.mjs'

export async function run(task) {
  const { brokers, topic, group, settings, meter } = task
  const { emit, store } = settings
  const { data, sizeMs } = settings.check
  const written = await Written.begin(task)
  const input = data.isOrders
    ? topicNamed(topic, { value: json(), time: (order) => order.timestamp })
    : topicNamed(topic, { value: bytes })
  const finals = topicNamed(outputOf(group), { value: json() })
  const handler = defineAggregation({
    name: 'windows',
    input,
    window: tumbling({ sizeMs, graceMs: 0 }),
    values: { total: data.isOrders ? sum((order) => order.amount) : count() },
    emit,
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
    await supervisor.stop()
    return { ...(await written.perInput()), ...(emit === 'final' ? await checkFinals(task) : {}) }
  })
  await written.watchPositions()
}
