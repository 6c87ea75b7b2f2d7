/**
 * What the engine counts, as plain numbers: adding to one costs nothing on the way of a record.
 * `metrics.ts` reads them when somebody scrapes, /status and the live view read them too.
 *
 * One `EngineStats` per supervisor, for its whole life: restarts of the consumer and partitions
 * that come and go keep their counters, so that a counter never goes back.
 */
import { systemClock, type Clock } from '../clock.ts'
import type { CommitReport } from '../streams/broker-port.ts'
import { AsideTally } from './aside-tally.ts'
import { CheckpointStats } from './checkpoint-stats.ts'
import { CodeTally } from './code-tally.ts'
import { Histogram } from './histogram.ts'
import { OpenWaits } from './open-waits.ts'
import { RegistryStats } from './registry-stats.ts'
import { RestoreStats } from './restore-stats.ts'
import { StateStats } from './state-stats.ts'

/** Seconds. Handlers range from some microseconds (a lookup) to a minute (a call to a slow service). */
const handlerBounds: readonly number[] = [
  10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
  30, 60,
]
/** Seconds. From the poll that brought a record to its last output being durable, retries included. */
const latencyBounds: readonly number[] = [
  1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
]
/** Seconds. One write of one batch to a sink. */
const writeBounds: readonly number[] = [1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
/** Seconds. The revoke path has drainTimeoutMs, 30 s unless set. */
const drainBounds: readonly number[] = [10e-3, 50e-3, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60]
/** Seconds. How much later than due a timer of the main thread fired. */
const loopDelayBounds: readonly number[] = [1e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25, 0.5, 1, 5]
/** Records or outputs in one batch. */
const batchBounds: readonly number[] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000]

/** One (actor, topic, partition), whoever owns it by now. */
export class PartitionStats {
  readonly actor: string
  readonly topic: string
  readonly partition: number

  // --- counters: they only grow
  received = 0
  /** Bytes of their keys, values and headers. */
  receivedBytes = 0
  /** Finished records, by what became of them. */
  done = 0
  skipped = 0
  deadLettered = 0
  /** Found finished in the completion map, so not handled again. */
  alreadyFinished = 0
  /** Given up unfinished: their epoch ended, or the actor stopped. Whoever owns the partition next reads them again. */
  dropped = 0
  /** Tries of the handler, the first included. */
  attempts = 0
  /** Tries that ended in another try (failures, `retry()`, lost threads). */
  retries = 0
  /** Times that intake was stopped for this partition. */
  pauses = 0
  /** Times that the committed position was not in the log. */
  outOfRange = 0
  /** Times that the committed position was of another topic of this name. */
  topicReplaced = 0
  /** Times that the commit's metadata was not a readable completion map. */
  foreignMetadata = 0

  // --- gauges: exported while `isAssigned` only
  isAssigned = false
  isPaused = false
  epoch = 0
  /** Received, neither finished nor dropped. */
  inFlight = 0
  /** What those count against the intake's budget. */
  bytesInFlight = 0
  /** Records that wait for an operator's word. */
  parked = 0
  /** Records of keys whose first record waits: for its retry, for a schema, or parked. */
  waitingRecords = 0
  /** Such keys hold so much that intake has stopped. */
  isStoppedByKeys = false
  /** The position is committed without its completion map, which is too long. */
  isMapLeftOut = false
  /** Highest position with nothing unfinished below; null: nothing received yet. */
  safePosition: number | null = null
  /** The position after the last record received; null: none was. */
  receivedPosition: number | null = null
  /** As the broker accepted it; null: nothing committed. */
  committedPosition: number | null = null
  /** The position after the log's last record, as last asked for; null: not known. */
  logEnd: number | null = null
  /** Clock time of that. */
  logEndAtMs: number | null = null
  /** Clock time since when every look at the log's end has found a lag; null: the last one found none. */
  lagSinceMs: number | null = null

  constructor(actor: string, topic: string, partition: number) {
    this.actor = actor
    this.topic = topic
    this.partition = partition
  }

  /** The partition is not ours any more: its gauges end, its counters stay. */
  release(): void {
    this.isAssigned = false
    this.isPaused = false
    this.inFlight = 0
    this.bytesInFlight = 0
    this.parked = 0
    this.waitingRecords = 0
    this.isStoppedByKeys = false
    this.isMapLeftOut = false
    this.safePosition = null
    this.receivedPosition = null
    this.committedPosition = null
    this.logEnd = null
    this.logEndAtMs = null
    this.lagSinceMs = null
  }

  /** Takes note of where the log ends. */
  noteLogEnd(position: number, nowMs: number): void {
    this.logEnd = position
    this.logEndAtMs = nowMs
    if (this.lag === null || this.lag === 0) this.lagSinceMs = null
    else this.lagSinceMs ??= nowMs
  }

