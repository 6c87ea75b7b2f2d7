/** A start that fails ends by itself and names its cause. */
import { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } from 'kafkajs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TestContext } from 'vitest'
import { createKafkaBroker } from '../../src/streams/kafka/broker.ts'
import { Member, bytesOf, numbered, until } from '../contract/contract-world.ts'
import { KafkaProbe, uniqueName } from '../support/kafka-probe.ts'
import { bootstrapServers, kafkaIsAvailable, startKafka } from '../support/real-kafka.ts'
import type { KafkaCluster } from '../support/real-kafka.ts'
import { testOptions } from './kafka-world.ts'

type ClientConfig = Record<string, unknown>

/** The error of a start, of both kinds of clients, which have to agree. */
async function startError(
  test: Pick<TestContext, 'onTestFinished'>,
  servers: string,
  client: ClientConfig,
): Promise<{ code: string; message: string }> {
  const errors = await Promise.all(
    (['consumer', 'producer'] as const).map(async (kind) => {
      try {
        const broker = createKafkaBroker({ ...testOptions(servers, uniqueName('group')), client })
        const made = kind === 'consumer' ? broker.consumer() : broker.producer('outputs')
        test.onTestFinished(() => made.disconnect())
        await made.connect()
      } catch (error) {
        return error as { code: string; message: string }
      }
      throw new Error('the start did not fail')
    }),
  )
  expect(errors[0]!.code).toBe(errors[1]!.code)
  return errors[0]!
}

