/**
 * When checkpoints are made, and what is in each: freeze → rows → transaction → base, one at a time for the whole process. Handlers
 * and intake go on meanwhile.
 *
 * A checkpoint begins every `intervalMs` while something was handled, later after long completion maps, and at once when half of the intake waits for it or
 * partitions are to be given back. Who writes to a database that is away keeps its frozen generation, and goes with a later one.
 */
import { sleep, type Clock } from '../../../clock.ts'
import { isTroupeError } from '../../../errors.ts'
import type { EngineStats } from '../../../metrics/stats.ts'
import type { BrokerConsumer } from '../../broker-port.ts'
import { restAfterMs } from '../../positions/map-budget.ts'
import { partitionName } from '../../record.ts'
import type { CheckpointListener } from '../checkpoint-points.ts'
import type { CheckpointOwner, DeliveryEvents } from '../delivery.ts'
import type { OutputAccounts } from './output-accounts.ts'
import { Participant, type FrozenGeneration, type HeldBack } from './participant.ts'
import type { RowWriter } from './row-writer.ts'
import type { TransactionRunner } from './transaction-runner.ts'
import type { WholePositions } from './whole-positions.ts'

export interface CheckpointLoopOptions {
  readonly intervalMs: number
  /** What may be in flight, over all partitions. */
  readonly intake: { readonly maxRecords: number; readonly maxBytes: number }
  readonly runner: TransactionRunner
  readonly rows: RowWriter
  readonly accounts: OutputAccounts
  readonly positions: WholePositions
  /** Of what goes to these, a checkpoint has the last record of each key. */
  readonly latestTopics: ReadonlySet<string>
  readonly events: DeliveryEvents
  readonly clock: Clock
  /** From 0, included, to 1. */
  readonly random: () => number
  readonly stats: EngineStats
  readonly onCheckpoint?: CheckpointListener
  /** A checkpoint stands: there is room for more. */
  readonly onStanding: () => void
  /** It has ended: what it threw. */
  readonly onFailure: (error: unknown) => void
}

/** Of the intake's budget, what may gather before a checkpoint begins early. */
const EARLY_SHARE = 0.5
/** How long rows hold up a checkpoint of others, as a share of the interval. */
const PATIENCE_SHARE = 0.5
/** Records that come back in one turn of the loop. */
const SETTLED_PER_TURN = 1_000

/** Numbers of one process end alike, and those of others in some other way: in 48 bits there is room for so many endings. */
const NUMBERS_PER_MS = 64

interface Waiter {
  readonly wanted: ReadonlyMap<Participant, number>
  /** They are to be given back: it is the last checkpoint that they are part of. */
  readonly isLast: boolean
  readonly done: () => void
}

export class CheckpointLoop {
  readonly #options: CheckpointLoopOptions
  readonly #participants = new Map<CheckpointOwner, Participant>()
  readonly #waiters = new Set<Waiter>()
  /** Whose epochs have ended while a transaction had them: it may stand. */
  readonly #leaving = new Set<Participant>()
  #consumer: BrokerConsumer | null = null
  /** Greater in each checkpoint, and, as far as chance allows, not that of another process: positions are told apart by it. */
  #checkpoint: number
  #isRunning = false
  #isEnded = false
  #beganAtMs = -Infinity
  /** The maps of the last one were so long that the next ones may not follow sooner: brokers keep each several times. */
  #mapRestMs = 0
  #timer: { readonly dueMs: number; readonly cancel: () => void } | null = null
  #gatheredRecords = 0
  #gatheredBytes = 0
  #wakeRows: () => void = () => undefined

  constructor(options: CheckpointLoopOptions) {
    this.#options = options
    this.#checkpoint =
      Math.floor(options.clock.wallNow()) * NUMBERS_PER_MS + Math.floor(options.random() * NUMBERS_PER_MS)
    options.stats.checkpoints.oldestFrozenAtMs = () => this.#oldestFrozenAtMs
  }

  get #oldestFrozenAtMs(): number | null {
    const times = [...this.#participants.values()].flatMap(({ frozen }) => (frozen === null ? [] : [frozen.atMs]))
    return times.length === 0 ? null : Math.min(...times)
  }

  /** What is kept until it stands takes all that may be in flight. */
  get isSated(): boolean {
    let bytes = 0
    for (const { frozen, gathering } of this.#participants.values()) {
      bytes += gathering.bytes + (frozen?.generation.bytes ?? 0)
    }
    return bytes >= this.#options.intake.maxBytes
  }

