// Troupe with its defaults: joins two streams, and writes which of its key's records each of the two is.
import { bytes, defineJoin, startSupervisor, topic as topicNamed } from 'troupe'
import { outputOf, Written } from '../state/written.mjs'
import { checkPairs } from './checks.mjs'

const lookMs = 5

export async function run(task) {
  const { brokers, topic, group, settings, meter } = task
  const { withinMs } = settings.check
  const written = await Written.begin(task)
  const pairs = topicNamed(outputOf(group), { value: bytes })
  const handler = defineJoin({
    name: 'pairs',
    left: topicNamed(topic, { value: bytes }),
    right: topicNamed(settings.right, { value: bytes }),
    kind: 'inner',
    within: { beforeMs: withinMs, afterMs: withinMs },
    graceMs: 0,
    outputs: [pairs],
    result: ({ key, left, right }) => [
      pairs.record(Buffer.concat([left.subarray(4, 8), right.subarray(4, 8)]), { key }),
    ],
  })
  const supervisor = await startSupervisor({
    kafka: { brokers, groupId: group },
    actors: [{ handler, runOn: 'main' }],
    log: { level: 'error' },
  })
  // How far the right side has come stands in the changelog, where the group's positions do not tell.
  let counted = 0
  setInterval(() => {
    const { done } = supervisor.status().totals
    if (done > counted) meter.count(done - counted)
    counted = done
  }, lookMs)
  meter.noteAtEnd(async () => {
    await supervisor.stop()
    return { ...(await written.perInput(supervisor.status().totals.done)), ...(await checkPairs(task)) }
  })
}
