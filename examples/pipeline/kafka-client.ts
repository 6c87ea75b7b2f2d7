/**
 * The Kafka client of everything around a pipeline: the generator, the accounts, the topics. It is
 * not the one Troupe is built on, so the accounts do not rest on what they check.
 */
import { Kafka, logLevel } from 'kafkajs'

export function createKafkaClient(brokers: readonly string[]): Kafka {
  return new Kafka({
    clientId: 'troupe-example',
    brokers: [...brokers],
    // It logs what it then throws, and one harmless complaint about the embedded broker on leaving.
    logLevel: logLevel.NOTHING,
    connectionTimeout: 3000,
    retry: { retries: 5, maxRetryTime: 5000 },
  })
}

/** Says that no broker answers, rather than that a connection failed five times. A broker that wants TLS or a log-in hangs up. */
export async function verifyBrokers(kafka: Kafka, brokers: readonly string[]): Promise<void> {
  const admin = kafka.admin({ retry: { retries: 2 } })
  try {
    await admin.connect()
    await admin.listTopics()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(
      `no Kafka broker answers at ${brokers.join(', ')} (KAFKA_BROKERS or --brokers), spoken to in plaintext and without a log-in: ${reason}`,
    )
  } finally {
    await admin.disconnect().catch(() => undefined)
  }
}
