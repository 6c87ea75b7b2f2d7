// Asks what groups have committed, and does so first on this cluster. In a process of its own: the question has ended it.
import { createKafkaBroker } from '../../../dist/streams/kafka/broker.js'
import { systemClock } from '../../../dist/clock.js'

const { BROKERS, TOPIC } = process.env
const asked = Array.from({ length: 8 }, async (_, n) => {
  const admin = createKafkaBroker({
    brokers: BROKERS.split(','),
    groupId: `first-${n}`,
    groupProtocol: 'classic',
    client: {},
    commitIntervalMs: 100,
    maxPollIntervalMs: 300_000,
    clock: systemClock,
    log: () => undefined,
  }).admin()
  await admin.connect()
  const answers = [await admin.committedPositions(`first-${n}`, [TOPIC]), await admin.groupMembers(`first-${n}`)]
  await admin.disconnect()
  return answers
})
console.log(JSON.stringify(await Promise.all(asked)))