  /**
   * Records of the log after the safe position; null: not known. The log's end is asked for every few seconds only, and
   * what was received since then shows that it is further on.
   */
  get lag(): number | null {
    const { logEnd, receivedPosition, safePosition } = this
    if (safePosition === null || (logEnd === null && receivedPosition === null)) return null
    return Math.max(0, (logEnd ?? 0) - safePosition, (receivedPosition ?? 0) - safePosition)
  }

  /** Records of the log that were not read yet; null: not known. What is finished beyond a stuck record is no part of it. */
  get unread(): number | null {
    const { logEnd, receivedPosition, safePosition } = this
    const next = receivedPosition ?? safePosition
    return logEnd === null || next === null ? null : Math.max(0, logEnd - next)
  }
}

/**
 * What the records of one actor cost beside `handlerSeconds`, as sums that only grow: two looks at them make a rate.
 * Taken per batch, or of one record in so many, so that a record itself pays for no look at the clock.
 */
export class CostStats {
  /** Attempts whose handler returned a promise. */
  promises = 0
  /** Milliseconds until those handlers had returned it: what they hold their thread for at least. */
  heldMs = 0
  /** Of those, the ones that were looked at further, */
  looked = 0
  /** and whose promise was still open when the event loop had turned: they wait for something. */
  waited = 0
  /** Records that crossed to a thread and back, */
  crossed = 0
  /** the milliseconds that main spent on it (pack, post, unpack), */
  mainMs = 0
  /** those that the threads spent on it (unpack, pack), */
  threadMs = 0
  /** and those that the two took to wake each other up. */
  wakeMs = 0

  /** A handler came back with a promise, for so many records; `hasWaited` is null where nobody has looked. */
  notePromise(heldMs: number, hasWaited: boolean | null, records = 1): void {
    this.promises += records
    this.heldMs += heldMs
    if (hasWaited === null) return
    this.looked += 1
    if (hasWaited) this.waited += 1
  }
}

/** What can keep an actor from doing more. `supervisor/constraint.ts` finds it. */
export const constraintNames = [
  'input',
  'threads',
  'main',
  'sink',
  'key-skew',
  'hot-partition',
  'limit',
  'retries',
  'rate',
  'throttled',
  'stopped',
  'restoring',
  'checkpoint',
] as const
export type ConstraintName = (typeof constraintNames)[number]

/** What does not get done, by what is the matter. `supervisor/status/trouble.ts` and `health.ts` find them. */
export const troubleNames = [
  'ended',
  'poll-loop',
  'stuck',
  'silence',
  'halted',
  'left-over-calls',
  'overdue',
  'retries',
  'sink',
  'schemas',
  'restore',
  'group',
  'restart',
  'brokers',
] as const
export type TroubleName = (typeof troubleNames)[number]

/** One actor, over all its partitions. */
export class ActorStats {
  readonly name: string
  /** What keeps it from doing more, over the last seconds; null: nobody has looked yet. */
  constraint: ConstraintName | null = null
  /** Records that have failed and are tried again, as last looked at, */
  retryingRecords = 0
  /** and for how long the oldest of them is; 0: there are none. */
  oldestRetryMs = 0
  readonly cost: CostStats = new CostStats()
  /** Seconds in the handler, per record. */
  readonly handlerSeconds: Histogram = new Histogram(handlerBounds)
  /** Seconds from received to finished, per record. */
  readonly latencySeconds: Histogram = new Histogram(latencyBounds)
  /** Records per batch that went to a thread (or to the inline runner). */
  readonly batchRecords: Histogram = new Histogram(batchBounds)
  /** Failed tries by what their errors count as (HANDLER_FAILED, HANDLER_TIMEOUT, THREAD_DIED, DECODE_FAILED, …). */
  readonly failures: CodeTally = new CodeTally()
  /** Records that were dead-lettered, by why (ATTEMPTS_EXHAUSTED, DEAD_LETTER for a handler's own `deadLetter()`, …). */
  readonly deadLetters: CodeTally = new CodeTally()
  /** Records that failed for good and that a policy dropped, by why. */
  readonly skippedFailures: CodeTally = new CodeTally()
  /** Records of an operator that were handled and did not count. */
  readonly aside: AsideTally = new AsideTally()
  /** Records that go again alone because a call that they shared failed as a whole: nobody's attempt, so nothing else counts it. */
  setAlone = 0
  /** Attempts that were given up: their handlers ignored their abort signals for as long as they may take. */
  attemptsGivenUp = 0
  /** Calls of such attempts that have not ended: each takes a place of `concurrency`, and one of a batch handler as many as it has records. */
  leftOverCalls = 0
  /** Whose calls these are; null: no attempt was given up. */
  leftOverHandler: string | null = null

