/**
 * Exactly once: a record counts as finished when it is handled, and its outputs, dead letters, state and position become durable
 * together, in one transaction of the whole process (`checkpoint-loop.ts`, `transaction-runner.ts`). Rows go to their sinks
 * before it, so they are at least once.
 */
import type { Clock } from '../../../clock.ts'
import type { Log } from '../../../log.ts'
import type { EngineStats } from '../../../metrics/stats.ts'
import type { Broker } from '../../broker.ts'
import type { BrokerConsumer, CommitReport } from '../../broker-port.ts'
import type { EncodedEffect } from '../../flows/effect-encoder.ts'
import type { CompletionSnapshot } from '../../positions/completion-map.ts'
import { partitionName } from '../../record.ts'
import type { CheckpointListener } from '../checkpoint-points.ts'
import { takeReport } from '../commit-report.ts'
import { smallerLetter, type DeadLetter } from '../dead-letter.ts'
import type { Delivery, DeliveryEvents, HandledTicket, LetterTicket, OwnedPartition } from '../delivery.ts'
import { RowQueues } from '../row-queues.ts'
import type { Sink } from '../sink.ts'
import { CheckpointLoop } from './checkpoint-loop.ts'
import { OutputAccounts } from './output-accounts.ts'
import { PlainTransactions } from './plain-transactions.ts'
import { sizeOnWire, tooLarge } from './record-size.ts'
import { RowWriter } from './row-writer.ts'
import { TransactionRunner } from './transaction-runner.ts'
import { WholePositions } from './whole-positions.ts'

export interface CheckpointDeliveryOptions {
  readonly broker: Pick<Broker, 'producer' | 'transactionalProducer' | 'admin'>
  readonly sinks: Readonly<Record<string, Sink>>
  /** False: the brokers keep none, so outputs are written before positions and may come twice. */
  readonly hasTransactions: boolean
  readonly transactionalId: string
  readonly transactionTimeoutMs: number
  readonly checkpointIntervalMs: number
  /** What may be in flight, over all partitions. */
  readonly intake: { readonly maxRecords: number; readonly maxBytes: number }
  /** The largest record that our own client takes. */
  readonly maxRecordBytes: number
  /** Of what goes to these, a checkpoint has the last record of each key. */
  readonly latestTopics: ReadonlySet<string>
  readonly events: DeliveryEvents
  /** Nobody, unless given. */
  readonly onCheckpoint?: CheckpointListener
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
  readonly stats: EngineStats
}

export class CheckpointDelivery implements Delivery {
  readonly kind = 'exactly-once'
  readonly finishesWhen = 'handled'
  onWritten: () => void = () => undefined
  onFailure: (error: unknown) => void = () => undefined
  readonly #options: CheckpointDeliveryOptions
  readonly #positions: WholePositions
  readonly #rows: RowQueues
  readonly #accounts: OutputAccounts
  readonly #runner: TransactionRunner
  readonly #loop: CheckpointLoop
  #hasBegunToConnect = false

