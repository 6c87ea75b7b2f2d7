/** What makes the clients of one cluster: everything of Kafka that Troupe asks for begins here. */
import type { BrokerAdmin } from './admin-port.ts'
import type { BrokerConsumer, BrokerProducer, BrokerReader } from './broker-port.ts'
import type { TransactionalProducer, TransactionalProducerOptions } from './transaction-port.ts'

/** Makes clients with the same connection settings. */
export interface Broker {
  consumer(): BrokerConsumer
  /** `name` tells clients apart in logs: `outputs`, `dead-letters`, `restore`. */
  producer(name: string): BrokerProducer
  reader(name: string): BrokerReader
  transactionalProducer(options: TransactionalProducerOptions): TransactionalProducer
  admin(): BrokerAdmin
}
