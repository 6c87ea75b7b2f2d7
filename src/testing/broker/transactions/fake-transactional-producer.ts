/**
 * A transactional producer of the fake broker. As the real client's, records are on their way long after `send` has taken
 * them, one batch after the other; what became of them is for the commit to say, and it names none.
 */
import type { Clock } from '../../../clock.ts'
import { TroupeError } from '../../../errors.ts'
import type { BrokerConsumer, StoredPosition, WriteResult } from '../../../streams/broker-port.ts'
import type { OutputRecord } from '../../../streams/record.ts'
import {
  TransactionError,
  type TransactionalProducer,
  type TransactionalProducerOptions,
  type TransactionFault,
} from '../../../streams/transaction-port.ts'
import type { CrashStep } from './crash-step.ts'
import type { FakeConnection } from '../fake-connection.ts'
import type { TransactionStep, FakeFaults } from '../fake-faults.ts'
import type { FakeGroup, GroupMember } from '../fake-group.ts'
import type { Random } from '../../random.ts'
import type { Answered, FakeTransactions, TransactionOwner } from './fake-transactions.ts'

export interface FakeTransactionalProducerOptions extends TransactionalProducerOptions {
  readonly client: string
  readonly clock: Clock
  readonly brokerClock: Clock
  readonly random: Random
  readonly connection: FakeConnection
  readonly faults: FakeFaults
  readonly transactions: FakeTransactions
  /** The member is out of its group. */
  readonly expel: (memberId: string) => void
  readonly onStep: (step: CrashStep) => void
}

/** A consumer of the fake broker, as its group knows it. */
export interface GroupConsumer {
  /** null: it has left, or never connected. */
  readonly membership: () => { readonly group: FakeGroup; readonly member: GroupMember } | null
}

type State =
  | { readonly type: 'new' | 'ended' }
  | { readonly type: 'ready' | 'open'; readonly owner: TransactionOwner }
  /** Nothing but `connect` helps. */
  | { readonly type: 'over'; readonly fault: 'fenced' | 'unknown' }

const RETRY_MS = 10
const DISCONNECT_TIMEOUT_MS = 14_000
/** The most records of one request. */
const MAX_BATCH = 500

export class FakeTransactionalProducer implements TransactionalProducer {
  readonly #options: FakeTransactionalProducerOptions
  #state: State = { type: 'new' }
  /** Something of the open transaction was sent, so that the brokers may know of it. */
  #isSent = false
  /** The first thing that went wrong in the open transaction: it can only be aborted. */
  #failure: TransactionFault | null = null
  #writing: Promise<void> = Promise.resolve()
  #ending: Promise<void> | null = null
  #maxBatch = MAX_BATCH

  constructor(options: FakeTransactionalProducerOptions) {
    this.#options = options
  }