  /** Of whom no checkpoint has anything, because a map does not fit. */
  get heldBack(): readonly HeldBack[] {
    return [...this.#participants.values()].flatMap(({ heldBack }) => heldBack ?? [])
  }

  begin(consumer: BrokerConsumer): void {
    this.#consumer = consumer
  }

  /** The member has ended, and with it each epoch. */
  reset(): void {
    this.#consumer = null
    for (const participant of this.#participants.values()) this.#drop(participant)
    this.#participants.clear()
    this.#options.runner.forgetTrouble()
    this.#review()
  }

  /** Nothing more is made durable. */
  end(): void {
    this.#isEnded = true
    this.#timer?.cancel()
    this.#timer = null
    this.#options.runner.end()
    this.#wakeRows()
    this.#review()
  }

  of(owner: CheckpointOwner): Participant {
    let participant = this.#participants.get(owner)
    if (participant === undefined) {
      participant = new Participant(owner, this.#options.latestTopics)
      this.#participants.set(owner, participant)
    }
    return participant
  }

  known(owner: CheckpointOwner): Participant | null {
    return this.#participants.get(owner) ?? null
  }

  forget(owner: CheckpointOwner): void {
    const participant = this.#participants.get(owner)
    if (participant !== undefined) this.#drop(participant)
    this.#participants.delete(owner)
    this.#review()
  }

  #drop(participant: Participant): void {
    this.#options.accounts.noteDropped(participant.gathering)
    if (this.#isRunning) this.#leaving.add(participant)
    else this.#dropFrozen(participant)
  }

  #dropFrozen({ frozen }: Participant): void {
    if (frozen?.isDurable === false) this.#options.accounts.noteDropped(frozen.generation, frozen)
  }

  /** Something of this participant waits for a checkpoint: so many records more, of so many bytes. */
  noteGathered(participant: Participant, records: number, bytes: number): void {
    // What gathers behind what cannot get on is no reason for another checkpoint.
    if (participant.frozen === null && participant.heldBack === null) {
      this.#gatheredRecords += records
      this.#gatheredBytes += bytes
    }
    // The one that is set is due no later than another would be: for most records there is nothing to look up.
    if (this.#timer !== null && !this.#isMuch && this.#waiters.size === 0) return
    this.#schedule()
  }

  /** Rows of a generation have all their answers. */
  noteRowsAnswered(): void {
    this.#wakeRows()
    this.#schedule()
  }

  /**
   * Resolves when all stands that these have handled by now, or they have gone; or after this time: what is late then is no
   * part of any checkpoint any more.
   */
  async makeDurable(owners: Iterable<CheckpointOwner>, withinMs: number): Promise<void> {
    const wanted = this.#wantedOf(owners)
    if (!areStanding(wanted) && !this.#isEnded) await this.#untilStanding({ wanted, isLast: true }, withinMs)
    // What they handle from now on is late as well: it must not be in a transaction when they are given back.
    for (const participant of wanted.keys()) participant.giveUp()
    this.#options.runner.review()
  }

  /** Begins a checkpoint for these as soon as it may. They go on. */
  hurry(owners: Iterable<CheckpointOwner>): void {
    const wanted = this.#wantedOf(owners)
    if (!areStanding(wanted) && !this.#isEnded) void this.#untilStanding({ wanted, isLast: false }, Infinity)
  }

  #wantedOf(owners: Iterable<CheckpointOwner>): ReadonlyMap<Participant, number> {
    const wanted = new Map<Participant, number>()
    for (const owner of owners) {
      const participant = this.of(owner)
      wanted.set(participant, participant.wanted)
    }
    return wanted
  }

  /** Or until this time is over. */
  #untilStanding(of: Omit<Waiter, 'done'>, withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        cancel()
        this.#waiters.delete(waiter)
        resolve()
      }
      const waiter: Waiter = { ...of, done }
      const cancel = Number.isFinite(withinMs) ? this.#options.clock.after(withinMs, done) : () => undefined
      this.#waiters.add(waiter)
      this.#wakeRows()
      this.#schedule()
    })
  }

