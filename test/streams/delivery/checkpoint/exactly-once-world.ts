/** An engine that copies `in` to `out` exactly once, at a fake broker, with a clock of its own. */
import { defineHandler, done, type Outcome } from '../../../../src/actors/handlers/handler.ts'
import type { Log } from '../../../../src/log.ts'
import { EngineStats } from '../../../../src/metrics/stats.ts'
import { resolveOptions } from '../../../../src/options/resolve.ts'
import type { Stores } from '../../../../src/state/store.ts'
import type { Broker } from '../../../../src/streams/broker.ts'
import type { CheckpointListener } from '../../../../src/streams/delivery/checkpoint-points.ts'
import { text } from '../../../../src/streams/flows/codec.ts'
import { table, topic, type Topic } from '../../../../src/streams/flows/flow.ts'
import type { TransactionFault, TransactionalProducer } from '../../../../src/streams/transaction-port.ts'
import { Engine } from '../../../../src/supervisor/engine.ts'
import { FakeBroker, type FakeBrokerOptions } from '../../../../src/testing/broker/fake-broker.ts'
import type { FakeClient } from '../../../../src/testing/broker/fake-client.ts'
import type { TransactionStep } from '../../../../src/testing/broker/fake-faults.ts'
import { FakeSink } from '../../../../src/testing/fake-sink.ts'
import { ManualClock } from '../../../../src/testing/manual-clock.ts'

export const INTERVAL_MS = 100
export const DRAIN_TIMEOUT_MS = 5_000
const rows = table<{ id: string }>('rows', { sink: 'table', columns: { id: 'text' }, key: ['id'] })

/** Options of the app, and these. */
interface Overrides extends Record<string, unknown> {
  /** Options of its actor. */
  readonly actor?: object
  readonly openStores?: () => Promise<Stores>
  readonly onCheckpoint?: CheckpointListener
}

interface WorldOptions extends Partial<FakeBrokerOptions> {
  readonly partitions?: number
  /** Outputs are the latest of their key in a checkpoint. */
  readonly latestPerCheckpoint?: boolean
}

/** Of `ann=1` it is `ann`. */
const keyOf = (value: string): string => value.replace(/=.*/, '')

/** Values that begin with `hold` stay at their handler until let go; `row` go to the table as well; `fail` fail for good; `none` go nowhere. */
export class ExactlyOnceWorld {
  readonly clock = new ManualClock()
  readonly broker: FakeBroker
  readonly stats = new EngineStats(this.clock)
  /** Each call of the handler. */
  readonly handled: string[] = []
  /** What was asked of the transactional producer, and what the group was told, in order. */
  readonly said: string[] = []
  readonly log: string[] = []
  readonly sink: FakeSink
  readonly #out: Topic<string>
  #held: (() => void)[] = []
  readonly #saidBy = new Map<string, string[]>()

  constructor({ latestPerCheckpoint = false, partitions = 1, ...options }: WorldOptions = {}) {
    this.#out = topic('out', { value: text, latestPerCheckpoint })
    this.broker = new FakeBroker({ clock: this.clock, latencyMs: [1, 1], ...options })
    for (const [name, count] of [
      ['in', partitions],
      ['out', 1],
      ['dlq', 1],
    ] as const)
      this.broker.createTopic(name, count)
    this.sink = new FakeSink({ clock: this.clock })
  }

  append(...values: string[]): void {
    for (const value of values) this.appendTo(0, value)
  }

  appendTo(partition: number, ...values: string[]): void {
    for (const value of values) this.broker.append('in', { value, key: keyOf(value), partition })
  }

  async start(name = 'a', overrides: Overrides = {}): Promise<Engine> {
    return await this.settled(this.starting(name, overrides))
  }