  async connect(): Promise<void> {
    if (this.#state.type === 'ended') throw notConnected()
    const { client, onStep, transactionalId, transactionTimeoutMs, transactions } = this.#options
    const taken: { owner?: TransactionOwner } = {}
    const fault = await this.#ask('connect', () => {
      const owner = transactions.take(client, transactionalId, transactionTimeoutMs)
      if (owner === 'later') return owner
      taken.owner = owner
      return null
    })
    if (taken.owner === undefined) throw connectError(fault, transactionalId)
    this.#state = { type: 'ready', owner: taken.owner }
    this.#reset()
    onStep('id-taken')
  }

  begin(): void {
    if (this.#state.type === 'open') throw misused('begin was called while a transaction is open')
    const owner = this.#requireReady()
    this.#reset()
    this.#state = { type: 'open', owner }
    this.#options.onStep('begun')
  }

  async send(records: readonly OutputRecord[]): Promise<void> {
    const { clock } = this.#options
    for (let from = 0; from < records.length; from += this.#maxBatch) {
      const owner = this.#requireOpen()
      const batch = records.slice(from, from + this.#maxBatch)
      this.#isSent = true
      this.#writing = this.#writing.then(() => this.#write(owner, batch))
      await sleep(clock, 0)
    }
  }

  async #write(owner: TransactionOwner, batch: readonly OutputRecord[]): Promise<void> {
    // What was not sent when the transaction failed or ended never is.
    if (this.#failure !== null || this.#state.type !== 'open' || this.#state.owner !== owner) return
    const fault = await this.#ask('write', () => this.#options.transactions.write(owner, batch), 'written-open')
    if (fault !== null) this.#note(fault)
  }

  async sendPositions(consumer: BrokerConsumer, positions: readonly StoredPosition[]): Promise<void> {
    const owner = this.#requireOpen()
    if (positions.length === 0) return
    const found = membershipOf(consumer)
    if (found === null) throw this.#fail('not-a-member')
    this.#isSent = true
    const { group, member } = found
    const fault = await this.#ask(
      'positions',
      () => this.#options.transactions.addPositions(owner, group, member, positions),
      'positions-sent',
      member.id,
    )
    if (fault !== null) throw this.#fail(fault)
  }

  async commit(): Promise<void> {
    const owner = this.#requireOpen()
    await this.#writing
    if (this.#state.type === 'open' && this.#failure !== null) throw failed(this.#failure, this.#options)
    this.#requireOpen()
    if (this.#isSent) {
      const { transactions } = this.#options
      const fault = await this.#ask('commit', () => transactions.end(owner, 'committed'), 'commit-decided')
      if (fault !== null) throw this.#fail(fault)
    }
    this.#state = { type: 'ready', owner }
  }

  async abort(): Promise<void> {
    if (this.#state.type === 'over') throw failed(this.#state.fault, this.#options)
    if (this.#state.type !== 'open') return
    const { owner } = this.#state
    // Batches that have not left yet never do.
    this.#failure ??= 'unavailable'
    await this.#writing
    if (this.#isSent) {
      const { transactions } = this.#options
      const fault = await this.#ask('abort', () => transactions.end(owner, 'aborted'), 'aborted')
      if (fault !== null) throw this.#fail(fault)
    }
    this.#state = { type: 'ready', owner }
  }

  async tryRecords(records: readonly OutputRecord[]): Promise<readonly WriteResult[]> {
    if (this.#state.type === 'open') throw misused('tryRecords was called while a transaction is open')
    const owner = this.#requireReady()
    let results: readonly WriteResult[] = []
    const fault = await this.#ask('try', () => {
      const answer = this.#options.transactions.tryRecords(owner, records)
      if (answer === null || typeof answer === 'string') return answer
      results = answer
      return null
    })
    if (fault !== null) throw this.#fail(fault)
    return results
  }

  sendSmaller(): boolean {
    if (this.#maxBatch === 1) return false
    this.#maxBatch = Math.ceil(this.#maxBatch / 4)
    return true
  }

  disconnect(): Promise<void> {
    this.#ending ??= this.#disconnect()
    return this.#ending
  }

  async #disconnect(): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(DISCONNECT_TIMEOUT_MS, resolve)
      const end = (): void => {
        cancel()
        resolve()
      }
      this.abort().then(end, end)
    })
    this.#state = { type: 'ended' }
  }

  // --- steps

  #reset(): void {
    this.#isSent = false
    this.#failure = null
    this.#writing = Promise.resolve()
  }

  #requireOpen(): TransactionOwner {
    if (this.#state.type === 'open') return this.#state.owner
    this.#requireReady()
    throw misused('no transaction is open')
  }

  #requireReady(): TransactionOwner {
    if (this.#state.type === 'over') throw failed(this.#state.fault, this.#options)
    if (this.#state.type !== 'ready' && this.#state.type !== 'open') throw notConnected()
    return this.#state.owner
  }

  #note(fault: TransactionFault): void {
    this.#failure ??= fault
    if (fault === 'fenced' || fault === 'unknown') this.#state = { type: 'over', fault }
  }

  #fail(fault: TransactionFault): TransactionError {
    this.#note(fault)
    return failed(fault, this.#options)
  }

  /** One request, the same again while the brokers say `later`. */
  async #ask(
    step: TransactionStep,
    serve: () => Answered,
    crashStep?: CrashStep,
    memberId?: string | null,
  ): Promise<TransactionFault | null> {
    for (;;) {
      const answer = await this.#exchange(step, () => {
        const served = this.#serve(step, serve, memberId ?? null)
        if (served === null && crashStep !== undefined) this.#options.onStep(crashStep)
        return served
      })
      if (answer !== 'later') return answer
      await sleep(this.#options.clock, RETRY_MS)
    }
  }

  #exchange(step: TransactionStep, serve: () => Answered): Promise<Answered> {
    const { brokerClock, client, connection, faults } = this.#options
    return new Promise((resolve) => {
      connection.request(() => {
        const answer = (): void => {
          const answered = serve()
          connection.tell(() => {
            resolve(answered)
          })
        }
        const delayMs = faults.transactionDelayMs(step, client)
        if (delayMs > 0) brokerClock.after(delayMs, answer)
        else answer()
      })
    })
  }

  /** What the brokers do with a request, faults included. */
  #serve(step: TransactionStep, serve: () => Answered, memberId: string | null): Answered {
    const { client, expel, faults, random, transactionalId, transactions } = this.#options
    // Asked for and never answered: nobody can say, though here it has not arrived.
    if (faults.areBrokersAway) return step === 'commit' ? 'unknown' : 'unavailable'
    if (faults.isProducingUnavailable && step === 'write') return 'unavailable'
    const fault = faults.answerTransaction(step, client, transactionalId)
    if (fault === 'fenced') transactions.fence(transactionalId)
    if (fault === 'not-a-member' && memberId !== null) expel(memberId)
    if (fault !== null) return fault
    const answer = serve()
    return step === 'commit' && answer === null && random.chance(faults.lostCommitAnswers) ? 'unknown' : answer
  }
}

function membershipOf(consumer: BrokerConsumer): ReturnType<GroupConsumer['membership']> {
  const { membership } = consumer as BrokerConsumer & Partial<GroupConsumer>
  if (membership === undefined) throw misused('the consumer is not one of the fake broker')
  return membership.call(consumer)
}

const meanings: Readonly<Record<TransactionFault, string>> = {
  'stale-generation': 'the group has moved on to another generation',
  'not-a-member': 'the group does not know this member',
  fenced: 'another client has the transactional id, or the transaction has timed out',
  refused: 'something of the transaction is refused for good',
  'metadata-too-long': 'the brokers keep less text with a position',
  'not-allowed': 'there is no right to',
  unknown: 'the commit was asked for and not answered',
  unavailable: 'no broker answered',
}

function failed(fault: TransactionFault, { transactionalId }: { readonly transactionalId: string }): TransactionError {
  return new TransactionError(fault, `${transactionalId}: ${meanings[fault]} (a fault of the test)`)
}

function notConnected(): TransactionError {
  return new TransactionError('unavailable', 'the producer is not connected')
}

function misused(message: string): TroupeError {
  return new TroupeError('INTERNAL', message)
}

function connectError(fault: TransactionFault | null, transactionalId: string): TroupeError {
  if (fault === 'not-allowed') {
    return new TroupeError('TRANSACTION_NOT_ALLOWED', `there is no right on the transactional id ${transactionalId}`)
  }
  return new TroupeError('BROKER_UNREACHABLE', 'no broker answered (a fault of the test)')
}

function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(delayMs, resolve)
  })
}
