/** Who may not do what a transaction needs: each right that is missing is told by its name, before and while it matters. */
import { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TestContext } from 'vitest'
import type { Broker } from '../../src/streams/broker.ts'
import { createKafkaBroker } from '../../src/streams/kafka/broker.ts'
import type { TransactionalProducer } from '../../src/streams/transaction-port.ts'
import { Member, bytesOf, until } from '../contract/contract-world.ts'
import { KafkaProbe, kafkaIsAvailable, startKafka, uniqueName, type KafkaCluster } from '../support/real-kafka.ts'
import { testOptions } from './kafka-world.ts'

describe.skipIf(!kafkaIsAvailable)('rights of transactions', () => {
  let kafka: KafkaCluster
  let admin: KafkaProbe
  beforeAll(async () => {
    kafka = await startKafka({
      sasl: [
        { username: 'admin', password: 'admin-secret' },
        { username: 'alice', password: 'alice-secret' },
      ],
      properties: {
        'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
        'super.users': 'User:admin;User:ANONYMOUS',
      },
    })
    admin = new KafkaProbe(kafka.bootstrapServers, {
      sasl: { mechanism: 'scram-sha-512', username: 'admin', password: 'admin-secret' },
    })
  })
  afterAll(async () => {
    await admin.close()
    await kafka.stop()
  })

  const grant = async (
    resourceType: AclResourceTypes,
    resourceName: string,
    ...operations: AclOperationTypes[]
  ): Promise<void> => {
    const rule = {
      principal: 'User:alice',
      host: '*',
      permissionType: AclPermissionTypes.ALLOW,
      resourcePatternType: ResourcePatternTypes.LITERAL,
    }
    const acl = operations.map((operation) => ({ ...rule, resourceType, resourceName, operation }))
    await (await admin.admin()).createAcls({ acl })
  }

  const brokerOf = (groupId: string): Broker =>
    createKafkaBroker({
      ...testOptions(kafka.bootstrapServers, groupId),
      client: {
        'security.protocol': 'sasl_plaintext',
        'sasl.mechanisms': 'SCRAM-SHA-512',
        'sasl.username': 'alice',
        'sasl.password': 'alice-secret',
      },
    })

  const producerOf = (on: Pick<TestContext, 'onTestFinished'>, broker: Broker, id: string): TransactionalProducer => {
    const producer = broker.transactionalProducer({ transactionalId: id, transactionTimeoutMs: 15_000 })
    on.onTestFinished(() => producer.disconnect())
    return producer
  }

  const topicOf = async (): Promise<string> => {
    const topic = uniqueName('topic')
    await admin.createTopic(topic, 1)
    return topic
  }

  test('without a right on the transactional id nothing begins', async (on) => {
    const id = uniqueName('id')
    const connecting = producerOf(on, brokerOf(uniqueName('group')), id).connect()
    await expect(connecting).rejects.toMatchObject({
      code: 'TRANSACTION_NOT_ALLOWED',
      message: expect.stringContaining(id) as string,
    })
  })

  test('without a right on a topic, or on the group, the transaction says which, and the next one is whole', async (on) => {
    const [id, groupId] = [uniqueName('id'), uniqueName('group')]
    const [input, open, closed, hidden] = [await topicOf(), await topicOf(), await topicOf(), await topicOf()]
    await grant(AclResourceTypes.TRANSACTIONAL_ID, id, AclOperationTypes.WRITE)
    await grant(AclResourceTypes.TOPIC, open, AclOperationTypes.WRITE)
    await grant(AclResourceTypes.TOPIC, closed, AclOperationTypes.DESCRIBE)
    await grant(AclResourceTypes.TOPIC, input, AclOperationTypes.READ)
    await grant(AclResourceTypes.GROUP, groupId, AclOperationTypes.READ)
    const broker = brokerOf(groupId)
    const producer = producerOf(on, broker, id)
    await producer.connect()
    for (const topic of [closed, hidden]) {
      producer.begin()
      const records = [open, topic].map((each) => ({ topic: each, key: null, value: bytesOf('x') }))
      await expect(producer.send(records).then(() => producer.commit())).rejects.toMatchObject({
        fault: 'not-allowed',
        message: expect.stringContaining(topic) as string,
      })
      await producer.abort()
    }
    const stranger = await Member.join(brokerOf(groupId), [input])
    on.onTestFinished(() => stranger.leave())
    await until('the assignment', () => stranger.assigned.size === 1)
    producer.begin()
    await producer.send([{ topic: open, key: null, value: bytesOf('y') }])
    await producer.sendPositions(stranger.consumer, [{ topic: input, partition: 0, position: 1, metadata: '' }])
    await producer.commit()
    expect((await admin.readAll(open, { until: 1 })).map(({ value }) => String(value))).toEqual(['y'])
  })

  test('what is missing is told before a record is written, and nothing is made or written meanwhile', async (on) => {
    const groupId = uniqueName('group')
    const [input, output] = [await topicOf(), await topicOf()]
    await grant(AclResourceTypes.TOPIC, input, AclOperationTypes.READ)
    const asking = brokerOf(groupId).admin()
    on.onTestFinished(() => asking.disconnect())
    await asking.connect()
    const changelog = { topic: uniqueName('changelog'), partitions: 1, settings: { 'cleanup.policy': 'compact' } }
    const needed = { groupId, read: [input], write: [output], create: [changelog] }
    expect(await asking.missingRights(needed)).toEqual([
      { right: 'Write', on: `topic ${output}` },
      { right: 'Read', on: `group ${groupId}` },
      { right: 'Create', on: `topic ${changelog.topic}` },
    ])
    await expect(asking.createTopic(changelog)).rejects.toMatchObject({ code: 'TOPIC_NOT_ALLOWED' })
    await grant(AclResourceTypes.TOPIC, output, AclOperationTypes.WRITE)
    await grant(AclResourceTypes.GROUP, groupId, AclOperationTypes.READ)
    await grant(AclResourceTypes.TOPIC, changelog.topic, AclOperationTypes.CREATE)
    await expect.poll(() => asking.missingRights(needed)).toEqual([])
    expect(await (await admin.admin()).listTopics()).not.toContain(changelog.topic)
    expect(await asking.createTopic(changelog)).toBe(true)
  })
})
