/**
 * Runs transactions, one at a time, until what they hold stands or nobody wants it any more. What becomes of each fault stands in
 * `remedies.ts`; here it is done.
 *
 * - CLOSED  nothing is open at the brokers.
 * - OPEN    records may have crossed. → CLOSED by a commit or an abort, or by connecting again, which ends what was left open.
 */
import type { Clock } from '../../../clock.ts'
import { TroupeError, describeError, isTroupeError } from '../../../errors.ts'
import type { Log } from '../../../log.ts'
import type { AbortReason } from '../../../metrics/checkpoint-stats.ts'
import type { EngineStats } from '../../../metrics/stats.ts'
import type { BrokerConsumer, CommittedPosition, StoredPosition } from '../../broker-port.ts'
import { checkpointOf } from '../../positions/checkpoint-mark.ts'
import { partitionName, type OutputRecord } from '../../record.ts'
import { TransactionError, type TransactionalProducer, type TransactionFault } from '../../transaction-port.ts'
import type { CheckpointListener } from '../checkpoint-points.ts'
import type { DeliveryEvents } from '../delivery.ts'
import { BackOff } from './back-off.ts'
import { Fencings } from './fencings.ts'
import { Halving } from './halving.ts'
import type { OutputAccounts } from './output-accounts.ts'
import type { FrozenGeneration, Participant } from './participant.ts'
import { findRefused } from './refused.ts'
import { remedies } from './remedies.ts'
import { chunksOf, positionCalls } from './slices.ts'
import type { WholePositions } from './whole-positions.ts'

export interface TransactionRunnerOptions {
  readonly producer: TransactionalProducer
  readonly transactionalId: string
  readonly transactionTimeoutMs: number
  readonly positions: WholePositions
  readonly accounts: OutputAccounts
  readonly events: DeliveryEvents
  readonly clock: Clock
  readonly log: Log
  readonly stats: EngineStats
  readonly onCheckpoint?: CheckpointListener
}

/** Records of state go over in so many at a time: between two of them it is seen who has gone. */
const STATE_CHUNK_RECORDS = 5_000
/** Failures in a row. */
const WORTH_A_WORD = 5

export class TransactionRunner {
  readonly #options: TransactionRunnerOptions
  readonly #backOff: BackOff
  readonly #fencings: Fencings
  readonly #halving = new Halving()
  /** Each of their records is taken alone. */
  readonly #takenSingly = new WeakSet<FrozenGeneration>()
  #isEnded = false
  /** Clock time since when a transaction is open; null: none is. */
  #openSinceMs: number | null = null
  /** When something of it was last asked of the brokers. */
  #askedAtMs = 0
  readonly #awaitClosed = new Set<() => void>()
  /** The client can do nothing more, or nobody knows what it has left at the brokers. */
  #needsConnect = false
  #positionsSent: readonly StoredPosition[] = []
  #trouble: { readonly sinceMs: number; readonly reason: string } | null = null

  constructor(options: TransactionRunnerOptions) {
    this.#options = options
    this.#backOff = new BackOff(options.clock)
    this.#fencings = new Fencings(options.transactionalId, options.transactionTimeoutMs)
  }

  /** Why transactions do not go through, and since when (clock time); null: they do. */
  get trouble(): { readonly sinceMs: number; readonly reason: string } | null {
    return this.#trouble
  }

  connect(): Promise<void> {
    return this.#options.producer.connect()
  }

  disconnect(): Promise<void> {
    return this.#options.producer.disconnect()
  }

  /**
   * Resolves with those of whom everything stands. Who has gone meanwhile is not among them, nor who has a record that is refused.
   * Rejects with a TroupeError for what only an operator can change.
   */
  async commit(consumer: BrokerConsumer, participants: readonly Participant[]): Promise<readonly Participant[]> {
    for (let failures = 0; ;) {
      const left = this.#halving.next(participants.filter(({ isReady }) => isReady))
      if (left.length === 0 || this.#isEnded) {
        await this.#endOrphan()
        return []
      }
      try {
        const standing = this.#needsConnect ? await this.#reconnect(consumer, left) : []
        if (standing.length > 0) {
          this.#noteAvailable()
          return standing
        }
        if (await this.#run(consumer, left)) {
          this.#noteAvailable()
          return left
        }
        // Somebody has gone: the same without him, and whoever waited for this to close comes first.
        failures = 0
      } catch (error) {
        failures += 1
        await this.#mend(error, left, failures)
      }
      await this.#backOff.wait(failures)
    }
  }

  /** Those who had it have gone. */
  forgetTrouble(): void {
    this.#trouble = null
  }

  /** What waits for its next try looks again at who is left. */
  review(): void {
    this.#backOff.cutShort()
  }

