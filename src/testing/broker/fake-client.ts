/**
 * One process at a fake broker: a broker port of its own, whose consumers and producers share its
 * fate. Give the engine in it this client's clock, and a freeze or a crash stops the engine as well.
 */
import type { Broker } from '../../streams/broker.ts'
import type { BrokerConsumer, BrokerProducer, BrokerReader } from '../../streams/broker-port.ts'
import type { BrokerAdmin } from '../../streams/admin-port.ts'
import type { TransactionalProducer, TransactionalProducerOptions } from '../../streams/transaction-port.ts'
import { FakeAdmin } from './fake-admin.ts'
import { FakeConnection } from './fake-connection.ts'
import { FakeConsumer } from './fake-consumer.ts'
import type { FakeGroup } from './fake-group.ts'
import { FakeProducer } from './fake-producer.ts'
import { FakeReader } from './fake-reader.ts'
import type { FakeCluster } from './fake-cluster.ts'
import type { FakeLog } from '../fake-log.ts'
import { ProcessClock } from '../process-clock.ts'
import { FakeTransactionalProducer } from './transactions/fake-transactional-producer.ts'
import type { CrashStep } from './transactions/crash-step.ts'

export class FakeClient implements Broker {
  readonly name: string
  /** The process's own time. */
  readonly clock: ProcessClock
  readonly #cluster: FakeCluster
  readonly #group: FakeGroup
  readonly #instanceId: string | null
  readonly #consumers: FakeConsumer[] = []
  readonly #readers: FakeReader[] = []
  #crashAt: { readonly step: CrashStep; left: number } | null = null
  #cancelSession: (() => void) | null = null

  constructor(name: string, cluster: FakeCluster, group: FakeGroup, instanceId: string | null) {
    this.name = name
    this.#cluster = cluster
    this.#group = group
    this.#instanceId = instanceId
    this.clock = new ProcessClock(cluster.options.clock)
  }

  get isCrashed(): boolean {
    return this.clock.isKilled
  }

  /** Something has come to this log: polls that wait for it look again. */
  wake(log: FakeLog): void {
    for (const client of [...this.#consumers, ...this.#readers]) if (client.reads(log)) client.wake()
  }

  consumer(): BrokerConsumer {
    const { options, random } = this.#cluster
    const consumer = new FakeConsumer({
      ...options,
      name: this.name,
      process: this,
      instanceId: this.#instanceId,
      clock: this.clock,
      random: random.fork(`${this.name}/consumer/${this.#consumers.length}`),
      connection: this.#connect('consumer'),
      group: this.#group,
      faults: this.#cluster.faults,
      topics: this.#cluster.topics,
      describeTopics: (topics) => this.#cluster.describeTopics(topics),
      observe: this.#cluster.observe,
      onSilent: (memberId) => {
        options.clock.after(options.sessionTimeoutMs, () => {
          this.#group.expel(memberId)
        })
      },
      onStep: this.#onStep,
    })
    this.#consumers.push(consumer)
    return consumer
  }

  producer(name: string): BrokerProducer {
    return new FakeProducer({
      client: this.name,
      name,
      clock: this.clock,
      random: this.#cluster.random.fork(`${this.name}/${name}`),
      connection: this.#connect(name),
      faults: this.#cluster.faults,
      topics: this.#cluster.topics,
      append: (record, onPlaced) => this.#cluster.appendOutput(this.name, record, onPlaced),
      observe: this.#cluster.observe,
      onStep: this.#onStep,
    })
  }

  reader(name: string): BrokerReader {
    const { faults, options, random, topics } = this.#cluster
    const reader = new FakeReader({
      ...options,
      clock: this.clock,
      random: random.fork(`${this.name}/${name}/${this.#readers.length}`),
      connection: this.#connect(name),
      faults,
      topics,
    })
    this.#readers.push(reader)
    return reader
  }

  transactionalProducer(options: TransactionalProducerOptions): TransactionalProducer {
    const { transactionalId } = options
    const { faults, options: settings, random, transactions } = this.#cluster
    return new FakeTransactionalProducer({
      ...options,
      client: this.name,
      clock: this.clock,
      brokerClock: settings.clock,
      random: random.fork(`${this.name}/${transactionalId}`),
      connection: this.#connect(transactionalId),
      faults,
      transactions,
      expel: (memberId) => {
        this.#group.expel(memberId)
      },
      onStep: this.#onStep,
    })
  }

  admin(): BrokerAdmin {
    return new FakeAdmin({ connection: this.#connect('admin'), cluster: this.#cluster })
  }

  /**
   * The process is gone, as by `kill -9`: nothing of it happens any more, and what it had stored but
   * not committed is lost. Its group finds out when its session times out (`isNoticed`: at once).
   */
  crash(options: { readonly isNoticed?: boolean } = {}): void {
    if (this.isCrashed) return
    this.clock.kill()
    this.#cluster.observe({ type: 'crashed', client: this.name })
    if (options.isNoticed === true) this.#expel()
    else this.#startSession()
  }

  /** Crashes at the `count`-th time this step is reached from now on. */
  crashAt(step: CrashStep, count = 1): void {
    this.#crashAt = { step, left: count }
  }

  /** The process stands still, as by SIGSTOP. Beyond the session time-out its group goes on without it. */
  freeze(): void {
    if (!this.clock.isRunning) return
    this.clock.freeze()
    this.#startSession()
  }

  thaw(): void {
    if (!this.clock.isFrozen) return
    this.#cancelSession?.()
    this.clock.thaw()
  }

  readonly #onStep = (step: CrashStep): void => {
    const at = this.#crashAt
    if (at === null || at.step !== step) return
    at.left -= 1
    if (at.left > 0) return
    this.#crashAt = null
    this.crash()
  }

  /** Nobody hears of the process: its membership ends in a while. */
  #startSession(): void {
    const { clock, sessionTimeoutMs } = this.#cluster.options
    this.#cancelSession?.()
    this.#cancelSession = clock.after(sessionTimeoutMs, () => {
      this.#expel()
    })
  }

  #expel(): void {
    this.#group.expelProcess(this)
  }

  #connect(name: string): FakeConnection {
    const { faults, options, random } = this.#cluster
    return new FakeConnection({
      faults,
      brokerClock: options.clock,
      clientClock: this.clock,
      latency: options.latencyMs,
      random: random.fork(`${this.name}/${name}/connection`),
      isGone: () => this.isCrashed,
    })
  }
}
