/** A producer of the fake broker: one batch in flight, in order, durable when it says so. */
import type { Clock } from '../../clock.ts'
import { TroupeError } from '../../errors.ts'
import type { BrokerProducer, RecordPlace, WriteResult } from '../../streams/broker-port.ts'
import type { OutputRecord } from '../../streams/record.ts'
import type { FakeConnection } from './fake-connection.ts'
import { countPartitions } from './fake-cluster.ts'
import type { FakeBrokerEvent } from './fake-events.ts'
import type { FakeFaults } from './fake-faults.ts'
import type { FakeLog } from '../fake-log.ts'
import type { Random } from '../random.ts'

export interface FakeProducerOptions {
  readonly client: string
  readonly name: string
  readonly clock: Clock
  readonly random: Random
  readonly connection: FakeConnection
  readonly faults: FakeFaults
  readonly topics: ReadonlyMap<string, readonly FakeLog[]>
  /** Appends a record; an Error says why the broker refuses it for good. */
  readonly append: (record: OutputRecord, onPlaced?: (place: RecordPlace) => void) => WriteResult
  readonly observe: (event: FakeBrokerEvent) => void
  readonly onStep: (step: 'written') => void
}

export class FakeProducer implements BrokerProducer {
  readonly #options: FakeProducerOptions
  #state: 'new' | 'connected' | 'ended' = 'new'
  #isWriting = false

  constructor(options: FakeProducerOptions) {
    this.#options = options
  }

  async connect(): Promise<void> {
    await this.#options.connection.ask(() => undefined)
    this.#state = 'connected'
  }

  write(
    records: readonly OutputRecord[],
    onPlaced?: (index: number, place: RecordPlace) => void,
  ): Promise<readonly WriteResult[]> {
    const { client, connection, name, observe, onStep } = this.#options
    if (this.#isWriting) {
      return Promise.reject(new TroupeError('INTERNAL', 'write was called while a write was outstanding'))
    }
    if (this.#state !== 'connected') {
      return Promise.reject(new TroupeError('SINK_UNAVAILABLE', `the producer ${name} is not connected`))
    }
    this.#isWriting = true
    observe({ type: 'write', client, records })
    return new Promise((resolve, reject) => {
      connection.request(
        () => this.#append(records, onPlaced),
        (results) => {
          this.#isWriting = false
          if (results === null) {
            reject(new TroupeError('SINK_UNAVAILABLE', `${name}: the brokers do not answer (a fault of the test)`))
            return
          }
          onStep('written')
          resolve(results)
        },
      )
    })
  }

  /** What became of each record; null: nobody can say, though some may stand in the log. */
  #append(
    records: readonly OutputRecord[],
    onPlaced: ((index: number, place: RecordPlace) => void) | undefined,
  ): readonly WriteResult[] | null {
    const { append, faults, random } = this.#options
    if (faults.areBrokersAway || faults.isProducingUnavailable) {
      const durable = random.chance(0.5) ? random.integer(0, records.length) : 0
      for (const record of records.slice(0, durable)) append(record)
      return null
    }
    const places: RecordPlace[] = []
    const results = records.map((record, index) =>
      append(record, (place) => {
        places[index] = place
      }),
    )
    if (random.chance(faults.lostAcknowledgements)) return null
    if (onPlaced !== undefined) places.forEach((place, index) => onPlaced(index, place))
    return results
  }

  partitionCounts(topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return this.#options.connection.ask(() => countPartitions(this.#options.topics, topics))
  }

  disconnect(): Promise<void> {
    this.#state = 'ended'
    return new Promise((resolve) => {
      this.#options.connection.request(
        () => undefined,
        () => {
          resolve()
        },
      )
    })
  }
}
