/**
 * Runs the calls of one actor's batch handler on main: the twin of the inline executor. An asynchronous handler leaves its
 * call in progress and the next one begins, up to `concurrency` records; a synchronous one holds the event loop, so after a
 * few milliseconds the loop gets its turn.
 */
import type { Clock } from '../../clock.ts'
import { CallState } from '../../state/attempt-state.ts'
import type { ActorStats } from '../../metrics/stats.ts'
import type { BatchRunner, RecordAttempt } from '../handlers/batch-runner.ts'
import type { CallLimits } from '../handlers/batch-handler.ts'
import { mayGoWellLater, type Verdict } from '../handlers/verdict.ts'
import type { AdaptiveLimit } from './adaptive-limit.ts'
import type { Invocation } from '../invocation.ts'
import type { PartitionActor } from '../partition-actor.ts'
import { setFailedApart } from './call-line.ts'
import type { DispatchedRun, Executor, Settle } from './executor.ts'
import { TurnLimit } from './turn-limit.ts'
import { TurnWatch } from './turn-watch.ts'

export interface BatchExecutorOptions {
  /** By name. */
  readonly actor: string
  readonly runner: BatchRunner
  readonly limits: CallLimits
  readonly stats: ActorStats
  readonly clock: Clock
  /** Records that may be in progress at once, at most. */
  readonly concurrency: number
  /** How many of them may be now, where that follows the latency of the handler. */
  readonly limit?: AdaptiveLimit
  /** How long synchronous handlers may hold the event loop. */
  readonly maxTurnMs: number
}

export class BatchExecutor implements Executor {
  readonly mixesKeys = false
  onRoom: () => void = () => undefined
  onThrottle: Executor['onThrottle'] = () => undefined
  /** Taking verdicts has failed, which is a bug. */
  onFailure: (error: unknown) => void = () => undefined
  readonly #options: BatchExecutorOptions
  readonly #turn: TurnLimit
  readonly #turns: TurnWatch
  /** Records at the handler; those of calls that were given up are the runner's to count. */
  #inProgress = 0

  constructor(options: BatchExecutorOptions) {
    this.#options = options
    const { clock, maxTurnMs, runner, stats } = options
    this.#turns = new TurnWatch(clock)
    this.#turn = new TurnLimit({
      clock,
      maxTurnMs,
      onNextTurn: () => {
        this.onRoom()
      },
    })
    runner.onThrottle = (forMs, id) => {
      this.onThrottle(options.actor, forMs, id)
    }
    runner.onLeftOver = (change) => {
      if (change > 0) {
        stats.noteGivenUp(runner.name, change)
      } else {
        stats.noteLeftOversEnded(-change)
        this.onRoom()
      }
    }
  }

  get freeSlots(): number {
    return !this.#turn.isOver && this.roomOf() > 0 ? 1 : 0
  }

  /** What a call holds is for its limits to say. */
  get maxBatchRecords(): number {
    return this.#options.limits.maxRecords
  }

  get maxBatchBytes(): number {
    return this.#options.limits.maxBytes
  }

  maxRunRecords(): number {
    return this.#options.limits.maxRecords
  }

  /** What is waited for leaves room for others. */
  hasEnough(): boolean {
    return false
  }

  roomOf(): number {
    const { concurrency, limit, runner } = this.#options
    const room = concurrency - this.#inProgress - runner.leftOverRecords
    return Math.max(0, limit === undefined ? room : Math.min(room, limit.current - this.#inProgress))
  }

  inProgressOf(): number {
    return this.#inProgress
  }

  callLimitsOf(): CallLimits {
    return this.#options.limits
  }

  execute(call: readonly DispatchedRun[], settle: Settle): void {
    const { clock, limit, runner, stats } = this.#options
    const states = (call[0]?.actor.state ?? null) === null ? null : new CallState()
    const invocations = states === null ? invocationsOf(call) : attemptsOf(call, states)
    const records = invocations.length
    this.#inProgress += records
    stats.batchRecords.observe(records)
    const begunAtMs = clock.now()
    this.#turn.begin(begunAtMs)
    const result = runner.run(invocations, undefined, states)
    const heldMs = clock.now() - begunAtMs
    const end = (verdicts: readonly Verdict[], nowMs: number): void => {
      stats.handlerSeconds.observe((nowMs - begunAtMs) / records / 1000, records)
      this.#inProgress -= records
      settleRuns(call, verdicts, settle, nowMs)
    }
    if (result instanceof Promise) {
      const hasWaited = this.#turns.begin()
      result
        .then((verdicts) => {
          const nowMs = clock.now()
          stats.cost.notePromise(heldMs, hasWaited(), records)
          limit?.note({
            elapsedMs: nowMs - begunAtMs,
            inProgress: this.#inProgress,
            hasFailed: verdicts.some(mayGoWellLater),
          })
          end(verdicts, nowMs)
          this.onRoom()
        })
        .catch((error: unknown) => {
          this.onFailure(error)
        })
    } else {
      end(result, begunAtMs + heldMs)
    }
    this.#turn.end(clock.now())
  }
}

/** A call may be of as many runs as it has records: `flatMap` takes several times as long for those. */
function invocationsOf(call: readonly DispatchedRun[]): Invocation[] {
  const all: Invocation[] = []
  for (const { invocations } of call) for (const invocation of invocations) all.push(invocation)
  return all
}

/** The same, each with the state of its key. */
function attemptsOf(call: readonly DispatchedRun[], states: CallState): RecordAttempt[] {
  const all: RecordAttempt[] = []
  for (const { actor, invocations } of call) {
    for (const { attempt, record, stamp, stateKey, streamTime } of invocations) {
      all.push({
        record,
        attempt,
        state: actor.state === null ? undefined : states.attempt(actor.state, stateKey, streamTime, stamp),
      })
    }
  }
  return all
}

/** Each run gets the verdicts of its records. */
function settleRuns(call: readonly DispatchedRun[], verdicts: readonly Verdict[], settle: Settle, nowMs: number): void {
  const runsOf = new Map<PartitionActor, [DispatchedRun, readonly Verdict[]][]>()
  let first = 0
  for (const run of call) {
    const own = verdicts.slice(first, first + run.invocations.length)
    first += run.invocations.length
    setFailedApart(run, own)
    const runs = runsOf.get(run.actor)
    if (runs === undefined) runsOf.set(run.actor, [[run, own]])
    else runs.push([run, own])
  }
  for (const [actor, runs] of runsOf) {
    actor.settleCall(() => {
      for (const [run, own] of runs) settle(run, own, nowMs)
    })
  }
}
