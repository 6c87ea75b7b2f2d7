/** One real broker for a benchmark, and topics filled once for all rounds. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import kafkaClient from '@confluentinc/kafka-javascript'
import { startKafka } from '../../scripts/kafka-cluster.mjs'
import { KafkaProbe, uniqueName } from '../../test/support/kafka-probe.ts'
import { recordsOf, type DataRecord, type DataSet } from './data-set.ts'

const linger = { 'linger.ms': 5 }

export class BenchKafka {
  readonly brokers: string
  /** Of brokers on this machine; empty when they are given by KAFKA_BROKERS, or where there is no /proc. */
  readonly brokerPids: readonly number[]
  /** Where they keep their logs; empty when they are given. */
  readonly brokerFolders: readonly string[]
  readonly description: string
  readonly probe: KafkaProbe
  readonly #stop: () => Promise<void>
  readonly #topics: string[] = []

  private constructor(
    brokers: string,
    own: { readonly pids: readonly number[]; readonly folders: readonly string[] },
    description: string,
    stop: () => Promise<void>,
  ) {
    this.brokers = brokers
    this.brokerPids = existsSync('/proc/self/stat') ? own.pids : []
    this.brokerFolders = own.folders
    this.description = description
    this.probe = new KafkaProbe(brokers)
    this.#stop = stop
  }

  /** KAFKA_BROKERS, or one broker of our own, with the compiler that a broker in production has. */
  static async start(log: (line: string) => void): Promise<BenchKafka> {
    const given = process.env['KAFKA_BROKERS']
    if (given !== undefined)
      return new BenchKafka(given, { pids: [], folders: [] }, `brokers at ${given}`, () => Promise.resolve())
    log('starting a broker')
    const cluster = await startKafka({ heapMb: 1024, javaOptions: ['-XX:TieredStopAtLevel=4'] })
    const own = {
      pids: cluster.brokers.map(({ pid }) => pid!),
      folders: cluster.brokers.map(({ id }) => join(cluster.folder, `broker-${id}`, 'data')),
    }
    return new BenchKafka(cluster.bootstrapServers, own, 'Apache Kafka 4.1, one broker on this machine', () =>
      cluster.stop(),
    )
  }

  async createTopic(prefix: string, partitions: number, config: Record<string, string> = {}): Promise<string> {
    const topic = uniqueName(`bench-${prefix}`)
    await this.probe.createTopic(topic, partitions, config)
    this.#topics.push(topic)
    return topic
  }

  /** A topic with this in it: the native producer's own batches, no compression. */
  async fill(data: DataSet): Promise<string> {
    const topic = await this.createTopic('in', data.partitions)
    await this.write(topic, recordsOf(data))
    return topic
  }

  /** Into a topic that has nothing yet. */
  async write(topic: string, records: Iterable<DataRecord>): Promise<void> {
    let count = 0
    const producer = new kafkaClient.Producer({
      'bootstrap.servers': this.brokers,
      'queue.buffering.max.messages': 1_000_000,
      'compression.type': 'none',
      // The first request for a new topic may be sent again, and others must not overtake it.
      'enable.idempotence': true,
      ...linger,
    })
    await done((end) => producer.connect({ timeout: 15_000 }, end))
    // A record counts against the queue until its delivery report was taken.
    producer.setPollInterval(10)
    for (const record of records) {
      count += 1
      while (!produced(producer, topic, record)) await new Promise((resolve) => setTimeout(resolve, 5))
    }
    await done((end) => producer.flush(120_000, end))
    await done((end) => producer.disconnect(end))
    const ends = await this.probe.endOffsets(topic)
    const written = ends.reduce((sum, end) => sum + end, 0)
    if (written !== count) throw new Error(`${topic} has ${written} records, not ${count}`)
  }

  async stop(): Promise<void> {
    const admin = await this.probe.admin()
    if (this.#topics.length > 0) await admin.deleteTopics({ topics: this.#topics }).catch(() => undefined)
    await this.probe.close()
    await this.#stop()
  }
}

/** False: its queue is full. */
function produced(
  producer: InstanceType<typeof kafkaClient.Producer>,
  topic: string,
  { key, value, partition, timestamp }: DataRecord,
): boolean {
  try {
    producer.produce(topic, partition, value, key, timestamp)
    return true
  } catch (error) {
    if ((error as { code?: number }).code === kafkaClient.CODES.ERRORS.ERR__QUEUE_FULL) return false
    throw error
  }
}

/** The client's own types say that there always is an error. */
async function done(start: (end: (error: unknown) => void) => unknown): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    start((error) => {
      if (error instanceof Error) reject(error)
      else resolve()
    })
  })
}
