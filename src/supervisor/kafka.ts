/** The broker port on real Kafka. The native client is loaded here and nowhere else, so that nothing that a worker thread imports reaches it. */
import { systemClock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { OpenWaits } from '../metrics/open-waits.ts'
import type { ResolvedApp } from '../options/options.ts'
import type { Broker } from '../streams/broker.ts'
import type { KafkaBrokerOptions } from '../streams/kafka/broker-options.ts'

export async function brokerFor(app: ResolvedApp, log: Log, waits: OpenWaits): Promise<Broker> {
  const { createKafkaBroker } = await import('../streams/kafka/broker.ts')
  return createKafkaBroker(brokerOptions(app, log, waits))
}

/** Rejects with what a start would: the client is not built for this platform, or takes a key or a value of its options for none. */
export async function verifyClient(app: ResolvedApp, log: Log, waits: OpenWaits): Promise<void> {
  const { verifyClientConfig } = await import('../streams/kafka/broker.ts')
  verifyClientConfig(brokerOptions(app, log, waits))
}

function brokerOptions(
  { kafka, producer, commitIntervalMs }: ResolvedApp,
  log: Log,
  waits: OpenWaits,
): KafkaBrokerOptions {
  return {
    brokers: kafka.brokers,
    groupId: kafka.groupId,
    clientId: kafka.clientId,
    ...(kafka.groupInstanceId === null ? {} : { groupInstanceId: kafka.groupInstanceId }),
    groupProtocol: kafka.groupProtocol,
    assignmentStrategy: kafka.assignmentStrategy,
    client: kafka.client,
    producer,
    // The committer hands over on the other half of the interval.
    commitIntervalMs: Math.max(1, Math.round(commitIntervalMs / 2)),
    sessionTimeoutMs: kafka.sessionTimeoutMs,
    maxPollIntervalMs: kafka.maxPollIntervalMs,
    connectTimeoutMs: kafka.connectTimeoutMs,
    clock: systemClock,
    waits,
    log: (level, fields, message) => {
      log[level](fields, message)
    },
  }
}