// Several at a time: they wait most of the time.
describe.skipIf(!kafkaIsAvailable)('a start that fails', { concurrent: true }, () => {
  it.for([
    ['nobody listens', '127.0.0.1:1', {}, 'BROKER_UNREACHABLE', /127\.0\.0\.1:1.*Connection refused/],
    ['the host has no name', 'no-such-host.invalid:9092', {}, 'BROKER_UNREACHABLE', /no-such-host.*resolve/],
    [
      'TLS against plaintext',
      bootstrapServers,
      { 'security.protocol': 'ssl' },
      'BROKER_PROTOCOL',
      // At times the client knows no more than that the other side has hung up.
      /PLAINTEXT|SSL connection closed by peer/,
    ],
    [
      'SASL against plaintext',
      bootstrapServers,
      {
        'security.protocol': 'sasl_plaintext',
        'sasl.mechanisms': 'SCRAM-SHA-512',
        'sasl.username': 'a',
        'sasl.password': 'b',
      },
      'BROKER_PROTOCOL',
      /security\.protocol/,
    ],
    [
      'SASL without a mechanism',
      bootstrapServers,
      { 'security.protocol': 'sasl_plaintext' },
      'BROKER_AUTHENTICATION',
      /sasl\.mechanisms is not set/,
    ],
    ['a key that does not exist', bootstrapServers, { 'no.such.key': 1 }, 'OPTIONS_INVALID', /no\.such\.key/],
    [
      'a CA file that is not there',
      bootstrapServers,
      { 'security.protocol': 'ssl', 'ssl.ca.location': '/none.pem' },
      'BROKER_TLS',
      /ssl\.ca\.location.*\/none\.pem/,
    ],
  ] as const)('%s', async ([, servers, client, code, message], test) => {
    const error = await startError(test, servers, client)
    expect(error).toMatchObject({ code })
    expect(error.message).toMatch(message)
  })

  it('a server that takes connections and says nothing', async (test) => {
    const server = createServer((socket) => socket.on('error', () => undefined))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    test.onTestFinished(() => void server.close())
    const { port } = server.address() as AddressInfo
    expect(await startError(test, `127.0.0.1:${port}`, {})).toMatchObject({ code: 'BROKER_UNREACHABLE' })
  })

  describe('with SASL and rights', () => {
    let kafka: KafkaCluster
    let admin: KafkaProbe
    const login = (username: string, password: string): ClientConfig => ({
      'security.protocol': 'sasl_plaintext',
      'sasl.mechanisms': 'SCRAM-SHA-512',
      'sasl.username': username,
      'sasl.password': password,
    })
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

    it.for([
      ['a wrong password', { 'sasl.password': 'wrong' }, /refused the log-in.*invalid credentials.*sasl\.password/],
      ['a wrong user', { 'sasl.username': 'bob' }, /invalid credentials/],
      ['a wrong mechanism', { 'sasl.mechanisms': 'PLAIN' }, /SCRAM-SHA-512/],
    ] as const)('%s', async ([, change, message], test) => {
      const error = await startError(test, kafka.bootstrapServers, { ...login('alice', 'alice-secret'), ...change })
      expect(error).toMatchObject({ code: 'BROKER_AUTHENTICATION' })
      expect(error.message).toMatch(message)
      expect(error.message).not.toContain('alice-secret')
    })

    it('plaintext against SASL', async (test) => {
      expect(await startError(test, kafka.bootstrapServers, {})).toMatchObject({ code: 'BROKER_PROTOCOL' })
    })

    it('no right to read, with the group or to write: each is told', async (test) => {
      const topic = uniqueName('topic')
      await admin.createTopic(topic, 1)
      const own = uniqueName('own')
      const grant = async (
        resourceType: AclResourceTypes,
        resourceName: string,
        operation: AclOperationTypes,
      ): Promise<void> => {
        const rule = {
          principal: 'User:alice',
          host: '*',
          permissionType: AclPermissionTypes.ALLOW,
          resourcePatternType: ResourcePatternTypes.LITERAL,
        }
        await (await admin.admin()).createAcls({ acl: [{ ...rule, resourceType, resourceName, operation }] })
      }
      await grant(AclResourceTypes.TOPIC, topic, AclOperationTypes.DESCRIBE)
      // Whoever may write nowhere may not even begin to.
      await grant(AclResourceTypes.TOPIC, own, AclOperationTypes.WRITE)
      const client = login('alice', 'alice-secret')
      const broker = createKafkaBroker({ ...testOptions(kafka.bootstrapServers, uniqueName('group')), client })
      const producer = broker.producer('outputs')
      test.onTestFinished(() => producer.disconnect())
      await producer.connect()
      const [refused] = await producer.write([{ topic, key: null, value: bytesOf('x') }])
      expect(refused).toMatchObject({ code: 'NOT_AUTHORIZED' })

      const withoutGroup = await Member.join(broker, [topic])
      await until('trouble', () => withoutGroup.troubles.some(({ code }) => code === 'NOT_AUTHORIZED'))
      await withoutGroup.leave()

      // The group is granted: to read the topic is still missing.
      await grant(AclResourceTypes.GROUP, '*', AclOperationTypes.READ)
      await admin.produceAll(
        topic,
        numbered(0, 1).map(({ value, partition }) => ({ value, partition })),
      )
      const withoutTopic = await Member.join(broker, [topic])
      test.onTestFinished(() => withoutTopic.leave())
      await until('trouble', () => withoutTopic.troubles.some(({ code }) => code === 'NOT_AUTHORIZED'))
    })
  })

  describe('with TLS', () => {
    let kafka: KafkaCluster
    beforeAll(async () => {
      kafka = await startKafka({ tls: true })
    })
    afterAll(() => kafka.stop())

    it('a wrong CA, and the right one', async (test) => {
      const tls = (caFile: string | undefined): ClientConfig => ({
        'security.protocol': 'ssl',
        'ssl.ca.location': caFile,
      })
      const error = await startError(test, kafka.bootstrapServers, tls(kafka.wrongCaFile))
      expect(error).toMatchObject({ code: 'BROKER_TLS' })
      expect(error.message).toMatch(/certificate verify failed.*ssl\.ca\.location/)
      const options = { ...testOptions(kafka.bootstrapServers, uniqueName('group')), client: tls(kafka.caFile) }
      const producer = createKafkaBroker(options).producer('outputs')
      await producer.connect()
      await producer.disconnect()
    })

    it('plaintext against TLS', async (test) => {
      expect(await startError(test, kafka.bootstrapServers, {})).toMatchObject({ code: 'BROKER_PROTOCOL' })
    })
  })
})