  /** Times that what the handler calls has asked to slow down (`ctx.throttle`, `ThrottledError`). */
  throttles = 0
  /** Nothing is handed out now, because of that. */
  isThrottled = false
  /** Records that may be in progress at once now; null: its handler is not loaded. */
  concurrencyLimit: number | null = null

  constructor(name: string) {
    this.name = name
  }

  noteGivenUp(handler: string, attempts: number): void {
    this.leftOverHandler = handler
    this.leftOverCalls += attempts
    this.attemptsGivenUp += attempts
  }

  noteLeftOversEnded(calls: number): void {
    this.leftOverCalls -= calls
  }
}

/** One sink (`kafka`, `dead-letters`, `postgres`, …). */
export class SinkStats {
  readonly name: string
  /** Batches by how they ended: durable (also with refused outputs in them), or to be written again. */
  written = 0
  unavailable = 0
  /** Outputs by what became of them. */
  durable = 0
  refused = 0
  /** Outputs dropped because their epoch ended before they were written. */
  purged = 0
  readonly writeSeconds: Histogram = new Histogram(writeBounds)
  readonly batchOutputs: Histogram = new Histogram(batchBounds)
  /** Outputs that wait or are being written. */
  queued = 0
  isAvailable = true

  constructor(name: string) {
    this.name = name
  }
}

/** All that one supervisor counts. `actor`, `partition` and `sink` make on first use: look up once, keep the object. */
export class EngineStats {
  readonly #actors = new Map<string, ActorStats>()
  readonly #partitions = new Map<string, PartitionStats>()
  readonly #sinks = new Map<string, SinkStats>()

  readonly commits: Record<CommitReport['result'], number> = {
    accepted: 0,
    deferred: 0,
    fenced: 0,
    'too-large': 0,
    failed: 0,
  }
  /** Bytes of completion maps handed over for commits. */
  mapBytes = 0
  /** Longest time that a finished record waits for its commit now; longer than configured while maps are large. */
  commitIntervalMs = 0
  readonly rebalances: Record<'assign' | 'revoke' | 'lost', number> = { assign: 0, revoke: 0, lost: 0 }
  readonly drainSeconds: Histogram = new Histogram(drainBounds)
  drainTimeouts = 0
  /** Grows with each assignment. */
  epoch = 0
  /** Worker threads now, by what they do. */
  readonly threads: Record<'starting' | 'idle' | 'busy', number> = { starting: 0, idle: 0, busy: 0 }
  threadRestarts = 0
  /** Of those the ones that were replaced because the process had too much memory. */
  threadRecycles = 0
  /** Restarts of the whole consumer after an unexpected failure. */
  restarts = 0
  /** Lines of the process's log that were dropped because nobody read them. */
  droppedLogLines: () => number = () => 0
  /** How late timers fire on the main thread: what blocks it delays everything. */
  readonly loopDelaySeconds: Histogram = new Histogram(loopDelayBounds)
  /** Conditions worth an operator's attention, by error code. */
  readonly trouble: CodeTally = new CodeTally()
  /** What does not get done, as last looked at. */
  readonly openTroubles: Map<TroubleName, number> = new Map<TroubleName, number>()
  /** Records of global tables that are no rows, by topic. */
  readonly unreadableRows: Map<string, number> = new Map<string, number>()
  readonly registry: RegistryStats = new RegistryStats()
  readonly restores: RestoreStats = new RestoreStats()
  readonly stores: StateStats = new StateStats()
  readonly checkpoints: CheckpointStats = new CheckpointStats()
  /** Answers of others that are waited for. */
  readonly waits: OpenWaits
  /** For what is told as an age. */
  readonly clock: Clock

  constructor(clock: Clock = systemClock) {
    this.clock = clock
    this.waits = new OpenWaits(clock)
  }

  actor(name: string): ActorStats {
    let stats = this.#actors.get(name)
    if (stats === undefined) this.#actors.set(name, (stats = new ActorStats(name)))
    return stats
  }

  partition(actor: string, topic: string, partition: number): PartitionStats {
    const key = `${actor}/${topic}/${partition}`
    let stats = this.#partitions.get(key)
    if (stats === undefined) this.#partitions.set(key, (stats = new PartitionStats(actor, topic, partition)))
    return stats
  }

  sink(name: string): SinkStats {
    let stats = this.#sinks.get(name)
    if (stats === undefined) this.#sinks.set(name, (stats = new SinkStats(name)))
    return stats
  }

  actors(): Iterable<ActorStats> {
    return this.#actors.values()
  }

  partitions(): Iterable<PartitionStats> {
    return this.#partitions.values()
  }

  sinks(): Iterable<SinkStats> {
    return this.#sinks.values()
  }
}
