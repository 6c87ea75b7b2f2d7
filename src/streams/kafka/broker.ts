/** The broker port on the native Kafka client. */
import type { BrokerAdmin } from '../admin-port.ts'
import type { Broker } from '../broker.ts'
import type { BrokerConsumer, BrokerProducer, BrokerReader } from '../broker-port.ts'
import { KafkaBrokerConsumer } from './consumer/consumer.ts'
import { KafkaBrokerReader } from './consumer/reader.ts'
import { KafkaBrokerAdmin } from './admin/broker-admin.ts'
import type { KafkaBrokerOptions } from './broker-options.ts'
import { consumerConfig, producerConfig } from './client-config.ts'
import { configurationError } from './connection.ts'
import { loadNativeKafka } from './native.ts'
import { KafkaBrokerProducer } from './producer/producer.ts'
import type { TransactionalProducer, TransactionalProducerOptions } from '../transaction-port.ts'
import { KafkaTransactionalProducer } from './transactions/transactional-producer.ts'

/** Throws NATIVE_CLIENT_NOT_LOADED or NOT_MAIN_THREAD. Connects nothing yet. */
export function createKafkaBroker(options: KafkaBrokerOptions): Broker {
  const native = loadNativeKafka()
  return {
    consumer: (): BrokerConsumer => new KafkaBrokerConsumer(native, options),
    producer: (name: string): BrokerProducer => new KafkaBrokerProducer(native, options, name),
    reader: (name: string): BrokerReader => new KafkaBrokerReader(native, options, name),
    transactionalProducer: (transaction: TransactionalProducerOptions): TransactionalProducer =>
      new KafkaTransactionalProducer(native, options, transaction),
    admin: (): BrokerAdmin => new KafkaBrokerAdmin(native, options),
  }
}

/** Makes clients and connects none. Throws for a key or a value that they do not know, as a start would. */
export function verifyClientConfig(options: KafkaBrokerOptions): void {
  const native = loadNativeKafka()
  const config = consumerConfig(options)
  try {
    new native.KafkaConsumer(config)
    new native.Producer(producerConfig(options, 'outputs'))
  } catch (error) {
    throw configurationError(error, config)
  }
}