  /** Resolves when no transaction is open. Brokers that answer nothing end one for its time-out, so longer is not waited. */
  atRest(): Promise<void> {
    if (this.#openSinceMs === null) return Promise.resolve()
    const { clock, transactionTimeoutMs } = this.#options
    const leftMs = this.#askedAtMs + transactionTimeoutMs - clock.now()
    if (leftMs <= 0) return Promise.resolve()
    return new Promise((resolve) => {
      const done = (): void => {
        cancel()
        this.#awaitClosed.delete(done)
        resolve()
      }
      const cancel = clock.after(leftMs, done)
      this.#awaitClosed.add(done)
    })
  }

  /** Begins nothing more. */
  end(): void {
    this.#isEnded = true
    this.#backOff.end()
  }

  /** False: somebody in it has gone, and it was aborted. Rejects with what the brokers say. */
  async #run(consumer: BrokerConsumer, participants: readonly Participant[]): Promise<boolean> {
    const { clock, onCheckpoint, producer } = this.#options
    onCheckpoint?.('before-transaction')
    this.#positionsSent = []
    this.#openSinceMs = clock.now()
    this.#askedAtMs = clock.now()
    producer.begin()
    for (const { frozen, owner } of participants) {
      if (hasLost(participants)) return await this.#leave()
      onCheckpoint?.('before-outputs')
      await producer.send(frozen?.generation.records ?? [])
      onCheckpoint?.('before-changelog')
      if (frozen !== null) frozen.changelogRecords = 0
      for (const records of chunksOf(owner.state?.frozenRecords() ?? noRecords, STATE_CHUNK_RECORDS)) {
        if (hasLost(participants)) return await this.#leave()
        await producer.send(records)
        if (frozen !== null) frozen.changelogRecords += records.length
      }
    }
    const positions = participants.flatMap(
      ({ frozen }) => frozen?.positions.flatMap(({ stored }) => stored ?? []) ?? [],
    )
    onCheckpoint?.('before-positions')
    for (const call of positionCalls(positions)) {
      // The brokers fence members, not partitions: of a partition that is not ours any more they would take the position.
      if (hasLost(participants)) return await this.#leave()
      this.#positionsSent = call
      this.#askedAtMs = clock.now()
      await producer.sendPositions(consumer, call)
    }
    if (hasLost(participants)) return await this.#leave()
    onCheckpoint?.('before-commit')
    this.#askedAtMs = clock.now()
    await producer.commit()
    this.#close()
    return true
  }