  constructor(options: CheckpointDeliveryOptions) {
    this.#options = options
    const { broker, checkpointIntervalMs, events, hasTransactions } = options
    const onWritten = (): void => {
      this.onWritten()
    }
    const onFailure = (error: unknown): void => {
      this.onFailure(error)
    }
    this.#positions = new WholePositions(options.stats)
    const accounts = new OutputAccounts(options.stats)
    this.#accounts = accounts
    this.#rows = new RowQueues({ ...options, onWritten, onFailure })
    const producer = hasTransactions
      ? broker.transactionalProducer(options)
      : new PlainTransactions(broker.producer('outputs'), events)
    this.#runner = new TransactionRunner({ ...options, accounts, producer, positions: this.#positions })
    const writer = new RowWriter(this.#rows, () => {
      this.#loop.noteRowsAnswered()
    })
    this.#loop = new CheckpointLoop({
      ...options,
      ...{ intervalMs: checkpointIntervalMs, runner: this.#runner, rows: writer, positions: this.#positions },
      ...{ accounts, onStanding: onWritten, onFailure },
    })
  }

  async connect(): Promise<void> {
    this.#hasBegunToConnect = true
    await this.#runner.connect()
  }

  async disconnect(): Promise<void> {
    if (!this.#hasBegunToConnect) return
    this.#hasBegunToConnect = false
    await this.#options.stats.waits.answer('producer-close', 'transactions', this.#runner.disconnect())
  }

  async partitionCounts(topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const admin = this.#options.broker.admin()
    try {
      await admin.connect()
      const described = await admin.describeTopics(topics)
      return new Map([...described].map(([topic, { partitions }]) => [topic, partitions]))
    } finally {
      await admin.disconnect()
    }
  }

  begin(consumer: BrokerConsumer): void {
    this.#loop.begin(consumer)
  }

  end(): void {
    this.#loop.reset()
  }

  /** Only where there are no transactions: positions of those are answered for by their commits. */
  noteReport(report: CommitReport): void {
    takeReport(report, this.#options)
    if (report.result !== 'too-large') return
    for (const { metadataLength = Infinity } of report.positions) this.#positions.noteTooLong(metadataLength)
  }

  deliver(ticket: HandledTicket, effects: readonly EncodedEffect[]): Error | null {
    let outputBytes = 0
    for (const effect of effects) {
      if (effect.type === 'record') {
        const bytes = sizeOnWire(effect.record)
        if (bytes > this.#options.maxRecordBytes) return tooLarge(effect.record, this.#options.maxRecordBytes)
        outputBytes += bytes
      } else {
        const lack = this.#rows.lackOf(effect.sink)
        if (lack !== null) return lack
      }
    }
    const participant = this.#loop.of(ticket.owner)
    const { gathering } = participant
    const before = gathering.bytes
    const recordsBefore = gathering.records.length
    gathering.add(ticket, effects, outputBytes)
    ticket.keptBytes = outputBytes
    this.#accounts.noteOutputs(gathering.records.length - recordsBefore)
    this.#loop.noteGathered(participant, 1, gathering.bytes - before)
    return null
  }

  /** With less of what is ours, where that is too large. What is too large alone is for the brokers to refuse. */
  deadLetter(ticket: LetterTicket, id: string, letter: DeadLetter): void {
    let fitting = letter
    while (tooLarge(fitting, this.#options.maxRecordBytes) !== null) {
      const smaller = smallerLetter(fitting)
      if (smaller === null) break
      fitting = smaller
    }
    const participant = this.#loop.of(ticket.owner)
    const { gathering } = participant
    const before = gathering.bytes
    gathering.addLetter(ticket, id, fitting)
    this.#accounts.noteLetter()
    this.#loop.noteGathered(participant, 1, gathering.bytes - before)
  }

  noteProgress({ owner }: OwnedPartition): void {
    const participant = this.#loop.of(owner)
    // What a checkpoint gives back is told as well, and is nothing new.
    if (participant.hasProgress) this.#loop.noteGathered(participant, 0, 0)
  }

  makeDurable(partitions: readonly OwnedPartition[], withinMs: number): Promise<void> {
    return this.#loop.makeDurable(new Set(partitions.map(({ owner }) => owner)), withinMs)
  }

  makeDurableSoon(partitions: readonly OwnedPartition[]): void {
    this.#loop.hurry(new Set(partitions.map(({ owner }) => owner)))
  }

  atRest(): Promise<void> {
    return this.#runner.atRest()
  }

  recorded(partition: OwnedPartition): CompletionSnapshot | null {
    // Whether the last transaction stands, nobody knows as well as the brokers: and with an older map it would be made again.
    if (this.#options.hasTransactions) return null
    return this.#loop.known(partition.owner)?.baseOf(partition) ?? null
  }

  forget(partition: OwnedPartition): void {
    this.#loop.forget(partition.owner)
  }

  get isSated(): boolean {
    return this.#loop.isSated || this.#rows.isSated
  }

  troubles(): { sink: string; sinceMs: number; reason: string }[] {
    const { trouble } = this.#runner
    const heldBack = this.#loop.heldBack.map(({ characters, input, limit, sinceMs }) => ({
      sink: 'kafka',
      sinceMs,
      reason:
        `${partitionName(input)}: what is finished beyond its position ${input.tracker.safePosition} takes ${characters} ` +
        `characters to tell, and brokers keep ${limit} (offset.metadata.max.bytes), so no checkpoint of it can be made ` +
        'until the record there is finished',
    }))
    return [...(trouble === null ? [] : [{ sink: 'kafka', ...trouble }]), ...heldBack, ...this.#rows.troubles()]
  }

  close(): void {
    this.#loop.end()
    this.#rows.close()
  }
}
