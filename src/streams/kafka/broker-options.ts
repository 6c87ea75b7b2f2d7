/** What the clients of a broker port are made from. */
import type { Clock } from '../../clock.ts'
import type { OpenWaits } from '../../metrics/open-waits.ts'
import type { ProducerSettings } from './producer-settings.ts'

export interface KafkaBrokerOptions {
  /** `host:port` of at least one broker. */
  readonly brokers: readonly string[]
  readonly groupId: string
  /** Default: the group's id. Each client adds its own name. */
  readonly clientId?: string
  /** Static membership: a restart within the session time-out keeps the partitions. */
  readonly groupInstanceId?: string
  /** `consumer` is KIP-848, for brokers from 4.0 on. */
  readonly groupProtocol: 'classic' | 'consumer'
  /** Only with `classic`. Default cooperative-sticky. */
  readonly assignmentStrategy?: 'cooperative-sticky' | 'range' | 'roundrobin'
  /** Keys of the native client (TLS, SASL, …), passed through; `ownedClientKeys` lists those that are ours. */
  readonly client: Readonly<Record<string, unknown>>
  /** How producers write; what is not given is `producerDefaults`. */
  readonly producer?: Partial<ProducerSettings>
  /** Stored positions are committed this often. */
  readonly commitIntervalMs: number
  /** Only with `classic`. */
  readonly sessionTimeoutMs?: number
  /** Only with `classic`. */
  readonly heartbeatIntervalMs?: number
  readonly maxPollIntervalMs: number
  /** Default 15,000: so that a wrong password, which the client tries again and again, ends within 30 s. */
  readonly connectTimeoutMs?: number
  /** A write that is not durable after this long is given up with SINK_UNAVAILABLE. Default 60,000: a leader change takes some 10 s. */
  readonly deliveryTimeoutMs?: number
  /** Default 256 kB: small, so that partitions of a backlog interleave. */
  readonly fetchMaxBytesPerPartition?: number
  /** Records fetched ahead, over all partitions, in kB. Default 16 MB. */
  readonly queuedMaxKbytes?: number
  /** Default `read_committed`. */
  readonly isolationLevel?: 'read_committed' | 'read_uncommitted'
  readonly clock: Clock
  /** Where answers that are waited for are noted. Default: where nobody looks. */
  readonly waits?: OpenWaits
  readonly log: (level: 'debug' | 'info' | 'warn' | 'error', fields: object, message: string) => void
}