  async #leave(): Promise<false> {
    await this.#abort('owner-gone')
    return false
  }

  /** Does what `remedies` says, all but trying again. Rejects with what ends it all. */
  async #mend(error: unknown, participants: readonly Participant[], failures: number): Promise<void> {
    const { accounts, clock, events } = this.#options
    const fault = asTransactionError(error)
    const reason = describeError(fault)
    accounts.noteInVain()
    // A member that stays meets the first with each rebalance, and gets over it by itself. Records that are refused are given up.
    const passes = passingFaults.has(fault.fault)
    if (!passes || failures >= WORTH_A_WORD) this.#noteTrouble(`${fault.fault}: ${reason}`)
    switch (remedies[fault.fault]) {
      case 'again':
        await this.#abort(fault.fault)
        return
      case 'end-epochs':
        await this.#abort(fault.fault)
        events.onRefused(participants.flatMap(({ isGone, owner }) => (isGone ? [] : owner.inputs)))
        return
      case 'reconnect':
        this.#options.stats.checkpoints.aborts[fault.fault] += 1
        this.#needsConnect = true
        if (fault.fault === 'fenced') this.#fencings.note(clock.now(), clock.now() - (this.#openSinceMs ?? clock.now()))
        return
      case 'begin-anew': {
        const longest = Math.max(...this.#positionsSent.map(({ metadata }) => metadata.length))
        this.#options.positions.noteTooLong(longest)
        await this.#abort(fault.fault)
        throw new TroupeError('METADATA_TOO_LONG', `${longest} characters beside a position are refused: ${reason}`, {
          cause: fault,
        })
      }
      case 'rewind':
        await this.#abort(fault.fault)
        await this.#rewind(fault, participants)
        return
      case 'end':
        await this.#abort(fault.fault)
        throw new TroupeError('TRANSACTION_NOT_ALLOWED', reason, { cause: fault })
    }
  }

  async #rewind(fault: TransactionError, participants: readonly Participant[]): Promise<void> {
    const { events, producer, stats } = this.#options
    const areTakenSingly = participants.every(({ frozen }) => frozen !== null && this.#takenSingly.has(frozen))
    if (areTakenSingly && this.#sendSmaller(fault)) return
    const refused = await findRefused(producer, participants).catch((error: unknown) => this.#noteAnother(error))
    if (refused === null) return
    for (const { frozen } of participants) if (frozen !== null) this.#takenSingly.add(frozen)
    // How many records are too many at once: in a batch, or else in a transaction.
    if (refused.size === 0 && !this.#sendSmaller(fault)) this.#halving.noteRefused(participants, fault)
    for (const [participant, refusals] of refused) {
      stats.checkpoints.rewinds += 1
      if (!participant.isGone) events.onRefusedOutputs(participant.owner, refusals, participant.bases)
      participant.giveUp()
    }
  }

  /** True: the next client does. */
  #sendSmaller(fault: TransactionError): boolean {
    this.#noteTrouble(`no record alone is refused, and together they are: ${describeError(fault)}`)
    if (!this.#options.producer.sendSmaller()) return false
    this.#needsConnect = true
    return true
  }

  /** Asking who is refused has failed itself: the next try is refused again, and then it is asked again. */
  #noteAnother(error: unknown): null {
    const fault = asTransactionError(error)
    if (remedies[fault.fault] === 'reconnect') this.#needsConnect = true
    this.#noteTrouble(describeError(fault))
    return null
  }

  /** A new client. Resolves with those who stand: their checkpoint was committed after all. */
  async #reconnect(consumer: BrokerConsumer, participants: readonly Participant[]): Promise<Participant[]> {
    await this.#options.producer.connect()
    this.#close()
    const stored = participants.flatMap(({ frozen }) => frozen?.positions.flatMap(({ stored }) => stored ?? []) ?? [])
    const committed = await consumer
      .committed(stored.map(({ partition, topic }) => ({ topic, partition })))
      .catch(unanswered)
    const found = new Map(committed.map((each) => [partitionName(each), each]))
    this.#needsConnect = false
    return participants.filter(({ frozen }) => {
      const positions = frozen?.positions.flatMap((each) => each.stored ?? []) ?? []
      return (
        frozen !== null &&
        positions.length > 0 &&
        positions.every((each) => isSame(found.get(partitionName(each)), each, frozen.checkpoint))
      )
    })
  }

  /** Nobody is left of whom it was: a new client ends what it has left open, if the brokers are there for it. */
  async #endOrphan(): Promise<void> {
    if (this.#openSinceMs === null || !this.#needsConnect || this.#isEnded) return
    try {
      await this.#options.producer.connect()
      this.#needsConnect = false
      this.#close()
      this.#noteAvailable()
    } catch (error) {
      this.#noteTrouble(describeError(error))
    }
  }

  async #abort(reason: AbortReason): Promise<void> {
    // Then a new client ends it, and this one cannot.
    if (this.#openSinceMs === null || this.#needsConnect) return
    this.#options.stats.checkpoints.aborts[reason] += 1
    try {
      await this.#options.producer.abort()
      this.#close()
    } catch (error) {
      // It stays open until a new client ends it.
      this.#needsConnect = true
      this.#noteTrouble(describeError(error))
    }
  }

  #close(): void {
    this.#openSinceMs = null
    for (const done of [...this.#awaitClosed]) done()
  }

  #noteTrouble(reason: string): void {
    const { accounts, clock, log } = this.#options
    accounts.noteAvailable(false)
    if (this.#trouble?.reason !== reason) {
      log.warn({ reason }, `a checkpoint does not go through; records wait, nothing is lost: ${reason}`)
    }
    this.#trouble = { sinceMs: this.#trouble?.sinceMs ?? clock.now(), reason }
  }

  #noteAvailable(): void {
    if (this.#trouble === null) return
    const awayMs = Math.round(this.#options.clock.now() - this.#trouble.sinceMs)
    this.#trouble = null
    this.#options.accounts.noteAvailable(true)
    this.#options.log.info({ awayMs }, 'checkpoints go through again')
  }
}

const noRecords: readonly OutputRecord[] = []
const passingFaults: ReadonlySet<TransactionFault> = new Set([
  'stale-generation',
  'not-a-member',
  'refused',
  'metadata-too-long',
])

/** A number alone might be one that another process has given. */
function isSame(found: CommittedPosition | undefined, { position }: StoredPosition, checkpoint: number): boolean {
  return found?.position === position && checkpointOf(found.metadata, position) === checkpoint
}

function hasLost(participants: readonly Participant[]): boolean {
  return participants.some(({ isGone }) => isGone)
}

/** What may pass by itself is waited for; what cannot ends it all, and so does a bug. */
function asTransactionError(error: unknown): TransactionError {
  if (error instanceof TransactionError) return error
  if (isTroupeError(error) && error.retryable)
    return new TransactionError('unavailable', error.message, { cause: error })
  throw error
}

/** A question to the brokers that was not answered is asked again. */
function unanswered(cause: unknown): never {
  if (isTroupeError(cause) || cause instanceof TransactionError) throw cause
  throw new TransactionError('unavailable', describeError(cause), { cause })
}
