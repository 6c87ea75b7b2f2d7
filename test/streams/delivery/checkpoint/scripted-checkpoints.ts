/** Checkpoints of a few partitions, by a producer that takes whatever it is given: what is not sent, nobody else has kept back. */
import { silentLog } from '../../../../src/log.ts'
import { EngineStats } from '../../../../src/metrics/stats.ts'
import type { BrokerConsumer, StoredPosition } from '../../../../src/streams/broker-port.ts'
import { CheckpointDelivery } from '../../../../src/streams/delivery/checkpoint/checkpoint-delivery.ts'
import type { CheckpointOwner, CheckpointedState, OwnedPartition } from '../../../../src/streams/delivery/delivery.ts'
import type { Sink } from '../../../../src/streams/delivery/sink.ts'
import type { EncodedEffect } from '../../../../src/streams/flows/effect-encoder.ts'
import { OffsetTracker } from '../../../../src/streams/positions/offset-tracker.ts'
import type { OutputRecord } from '../../../../src/streams/record.ts'
import type { TransactionalProducer } from '../../../../src/streams/transaction-port.ts'
import { ManualClock } from '../../../../src/testing/manual-clock.ts'

export type Step = 'send' | 'positions' | 'commit' | 'abort'

interface Options {
  readonly intervalMs?: number
  readonly intake?: { readonly maxRecords: number; readonly maxBytes: number }
  readonly sinks?: Readonly<Record<string, Sink>>
}

export class ScriptedOwner implements CheckpointOwner {
  readonly inputs: readonly OwnedPartition[]
  readonly tracker = new OffsetTracker({ position: 0 })
  isFenced = false
  state: CheckpointedState | null = null
  /** Records whose credit has come back. */
  settled = 0
  #next = 0

  constructor(partition: number) {
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- an input looks at its owner
    const owner = this
    const input: OwnedPartition = {
      ...{ topic: 'in', partition, tracker: this.tracker, owner },
      ...{ setIntakeBlocked: () => undefined, setMapLeftOut: () => undefined },
      get isFenced() {
        return owner.isFenced
      },
    }
    this.inputs = [input]
  }

  noteStanding(): void {
    // Nothing waits for it.
  }

  settleTogether(settle: () => void): void {
    settle()
  }

  /** One more record is handled, with one output, to this sink or to Kafka, and counts so many bytes. */
  handle(delivery: CheckpointDelivery, bytes = 100, sink?: string): void {
    this.tracker.finish(this.tracker.start(this.#next))
    const value = Buffer.from(`${this.inputs[0]!.partition}/${this.#next}`)
    const record: OutputRecord = { topic: 'out', key: null, value }
    const settleAll = (): void => void (this.settled += 1)
    const id = `in/${value.toString()}`
    const ticket = { id, owner: this, bytes, keptBytes: 0, settle: () => undefined, settleAll }
    const row: EncodedEffect | null =
      sink === undefined ? null : { type: 'row', sink, row: { table: 'out', values: [] } }
    delivery.deliver(ticket, [row ?? { type: 'record', record }])
    this.#next += 1
  }
}

export class ScriptedCheckpoints {
  readonly clock = new ManualClock()
  readonly stats = new EngineStats(this.clock)
  /** Each step that was asked for, in order. */
  readonly said: string[] = []
  /** Positions of transactions that were committed, as `partition@position`. */
  readonly committed: string[] = []
  /** Of each rewind, the records of which something was refused. */
  readonly rewinds: string[][] = []
  readonly delivery: CheckpointDelivery
  /** Called in the middle of a step. */
  during: (step: Step) => Promise<void> | void = () => undefined
  #sent: string[] = []

  constructor({ intake = { maxRecords: 100, maxBytes: 100_000 }, intervalMs = 100, sinks = {} }: Options = {}) {
    const producer = this.#producer()
    const none = (): never => {
      throw new Error('nobody asks for this')
    }
    this.delivery = new CheckpointDelivery({
      broker: { transactionalProducer: () => producer, producer: none, admin: none },
      ...{ sinks, hasTransactions: true, transactionalId: 'id', transactionTimeoutMs: 15_000 },
      ...{
        checkpointIntervalMs: intervalMs,
        intake,
        maxRecordBytes: 1_000_000,
        latestTopics: new Set<string>(),
        random: () => 0,
      },
      events: {
        onRefused: () => undefined,
        onCommitted: () => undefined,
        onRefusedOutputs: (_owner, refusals) => void this.rewinds.push([...refusals.keys()]),
      },
      ...{ clock: this.clock, log: silentLog, stats: this.stats },
    })
    this.delivery.begin({} as BrokerConsumer)
  }

  #producer(): TransactionalProducer {
    const step = async (name: Step): Promise<void> => {
      this.said.push(name)
      await this.during(name)
    }
    return {
      connect: () => Promise.resolve(),
      begin: () => {
        this.#sent = []
      },
      send: () => step('send'),
      sendPositions: async (_consumer, positions: readonly StoredPosition[]) => {
        await step('positions')
        this.#sent.push(...positions.map(({ partition, position }) => `${partition}@${position}`))
      },
      commit: async () => {
        await step('commit')
        this.committed.push(...this.#sent)
      },
      abort: () => step('abort'),
      tryRecords: (records) => Promise.resolve(records.map(() => null)),
      sendSmaller: () => false,
      disconnect: () => Promise.resolve(),
    }
  }
}
