/**
 * Runs handlers on main: the twin of the worker pool, for I/O and for tests. An asynchronous
 * handler leaves its record in progress and the next lane begins, up to `concurrency` records. A
 * synchronous one holds the event loop, so after a few milliseconds the loop gets its turn.
 *
 * On main nothing can be isolated: a handler that never returns stops the process, one that exits
 * ends it.
 */
import type { Clock } from '../../clock.ts'
import { AttemptState, RunState } from '../../state/attempt-state.ts'
import type { StateReader } from '../../state/partition-state.ts'
import type { ResolvedActor } from '../../options/options.ts'
import type { ActorStats } from '../../metrics/stats.ts'
import type { AdaptiveLimit } from './adaptive-limit.ts'
import type { DispatchedRun, Executor, Settle } from './executor.ts'
import type { HandlerRunner } from '../handlers/handler-runner.ts'
import type { OperatorRunner } from '../handlers/operator-runner.ts'
import type { Invocation } from '../invocation.ts'
import { ReturnHabit } from './return-habit.ts'
import { TurnWatch } from './turn-watch.ts'
import { changesOf, endsRun, mayGoWellLater, type Verdict } from '../handlers/verdict.ts'

export interface InlineExecutorOptions {
  /** The runner of an actor, by its name. */
  readonly runners: ReadonlyMap<string, RecordRunner>
  readonly stats: ReadonlyMap<string, ActorStats>
  readonly clock: Clock
  /** Records that may be in progress at once, at most. */
  readonly concurrency: number
  /** How many of them may be now, where that follows the latency of the handler. */
  readonly limit?: AdaptiveLimit
  /** How long synchronous handlers may hold the event loop. */
  readonly maxTurnMs: number
}

type RecordRunner = HandlerRunner | OperatorRunner

const MAX_BATCH_RECORDS = 64
/** A look at the clock costs as much as a small handler, so it is taken once in so many records. */
const RECORDS_PER_LOOK = 8
/** Of a handler that takes longer each record is worth a look. */
const SMALL_HANDLER_MS = 0.1

/** What an actor's runs need, found once. */
interface Place {
  readonly runner: RecordRunner
  readonly stats: ActorStats | undefined
  /** What its handler was seen to return lately. */
  readonly habit: ReturnHabit
}

/** A run whose verdicts can be told. */
interface EndedRun {
  readonly run: DispatchedRun
  readonly verdicts: readonly Verdict[]
}

export class InlineExecutor implements Executor {
  readonly maxBatchBytes: number = Number.MAX_SAFE_INTEGER
  readonly mixesKeys = true
  onRoom: () => void = () => undefined
  onThrottle: Executor['onThrottle'] = () => undefined
  /** Taking a verdict has failed, which is a bug. */
  onFailure: (error: unknown) => void = () => undefined
  readonly #options: InlineExecutorOptions
  readonly #places = new Map<string, Place>()
  readonly #turns: TurnWatch
  /** Records at their handlers, and calls that were given up and have not ended. */
  #inProgress = 0
  #turnEndsAtMs = 0
  #isYielding = false
  /** What the clock said at the last look, and the synchronous records since. */
  #lookedAtMs = 0
  #recordsSinceLook = 0
  #recordsPerLook = 1

  constructor(options: InlineExecutorOptions) {
    this.#options = options
    this.#turns = new TurnWatch(options.clock)
    for (const [actor, runner] of options.runners) {
      runner.onThrottle = (forMs, id) => {
        this.onThrottle(actor, forMs, id)
      }
      runner.onLeftOver = (change) => {
        this.#inProgress += change
        const stats = options.stats.get(actor)
        if (change > 0) {
          stats?.noteGivenUp(runner.name, change)
        } else {
          stats?.noteLeftOversEnded(-change)
          this.onRoom()
        }
      }
    }
  }

  get freeSlots(): number {
    return !this.#isYielding && this.#room > 0 ? 1 : 0
  }

