// Troupe with its defaults: joins two streams, and writes which of its key's records each of the two is.
import { bytes, defineJoin, startSupervisor, topic as topicNamed } from 'troupe'
import { outputOf, Written } from '../state/written.mjs'
import { checkPairs } from './checks.mjs'

const lookMs = 50

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
  const committed = () => supervisor.status().partitions.reduce((sum, each) => sum + (each.committedPosition ?? 0), 0)
  let counted = 0
  setInterval(() => {
    const now = committed()
    if (now > counted) meter.count(now - counted)
    counted = now
  }, lookMs)
  meter.noteAtEnd(async () => {
    await supervisor.stop()
    return { ...(await written.perInput(counted)), ...(await checkPairs(task)) }
  })
}
