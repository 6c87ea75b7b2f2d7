/** What the embedded broker says of itself and of topics: it makes them as they are asked for, and keeps no transactions. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestContext } from 'vitest'
import { EMBEDDED_PARTITIONS, startEmbeddedBroker, type EmbeddedBroker } from '../../src/embedded/embedded-broker.ts'
import type { BrokerAdmin } from '../../src/streams/admin-port.ts'
import { createKafkaBroker } from '../../src/streams/kafka/broker.ts'
import { testOptions } from '../integration/kafka-world.ts'
import { uniqueName } from '../support/kafka-probe.ts'

let embedded: EmbeddedBroker
beforeAll(async () => {
  embedded = await startEmbeddedBroker()
})
afterAll(() => embedded.stop())

async function connected(on: Pick<TestContext, 'onTestFinished'>): Promise<BrokerAdmin> {
  const admin = createKafkaBroker(testOptions(embedded.bootstrapServers, uniqueName('group'))).admin()
  on.onTestFinished(() => admin.disconnect())
  await admin.connect()
  return admin
}

test('the embedded broker says that it keeps no transactions', async (on) => {
  const admin = await connected(on)
  expect(await admin.keepsTransactions()).toBe(false)
})

test('a topic that an app needs for itself comes into being on the embedded broker, once', async (on) => {
  const admin = await connected(on)
  const topic = uniqueName('changelog')
  const wanted = { topic, partitions: EMBEDDED_PARTITIONS, settings: { 'cleanup.policy': 'compact' } }
  expect(await admin.describeTopics([topic])).toEqual(new Map())
  expect(await admin.createTopic(wanted)).toBe(true)
  expect(await admin.createTopic(wanted)).toBe(false)
  expect(await admin.describeTopics([topic])).toEqual(new Map([[topic, { id: null, partitions: EMBEDDED_PARTITIONS }]]))
  expect(await admin.topicSettings(topic, ['cleanup.policy'])).toBeNull()
})