  starting(name = 'a', { actor = {}, onCheckpoint, openStores, ...overrides }: Overrides = {}): Promise<Engine> {
    const client = this.broker.client(name)
    const handler = defineHandler({
      name: 'copy',
      input: topic('in', { value: text }),
      outputs: [this.#out, rows],
      handle: (value) => {
        this.handled.push(value)
        if (value.startsWith('fail')) throw new Error('as planned')
        const outcome = value.startsWith('none')
          ? done([])
          : done([
              this.#out.record(value, { key: keyOf(value) }),
              ...(value.startsWith('row') ? [rows.upsert({ id: value })] : []),
            ])
        if (!value.startsWith('hold')) return outcome
        return new Promise<Outcome>((resolve) => this.#held.push(() => resolve(outcome)))
      },
    })
    const app = resolveOptions({
      kafka: { brokers: 'fake:9092', groupId: 'group', transactionalId: name },
      guarantee: 'exactly-once',
      checkpointIntervalMs: INTERVAL_MS,
      actors: [{ name: 'copy', handler, deadLetter: 'dlq', retry: { attempts: 1 }, ...actor }],
      sinks: { table: this.sink },
      drainTimeoutMs: DRAIN_TIMEOUT_MS,
      ...overrides,
    })
    const note = (level: string) => (_: object, message: string) => void this.log.push(`${level}: ${message}`)
    const log: Log = { debug() {}, info: note('info'), warn: note('warn'), error: note('error') }
    return Engine.start({
      ...{ app, log, stats: this.stats, broker: this.#noting(client, name), clock: client.clock, random: () => 0 },
      ...(openStores === undefined ? {} : { openStores }),
      ...(onCheckpoint === undefined ? {} : { onCheckpoint }),
    })
  }

  letGo(): void {
    for (const end of this.#held.splice(0)) end()
  }

  /** The next so many answers to this step are this fault. */
  fault(step: TransactionStep, fault: TransactionFault, times = 1): void {
    let left = times
    this.broker.faults.answerTransaction = (asked) => {
      if (asked !== step || left === 0) return null
      left -= 1
      return fault
    }
  }

  async settled<Value>(promise: Promise<Value>): Promise<Value> {
    const state = { isOver: false }
    const note = (): void => void (state.isOver = true)
    promise.then(note, note)
    for (let step = 0; !state.isOver && step < 4_000; step += 1) await this.clock.advance(25)
    return await promise
  }

  /** What a read_committed reader of the topic sees. */
  read(name = 'out'): string[] {
    return this.broker.committedRecords(name).map(({ value }) => Buffer.from(value ?? []).toString())
  }

  get position(): number | undefined {
    return this.broker.committed({ topic: 'in', partition: 0 })?.position
  }

  /** The same, of one member. */
  saidBy(name: string): readonly string[] {
    return this.#saidBy.get(name) ?? []
  }

  #noting(client: FakeClient, name: string): Broker {
    const own: string[] = []
    this.#saidBy.set(name, own)
    const note = (word: string): void => {
      this.said.push(word)
      own.push(word)
    }
    return {
      producer: (name) => client.producer(name),
      reader: (name) => client.reader(name),
      admin: () => client.admin(),
      transactionalProducer: (options) => this.#notingProducer(client.transactionalProducer(options), note),
      consumer: () => {
        const consumer = client.consumer()
        const unassign = consumer.unassign.bind(consumer)
        const disconnect = consumer.disconnect.bind(consumer)
        consumer.unassign = (...args) => {
          note('unassign')
          return unassign(...args)
        }
        consumer.disconnect = () => {
          note('leave')
          return disconnect()
        }
        return consumer
      },
    }
  }

  #notingProducer(producer: TransactionalProducer, note: (word: string) => void): TransactionalProducer {
    const during = async <Value>(word: string, step: Promise<Value>): Promise<Value> => {
      try {
        const value = await step
        note(word)
        return value
      } catch (error) {
        note(`${word}!`)
        throw error
      }
    }
    return {
      connect: () => during('connect', producer.connect()),
      begin: () => {
        note('begin')
        producer.begin()
      },
      send: (records) => producer.send(records),
      sendPositions: (consumer, positions) => during('positions', producer.sendPositions(consumer, positions)),
      commit: () => during('commit', producer.commit()),
      abort: () => during('abort', producer.abort()),
      tryRecords: (records) => during('try', producer.tryRecords(records)),
      sendSmaller: () => producer.sendSmaller(),
      disconnect: () => producer.disconnect(),
    }
  }
}

/** True: between a begin and the commit or abort that ends it there is nothing of these. */
export function isNeverDuringTransaction(said: readonly string[], words: readonly string[]): boolean {
  let isOpen = false
  for (const word of said) {
    if (word === 'begin') isOpen = true
    if (word === 'commit' || word === 'abort' || word === 'connect') isOpen = false
    if (isOpen && words.includes(word)) return false
  }
  return true
}
