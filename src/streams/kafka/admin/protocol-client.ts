/**
 * What the native client cannot be asked: settings of topics, and which requests brokers know. Another client asks that,
 * with the same addresses and credentials, so far as it can take them. An optional package, loaded when it is first needed.
 */
import { readFileSync } from 'node:fs'
import type { ConnectionOptions as TlsOptions } from 'node:tls'
import type * as ProtocolLibrary from '@platformatic/kafka'
import type { Admin, AdminOptions, SASLOptions } from '@platformatic/kafka'
import type { NewTopic } from '../../admin-port.ts'
import type { KafkaBrokerOptions } from '../broker-options.ts'
import { messageOf } from '../connection.ts'

const REQUEST_TIMEOUT_MS = 10_000
const TOPIC_RESOURCE = 2 as const
const UNREADABLE_ANSWER = 'OUT_OF_BOUNDS'

/** Newest version that the brokers know of each request. */
export type RequestVersions = ReadonlyMap<string, number>

/** Brokers before Kafka 2.5 know no version of this request that says of which generation its member is. */
export function looksAtGenerations(versions: RequestVersions): boolean {
  return (versions.get('TxnOffsetCommit') ?? 0) >= 3
}

/** Answers null, and logs why, for what it is not told: nothing that depends on it may fail of it. */
export class ProtocolClient {
  readonly #options: KafkaBrokerOptions
  #admin: Promise<Admin> | undefined

  constructor(options: KafkaBrokerOptions) {
    this.#options = options
  }

  topicSettings(topic: string, names: readonly string[]): Promise<ReadonlyMap<string, string> | null> {
    return this.#ask(`The settings of topic ${topic} cannot be looked at`, async (admin) => {
      const resources = [{ resourceType: TOPIC_RESOURCE, resourceName: topic, configurationKeys: [...names] }]
      const [answer] = await admin.describeConfigs({ resources })
      const found = answer?.configs ?? []
      return new Map(found.flatMap(({ name, value }) => (value == null ? [] : [[name, value] as const])))
    })
  }

  /** Asks as if the topic was to be made, and makes none. */
  mayCreate({ topic, partitions, settings }: NewTopic): Promise<boolean | null> {
    return this.#ask(`Whether topic ${topic} may be made cannot be looked at`, async () => {
      const { Connection, createTopicsV7 } = await loadClient()
      const connection = new Connection(nameOf(this.#options), protocolConnection(this.#options.client))
      const [broker = ''] = this.#options.brokers
      const at = broker.lastIndexOf(':')
      try {
        await connection.connect(broker.slice(0, at), Number(broker.slice(at + 1)))
        const configs = Object.entries(settings).map(([name, value]) => ({ name, value }))
        const wanted = { name: topic, numPartitions: partitions, replicationFactor: -1, assignments: [], configs }
        await createTopicsV7.api.async(connection, [wanted], REQUEST_TIMEOUT_MS, true)
        return true
      } catch (error) {
        if (/authorization/i.test(causeOf(error))) return false
        throw error
      } finally {
        await connection.close()
      }
    })
  }

  /** Empty of brokers before Kafka 2.4, whose answer is not of the form that was asked for. */
  requestVersions(): Promise<RequestVersions | null> {
    return this.#ask('Which requests these brokers know cannot be looked at', async (admin) => {
      try {
        const apis = await admin.listApis()
        return new Map(apis.map(({ name, maxVersion }) => [name, maxVersion]))
      } catch (error) {
        if (isUnreadable(error)) return new Map<string, number>()
        throw error
      }
    })
  }

  async #ask<Answer>(what: string, ask: (admin: Admin) => Promise<Answer>): Promise<Answer | null> {
    try {
      this.#admin ??= openAdmin(this.#options)
      return await ask(await this.#admin)
    } catch (error) {
      this.#options.log('warn', {}, `${what}: ${causeOf(error)}`)
      return null
    }
  }

  async end(): Promise<void> {
    const admin = await this.#admin?.catch(() => undefined)
    await admin?.close().catch(() => undefined)
  }
}

async function loadClient(): Promise<typeof ProtocolLibrary> {
  try {
    return await import('@platformatic/kafka')
  } catch (cause) {
    throw new Error('that takes the optional package @platformatic/kafka: npm install @platformatic/kafka@1', { cause })
  }
}

async function openAdmin(options: KafkaBrokerOptions): Promise<Admin> {
  const connection = protocolConnection(options.client)
  const { Admin: AdminClient } = await loadClient()
  return new AdminClient({
    clientId: nameOf(options),
    bootstrapBrokers: [...options.brokers],
    connectTimeout: REQUEST_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    retries: 2,
    ...connection,
  })
}

function nameOf({ clientId, groupId }: KafkaBrokerOptions): string {
  return `${clientId ?? groupId}-admin`
}

/** The same way in, from the native client's keys. Throws for what the other client does not know. */
function protocolConnection(client: Readonly<Record<string, unknown>>): Pick<AdminOptions, 'sasl' | 'tls'> {
  const protocol = textOf(client['security.protocol'])?.toLowerCase() ?? 'plaintext'
  return {
    ...(protocol.endsWith('ssl') ? { tls: tlsOf(client) } : {}),
    ...(protocol.startsWith('sasl') ? { sasl: saslOf(client) } : {}),
  }
}

function tlsOf(client: Readonly<Record<string, unknown>>): TlsOptions {
  const content = (pem: string, location: string): Buffer | string | undefined => {
    const path = textOf(client[location])
    return textOf(client[pem]) ?? (path === undefined || path === 'probe' ? undefined : readFileSync(path))
  }
  const keystore = textOf(client['ssl.keystore.location'])
  const options: TlsOptions = {
    ca: content('ssl.ca.pem', 'ssl.ca.location'),
    cert: content('ssl.certificate.pem', 'ssl.certificate.location'),
    key: content('ssl.key.pem', 'ssl.key.location'),
    pfx: keystore === undefined ? undefined : readFileSync(keystore),
    passphrase: textOf(client['ssl.keystore.password']) ?? textOf(client['ssl.key.password']),
    rejectUnauthorized: ![false, 'false'].includes(client['enable.ssl.certificate.verification'] as boolean | string),
  }
  if (client['ssl.endpoint.identification.algorithm'] === 'none') options.checkServerIdentity = () => undefined
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

const passwordMechanisms = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const

function saslOf(client: Readonly<Record<string, unknown>>): SASLOptions {
  const given = textOf(client['sasl.mechanisms']) ?? textOf(client['sasl.mechanism']) ?? 'GSSAPI'
  const mechanism = passwordMechanisms.find((each) => each === given)
  if (mechanism === undefined) throw new Error(`only the native client logs in by ${given}`)
  const [username, password] = [textOf(client['sasl.username']), textOf(client['sasl.password'])]
  return { mechanism, ...(username === undefined ? {} : { username }), ...(password === undefined ? {} : { password }) }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function isUnreadable(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(isUnreadable)
  return (error as { code?: unknown }).code === UNREADABLE_ANSWER
}

/** The outer error says that something failed, the ones in it say what. */
function causeOf(error: unknown): string {
  const inner = error instanceof AggregateError ? (error.errors[0] as unknown) : undefined
  return inner === undefined ? messageOf(error) : causeOf(inner)
}