  #schedule(): void {
    if (this.#isRunning || this.#isEnded || this.#consumer === null) return
    const { clock, intervalMs } = this.#options
    const isUrgent = this.#isUrgent
    if (this.#timer !== null && !isUrgent) return
    const restMs = Math.max(intervalMs, this.#mapRestMs)
    const dueMs = isUrgent ? clock.now() : Math.max(clock.now(), this.#beganAtMs + restMs)
    if (this.#timer !== null) {
      if (this.#timer.dueMs <= dueMs) return
      this.#timer.cancel()
    }
    const cancel = clock.after(dueMs - clock.now(), () => {
      this.#timer = null
      void this.#run()
    })
    this.#timer = { dueMs, cancel }
  }

  get #isMuch(): boolean {
    const { maxBytes, maxRecords } = this.#options.intake
    return this.#gatheredRecords >= maxRecords * EARLY_SHARE || this.#gatheredBytes >= maxBytes * EARLY_SHARE
  }

  get #isUrgent(): boolean {
    if (this.#isMuch) return true
    for (const { isLast, wanted } of this.#waiters) {
      for (const [participant, freeze] of wanted) {
        const { frozen, heldBack, isReady, standing } = participant
        // Who is held back goes when his map fits; only one that is to be given back is given up instead, with one more look.
        const mayGo = heldBack === null || isLast
        if (isReady || (frozen === null && mayGo && standing < freeze)) return true
      }
    }
    return false
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    this.#beganAtMs = this.#options.clock.now()
    try {
      await this.#makeCheckpoint()
    } catch (error) {
      // Another member begins where everything stands. Of this one nothing more is made durable.
      if (isTroupeError(error) && error.retryable) this.#consumer = null
      else this.end()
      this.#options.onFailure(error)
    }
    this.#isRunning = false
    for (const participant of this.#leaving) this.#dropFrozen(participant)
    this.#leaving.clear()
    this.#review()
    this.#count()
    for (const { frozen, hasProgress, isGone, isReady } of this.#participants.values()) {
      if (isReady || (frozen === null && hasProgress && !isGone)) this.#schedule()
    }
  }

  async #makeCheckpoint(): Promise<void> {
    const { accounts, clock, events, onCheckpoint, onStanding, runner, stats } = this.#options
    const { stepSeconds } = stats.checkpoints
    onCheckpoint?.('before-freeze')
    const fresh = this.#freeze()
    const frozenAtMs = clock.now()
    await this.#untilAnswered(fresh)
    const rowsAtMs = clock.now()
    stepSeconds.rows.observe((rowsAtMs - frozenAtMs) / 1000)
    const fit: Participant[] = []
    for (const participant of [...this.#participants.values()]) {
      if (!participant.isReady) continue
      if (await isFit(participant)) fit.push(participant)
      else if (!participant.isGone) {
        const { bases, frozen, owner } = participant
        stats.checkpoints.rewinds += 1
        events.onRefusedOutputs(owner, frozen?.refusals ?? new Map(), bases)
        participant.giveUp()
      }
    }
    const consumer = this.#consumer
    // Others may have become ready, or gone, while state was made into bytes: what was not looked at goes with a later one.
    const ready = fit.filter(({ isReady }) => isReady)
    if (consumer === null || ready.length === 0) return
    const standing = await runner.commit(consumer, ready)
    const standsAtMs = clock.now()
    if (standing.length === 0) return
    const seconds = (standsAtMs - rowsAtMs) / 1000
    stepSeconds.transaction.observe(seconds)
    const durable = standing.flatMap(({ frozen }) => frozen ?? [])
    for (const frozen of durable) frozen.isDurable = true
    accounts.noteDurable(durable, seconds)
    await this.#settle(standing)
    stepSeconds.base.observe((clock.now() - standsAtMs) / 1000)
    onStanding()
  }

  #freeze(): FrozenGeneration[] {
    const { accounts, clock, onCheckpoint, positions, rows, stats } = this.#options
    const mapBytesBefore = stats.mapBytes
    const atMs = clock.now()
    this.#checkpoint += NUMBERS_PER_MS
    const frozen = new Map<Participant, FrozenGeneration>()
    for (const participant of this.#participants.values()) {
      if (participant.isGone || participant.frozen !== null || !participant.hasProgress) continue
      const { gathering } = participant
      const gathered = gathering.records.length
      const generation = participant.freeze(this.#checkpoint, positions, atMs)
      // Some had others come in their place.
      accounts.noteOutputs(gathering.records.length - gathered)
      if (generation !== null) frozen.set(participant, generation)
      // What it has at a hand-over will not become less: its next owner handles it.
      else if (this.#isToBeGivenBack(participant)) participant.giveUp()
    }
    this.#gatheredRecords = 0
    this.#gatheredBytes = 0
    this.#mapRestMs = restAfterMs(stats.mapBytes - mapBytesBefore)
    onCheckpoint?.('before-rows')
    for (const [participant, generation] of frozen) rows.write(participant, generation)
    return [...frozen.values()]
  }

  /** Partitions are to be given back, and no row of them is open. */
  get #isAwaited(): boolean {
    return [...this.#waiters].some(
      ({ isLast, wanted }) => isLast && [...wanted.keys()].every(({ frozen }) => (frozen?.openRows ?? 0) === 0),
    )
  }

  #isToBeGivenBack(participant: Participant): boolean {
    return [...this.#waiters].some(({ isLast, wanted }) => isLast && wanted.has(participant))
  }

  /** Resolves when the rows of these have their answers, or when the others have waited for long enough. */
  #untilAnswered(fresh: readonly FrozenGeneration[]): Promise<void> {
    if (fresh.every(({ openRows }) => openRows === 0)) return Promise.resolve()
    const { clock, intervalMs } = this.#options
    return new Promise((resolve) => {
      const done = (): void => {
        cancel()
        this.#wakeRows = () => undefined
        resolve()
      }
      const cancel = clock.after(intervalMs * PATIENCE_SHARE, done)
      this.#wakeRows = () => {
        if (this.#isEnded || this.#isAwaited || fresh.every(({ openRows }) => openRows === 0)) done()
      }
      this.#wakeRows()
    })
  }

  /** What stands becomes the base, and its records come back. */
  async #settle(standing: readonly Participant[]): Promise<void> {
    const { clock, events, onCheckpoint, stats } = this.#options
    const { checkpoints } = stats
    checkpoints.committed += 1
    onCheckpoint?.('before-base')
    await Promise.all(standing.map((participant) => takeIntoStore(participant, stats)))
    onCheckpoint?.('before-credit')
    /** To settle in this turn of the loop. */
    let left = SETTLED_PER_TURN
    for (const participant of standing) {
      const { frozen, owner } = participant
      if (frozen === null) continue
      const { letters, outputBytes, records, size, tickets } = frozen.generation
      participant.stand()
      checkpoints.handled += size
      checkpoints.records += records.length + frozen.changelogRecords
      checkpoints.bytes += outputBytes
      for (const { input, snapshot } of frozen.positions) {
        if (input.isFenced) continue
        if (input.isCompanion === true) input.noteCommitted?.(snapshot.position)
        else events.onCommitted(input, snapshot.position)
      }
      for (let settled = 0; settled < tickets.length && !owner.isFenced;) {
        if (left === 0) {
          await sleep(clock, 0)
          left = SETTLED_PER_TURN
        }
        const next = tickets.slice(settled, settled + left)
        settled += next.length
        left -= next.length
        owner.settleTogether(() => {
          for (const ticket of next) if (!owner.isFenced) ticket.settleAll(null)
        })
      }
      for (const letter of letters) if (!owner.isFenced) letter.settle(null)
      if (!owner.isFenced) owner.noteStanding()
    }
  }

  /** What has gathered during a checkpoint. */
  #count(): void {
    this.#gatheredRecords = 0
    this.#gatheredBytes = 0
    for (const { frozen, gathering, heldBack } of this.#participants.values()) {
      if (frozen !== null || heldBack !== null) continue
      this.#gatheredRecords += gathering.size
      this.#gatheredBytes += gathering.bytes
    }
  }

  #review(): void {
    for (const waiter of [...this.#waiters]) if (this.#isEnded || areStanding(waiter.wanted)) waiter.done()
    this.#options.runner.review()
  }
}

/** Nothing of it is refused, and all that it keeps can be written. */
async function isFit({ frozen, owner }: Participant): Promise<boolean> {
  return frozen?.refusals.size === 0 && (await owner.state?.encodeFrozen()) !== false
}

/** Of an epoch that has ended the store is closed, or about to be: the next owner restores what stands. */
async function takeIntoStore(participant: Participant, { waits }: EngineStats): Promise<void> {
  const { inputs, state } = participant.owner
  if (participant.isGone || state === null) return
  const end = waits.begin('store-write', inputs.map(partitionName).join(', '))
  const stored = state.commit().catch((error: unknown) => {
    if (!participant.isGone) throw error
  })
  await stored.finally(end)
}

function areStanding(wanted: ReadonlyMap<Participant, number>): boolean {
  return [...wanted].every(([participant, freeze]) => participant.isGone || participant.standing >= freeze)
}