  get maxBatchRecords(): number {
    return Math.min(MAX_BATCH_RECORDS, this.#room)
  }

  /** Of a limit that follows latency, calls that were given up take nothing: it would be measured with too few, or none. */
  get #room(): number {
    const { concurrency, limit } = this.#options
    const room = concurrency - this.#inProgress
    if (limit === undefined) return room
    // What does not wait is in progress one at a time: there is nothing to find out.
    for (const { habit } of this.#places.values()) if (habit.isSynchronous) return room
    return Math.min(room, limit.current - this.#inProgress + this.#leftOvers)
  }

  /** Calls that were given up and have not ended. */
  get #leftOvers(): number {
    let calls = 0
    for (const { leftOverRecords } of this.#options.runners.values()) calls += leftOverRecords
    return calls
  }

  /** One by one while the handler may be asynchronous: its outputs should not wait for the next record of the lane. */
  maxRunRecords(actor: ResolvedActor): number {
    return this.#placeOf(actor).habit.isSynchronous ? MAX_BATCH_RECORDS : 1
  }

  /** What is small is gone within the turn, and what waits for something leaves room for others. */
  hasEnough(): boolean {
    return false
  }

  /** Its only actor's records are what its slots count. */
  roomOf(): number {
    return Number.POSITIVE_INFINITY
  }

  inProgressOf(): number {
    return this.#inProgress
  }

  callLimitsOf(): null {
    return null
  }

  /** First all handlers run, then all verdicts are told: what is timed is the handlers. */
  execute(batch: readonly DispatchedRun[], settle: Settle): void {
    this.#lookedAtMs = this.#options.clock.now()
    if (this.#lookedAtMs > this.#turnEndsAtMs) this.#turnEndsAtMs = this.#lookedAtMs + this.#options.maxTurnMs
    const ended: EndedRun[] = []
    let place: Place | undefined
    for (const run of batch) {
      if (this.#isYielding) {
        // The turn was over before this run had begun: it goes back.
        ended.push({ run, verdicts: notBegun })
        continue
      }
      const next = this.#placeOf(run.actor.actor)
      if (next !== place) this.#look(place)
      place = next
      const all = this.#run(run, next, settle)
      if (all !== null) ended.push(all)
    }
    this.#look(place)
    for (const { run, verdicts } of ended) {
      if (verdicts === notBegun) settle(run, notBegun, this.#lookedAtMs)
      else this.#end(run, verdicts, settle, this.#lookedAtMs)
    }
    // What was done with them belongs to the turn: the next batch, which begins at once, would take its end for a new turn.
    if (ended.length > 0 && this.#options.clock.now() >= this.#turnEndsAtMs) this.#yieldToLoop()
  }

  #placeOf(actor: ResolvedActor): Place {
    let place = this.#places.get(actor.name)
    if (place === undefined) {
      const { runners, stats } = this.#options
      const runner = runners.get(actor.name)
      if (runner === undefined) throw new Error(`no handler is loaded for actor ${actor.name}`)
      place = {
        runner,
        stats: stats.get(actor.name),
        habit: new ReturnHabit(),
      }
      this.#places.set(actor.name, place)
    }
    return place
  }

  /** Lets the event loop have its turn before anything else begins. */
  #yieldToLoop(): void {
    if (this.#isYielding) return
    this.#isYielding = true
    this.#options.clock.after(0, () => {
      this.#isYielding = false
      this.#turnEndsAtMs = 0
      this.onRoom()
    })
  }

  /**
   * Runs the records of a run one after the other, up to the first that fails or is asynchronous (of loose ones neither ends
   * anything), or to the end of the turn. null: the verdicts are told later.
   */
  #run(run: DispatchedRun, place: Place, settle: Settle): EndedRun | null {
    this.#inProgress += run.invocations.length
    place.stats?.batchRecords.observe(run.invocations.length)
    const { isLoose } = run.lane
    const verdicts: Verdict[] = []
    let apart: Set<Invocation> | null = null
    const state = stateOf(run)
    for (const invocation of run.invocations) {
      if (state instanceof RunState && state.endsBefore(invocation.streamTime)) break
      const { attempt, record } = invocation
      const result =
        state === null
          ? place.runner.run(record, attempt)
          : place.runner.run(record, attempt, undefined, 0, attemptOf(invocation, state))
      if (result instanceof Promise) {
        // For now they are taken one by one.
        place.habit.notePromise()
        if (isLoose && run.invocations.length > 1) {
          apart ??= new Set()
          apart.add(invocation)
          this.#await({ actor: run.actor, ...run.actor.setApart(run, invocation) }, place, [], result, settle)
          if (this.#isYielding) break
          continue
        }
        // What comes after it in its lane goes back when it has ended.
        this.#await(run, place, verdicts, result, settle)
        return null
      }
      place.habit.noteValue()
      verdicts.push(result)
      if (state instanceof RunState) state.take(invocation.stateKey, changesOf(result))
      this.#recordsSinceLook += 1
      if (this.#recordsSinceLook >= this.#recordsPerLook) this.#look(place)
      if (this.#isYielding || (endsRun(result) && !isLoose)) break
    }
    return { run: apart === null ? run : without(run, apart), verdicts }
  }

  /** The handler has returned a promise: how long it takes is timed for itself. */
  #await(run: DispatchedRun, place: Place, before: readonly Verdict[], result: Promise<Verdict>, settle: Settle): void {
    const { clock } = this.#options
    const startedAtMs = this.#lookedAtMs
    const records = this.#recordsSinceLook + 1
    this.#look(place)
    const heldMs = (this.#lookedAtMs - startedAtMs) / records
    const hasWaited = this.#turns.begin()
    result
      .then((verdict) => {
        const nowMs = clock.now()
        place.stats?.cost.notePromise(heldMs, hasWaited())
        place.stats?.handlerSeconds.observe((nowMs - startedAtMs) / 1000)
        this.#options.limit?.note({
          elapsedMs: nowMs - startedAtMs,
          inProgress: this.#inProgress - this.#leftOvers,
          hasFailed: mayGoWellLater(verdict),
        })
        this.#end(run, [...before, verdict], settle, nowMs)
        this.onRoom()
      })
      .catch((error: unknown) => {
        this.onFailure(error)
      })
  }

  /** Notes what the records since the last look took, each of them alike, and whether the turn is over. */
  #look(place: Place | undefined): void {
    const records = this.#recordsSinceLook
    if (records === 0 && place === undefined) return
    const nowMs = this.#options.clock.now()
    if (records > 0) {
      const eachMs = (nowMs - this.#lookedAtMs) / records
      place?.stats?.handlerSeconds.observe(eachMs / 1000, records)
      this.#recordsPerLook = eachMs > SMALL_HANDLER_MS ? 1 : RECORDS_PER_LOOK
      this.#recordsSinceLook = 0
    }
    this.#lookedAtMs = nowMs
    if (nowMs >= this.#turnEndsAtMs) this.#yieldToLoop()
  }

  #end(run: DispatchedRun, verdicts: readonly Verdict[], settle: Settle, nowMs: number): void {
    this.#inProgress -= run.invocations.length
    settle(run, verdicts, nowMs)
  }
}

/**
 * Where the records of a run find the state of their keys. null: nothing is kept. Loose ones are each of another key; of
 * others a record sees what those before it have set.
 */
function stateOf({ actor: { state }, invocations, lane }: DispatchedRun): StateReader | null {
  return state === null || lane.isLoose || invocations.length === 1 ? state : new RunState(state)
}

function attemptOf({ stamp, stateKey, streamTime }: Invocation, state: StateReader): AttemptState {
  return new AttemptState(state, stateKey, streamTime, stamp)
}

const notBegun: readonly Verdict[] = []

function without({ actor, invocations, lane }: DispatchedRun, apart: ReadonlySet<Invocation>): DispatchedRun {
  return { actor, lane, invocations: invocations.filter((invocation) => !apart.has(invocation)) }
}
