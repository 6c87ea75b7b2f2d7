/**
 * Looks once a second at what every actor is at, and keeps the last seconds: from them /status and the metrics say what
 * a record costs and what keeps the actor from doing more.
 */
import type { AdaptiveLimit, AdaptiveStatus } from '../../actors/executors/adaptive-limit.ts'
import type { ThrottleStatus } from '../../actors/executors/allowance.ts'
import type { Dispatcher } from '../../actors/executors/dispatcher.ts'
import type { Clock } from '../../clock.ts'
import type { AsideReason } from '../../operators/operator.ts'
import type { ResolvedActor, ResolvedApp } from '../../options/options.ts'
import type { EngineStats } from '../../metrics/stats.ts'
import {
  advise,
  costBetween,
  sumsOf,
  type Advice,
  type CostSums,
  type CrossingCost,
  type RecordCost,
} from './advice.ts'
import { findConstraint, type BindingConstraint } from './constraint.ts'
import { sampleActor, type ActorSample, type LoadView } from './load.ts'

export interface LoadWatchOptions {
  readonly app: ResolvedApp
  readonly clock: Clock
  readonly stats: EngineStats
  readonly sinksOf: (actor: ResolvedActor) => readonly string[]
  readonly dispatcherOf: (actor: ResolvedActor) => Dispatcher
  readonly limitOf: (actor: ResolvedActor) => AdaptiveLimit | undefined
  readonly view: () => Omit<LoadView, 'loopBusy'>
  /** Share of the time since it was asked last that the main thread was busy. */
  readonly loopBusy: () => number
}

export interface ActorStatus {
  readonly name: string
  readonly runOn: ResolvedActor['runOn']
  /** What a record costs, over the last seconds. */
  readonly cost: RecordCost
  /** Where the handler had better run. */
  readonly advice: Advice
  /** What keeps the actor from doing more, over the last seconds. null: not known yet. */
  readonly constraint: BindingConstraint | null
  /** Attempts whose handler ignored its abort signal, since the start; and the calls of those that have not ended. */
  readonly attemptsGivenUp: number
  readonly leftOverCalls: number
  /** Of an operator, the records that it has handled and not counted, since the start, by why; empty: all counted. */
  readonly aside: Readonly<Partial<Record<AsideReason, number>>>
  /** How many of its records may be in progress at once now, and what that follows where it is adaptive. */
  readonly concurrency: { readonly limit: number | null; readonly adaptive: AdaptiveStatus | null }
  /** What its handler calls has asked to slow down, so nothing more is handed out. null: it has not. */
  readonly throttled: ThrottleStatus | null
}

const INTERVAL_MS = 1_000
const SAMPLES = 10

interface Watched {
  readonly actor: ResolvedActor
  readonly sinks: readonly string[]
  samples: ActorSample[]
  /** One more than samples: what they began with. */
  sums: CostSums[]
  /** As it was when records were handled last. */
  cost: RecordCost
}

export class LoadWatch {
  readonly #options: LoadWatchOptions
  readonly #watched: readonly Watched[]
  #cancel: () => void = () => undefined

  constructor(options: LoadWatchOptions) {
    this.#options = options
    this.#watched = options.app.actors.map((actor) => ({
      actor,
      sinks: options.sinksOf(actor),
      samples: [],
      sums: [sumsOf(options.stats.actor(actor.name))],
      cost: { handlerMicros: null, waits: 0, crossing: null },
    }))
  }

  start(): void {
    this.#cancel = this.#options.clock.after(INTERVAL_MS, () => {
      this.#look()
      this.start()
    })
  }

  stop(): void {
    this.#cancel()
  }

  describe(): ActorStatus[] {
    const { dispatcherOf, limitOf } = this.#options
    return this.#watched.map((watched) => {
      const { actor, cost } = watched
      const elsewhere = cost.crossing === null ? this.#crossingElsewhere() : null
      const { aside, attemptsGivenUp, concurrencyLimit, leftOverCalls } = this.#options.stats.actor(actor.name)
      return {
        name: actor.name,
        runOn: actor.runOn,
        cost,
        advice: advise(actor.runOn, cost, elsewhere),
        constraint: this.#constraintOf(watched),
        attemptsGivenUp,
        leftOverCalls,
        aside: Object.fromEntries(aside.entries()),
        concurrency: { limit: concurrencyLimit, adaptive: limitOf(actor)?.describe() ?? null },
        throttled: dispatcherOf(actor).throttleOf(actor),
      }
    })
  }

  #look(): void {
    const { dispatcherOf, limitOf, loopBusy, stats } = this.#options
    const view: LoadView = { ...this.#options.view(), loopBusy: loopBusy() }
    for (const watched of this.#watched) {
      const { actor, samples, sinks, sums } = watched
      const numbers = stats.actor(actor.name)
      samples.push(
        sampleActor(
          actor,
          sinks,
          { adaptive: limitOf(actor)?.describe() ?? null, dispatcher: dispatcherOf(actor) },
          view,
        ),
      )
      sums.push(sumsOf(numbers))
      if (samples.length > SAMPLES) samples.shift()
      if (sums.length > SAMPLES + 1) sums.shift()
      const cost = costBetween(sums[0]!, sums.at(-1)!)
      if (cost.handlerMicros !== null) watched.cost = cost
      numbers.constraint = this.#constraintOf(watched)?.by ?? null
    }
  }

  #constraintOf({ actor, samples }: Watched): BindingConstraint | null {
    const { intake, threads } = this.#options.app
    return findConstraint(samples, { actor, intake, threads: threads.count })
  }

  #crossingElsewhere(): CrossingCost | null {
    return this.#watched.find(({ cost }) => cost.crossing !== null)?.cost.crossing ?? null
  }
}
