/** Leaving a group at an awkward time: on real Kafka, with the engine in this process. */
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { defineHandler, done, topic } from '../../src/index.ts'
import { silentLog } from '../../src/log.ts'
import { resolveOptions } from '../../src/resolve-options.ts'
import { createKafkaBroker } from '../../src/streams/kafka-broker.ts'
import { EngineStats } from '../../src/streams/stats.ts'
import { Engine } from '../../src/supervisor/engine.ts'
import { Member, until } from '../contract/contract-world.ts'
import { bootstrapServers, createTopic, groupMembers, kafkaIsAvailable, uniqueName } from '../support/real-kafka.ts'
import { testOptions } from './kafka-world.ts'

describe.skipIf(!kafkaIsAvailable)('a stop while the join is not answered yet', { timeout: 120_000 }, () => {
  // Case 58.
  test('leaves no member behind', async ({ onTestFinished }) => {
    const name = uniqueName('leave')
    await createTopic(name, 2)
    // Longer than the test may take: a member that was not seen to leave would still be there.
    const options = { ...testOptions(bootstrapServers, name), sessionTimeoutMs: 300_000, heartbeatIntervalMs: 300 }
    const broker = createKafkaBroker({ ...options, assignmentStrategy: 'range' })
    const first = await Member.join(broker, [name], (member) => member.held.add('revoke'))
    onTestFinished(() => first.leave())
    await until('all partitions', () => first.assigned.size === 2)

    const app = resolveOptions({
      kafka: { brokers: bootstrapServers, groupId: name, assignmentStrategy: 'range' },
      actors: [{ name: 'reader', handler: defineHandler({ input: topic(name), handle: () => done() }) }],
    })
    const stats = new EngineStats()
    const engine = await Engine.start({ app, broker, clock: systemClock, random: Math.random, log: silentLog, stats })
    onTestFinished(() => engine.kill())
    // The group waits for the first member, and the second one's join for the group.
    await until('a revoke', () => first.events.some(({ type }) => type === 'revoke'))
    const stopped = engine.stop()
    // Time enough for a client that does not wait to go, with nobody to hear that it has left.
    await sleep(500)
    first.held.clear()
    await stopped
    expect((await engine.finished).reason).toBe('stopped')
    await expect.poll(() => groupMembers(name), { timeout: 60_000, interval: 200 }).toHaveLength(1)
  })
})
