/**
 * Looks once a second at what does not get done, and tells: when it begins, again ever more seldom while it lasts, and
 * when it is over. So each change of what /healthz says stands in the log once, with its reason.
 *
 * Keeps what one look cannot know: since when an actor has mostly been trying again, and since when nothing has come of
 * a partition. Costs no record anything.
 */
import type { InputProgress } from '../../actors/input-progress.ts'
import type { PartitionActor } from '../../actors/partition-actor.ts'
import type { Clock } from '../../clock.ts'
import type { Log } from '../../log.ts'
import type { ResolvedActor } from '../../options/options.ts'
import type { EngineStats, TroubleName } from '../../metrics/stats.ts'
import { findBlockingRecord } from './blocking-record.ts'
import { MAX_LOG_END_AGE_MS, findIllnesses, healthStatus } from './health.ts'
import { judgeSilence, type QuietPartition } from './silence.ts'
import { intakeStopsOf, type EngineView } from './status.ts'
import {
  judgeBrokers,
  judgeGroup,
  judgeRestore,
  judgeRetries,
  judgeSchemas,
  judgeSink,
  restartTrouble,
  type RetryLoad,
  type Trouble,
  type TroubleStatus,
} from './trouble.ts'
import { seconds } from './wording.ts'

export interface TroubleWatchOptions {
  readonly clock: Clock
  readonly log: Log
  readonly stats: EngineStats
  readonly view: () => EngineView
}

const INTERVAL_MS = 1_000
/** Told again after a minute, then after twice that, up to an hour. */
const FIRST_REPEAT_MS = 60_000
const LAST_REPEAT_MS = 3_600_000
/** What comes back within this time was never over. */
const OVER_AFTER_MS = 5_000
/** From this share on of what an actor was at it is mostly trying again, until it is down to the other. */
const MOSTLY = 0.5
const HARDLY = 0.25

/** What a partition was at, as looked at last. */
interface Watched {
  readonly received: number
  readonly finished: number
  readonly seenAtMs: number
  readonly receivedAtMs: number
  readonly finishedAtMs: number
  /** Time without a record in which as much as there is was asked for. */
  readonly askedMs: number
}

interface Told {
  trouble: Trouble
  readonly sinceMs: number
  seenAtMs: number
  nextAtMs: number
  intervalMs: number
}

export class TroubleWatch {
  readonly #options: TroubleWatchOptions
  #inputs = new Map<InputProgress, Watched>()
  /** Records that each actor has finished between the last two looks. */
  #finished = new Map<string, number>()
  /** Since when each actor has mostly been trying again. */
  readonly #mostlySinceMs = new Map<string, number>()
  readonly #told = new Map<string, Told>()
  #cancel: () => void = () => undefined

  constructor(options: TroubleWatchOptions) {
    this.#options = options
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

  /** All that does not get done now, what makes the process unhealthy first. */
  find(): Trouble[] {
    const view = this.#options.view()
    return this.#find(view, retriesOf(view))
  }

  describe(): TroubleStatus[] {
    const { nowMs } = this.#options.view()
    return this.find().map((trouble) => {
      const { about, kind, says, severity } = trouble
      return { kind, about, severity, forMs: Math.round(this.#lastsMs(trouble, nowMs)), says }
    })
  }

  /** Of some nobody knows since when, but since when they are told. */
  #lastsMs(trouble: Trouble, nowMs: number): number {
    const told = this.#told.get(nameOf(trouble))
    return trouble.forMs === 0 && told !== undefined ? nowMs - told.sinceMs : trouble.forMs
  }

  #look(): void {
    const view = this.#options.view()
    this.#watchInputs(view)
    const retries = retriesOf(view)
    this.#watchRetries(view, retries)
    const troubles = this.#find(view, retries)
    this.#count(troubles)
    this.#tell(troubles, view.nowMs)
  }

  #find(view: EngineView, retries: readonly ActorRetries[]): Trouble[] {
    const illnesses = findIllnesses(view)
    if (view.state !== 'running') return illnesses
    const told = new Set(illnesses.map(nameOf))
    const { app, groupWaitSinceMs, isRestarting, schemaTrouble, seenSince, troubles } = view
    const waits: (Trouble | null)[] = [
      isRestarting ? restartTrouble() : null,
      groupWaitSinceMs === null ? null : judgeGroup(seenSince(groupWaitSinceMs), app.kafka),
      ...troubles.map((trouble) => judgeSink(trouble, seenSince(trouble.sinceMs))),
      schemaTrouble === null ? null : judgeSchemas(schemaTrouble, seenSince(schemaTrouble.sinceMs)),
      ...[...view.stats.restores.open()].map((restore) =>
        judgeRestore(restore, restore.trouble === null ? 0 : seenSince(restore.trouble.sinceMs)),
      ),
      ...retries.map((load) => judgeRetries(this.#loadOf(load, view))),
      ...view.actors.flatMap((actor) => actor.inputs.map((input) => judgeSilence(this.#quietOf(actor, input, view)))),
      this.#judgeBrokers(view),
    ]
    return [...illnesses, ...waits.filter((each) => each !== null).filter((each) => !told.has(nameOf(each)))]
  }

  #watchInputs({ actors, isReading, nowMs }: EngineView): void {
    const before = this.#inputs
    this.#inputs = new Map()
    this.#finished = new Map()
    for (const actor of actors) {
      const { name } = actor.actor
      for (const input of actor.inputs) {
        const last = before.get(input)
        const now = watched(last, input, nowMs, isReading)
        this.#inputs.set(input, now)
        if (last !== undefined) this.#finished.set(name, (this.#finished.get(name) ?? 0) + now.finished - last.finished)
      }
    }
  }

  #watchRetries({ app, nowMs, seenSince, stats }: EngineView, retries: readonly ActorRetries[]): void {
    for (const { name } of app.actors) {
      const found = retries.find(({ actor }) => actor.name === name)
      const numbers = stats.actor(name)
      numbers.retryingRecords = found?.lanes ?? 0
      numbers.oldestRetryMs = found === undefined ? 0 : Math.max(0, seenSince(found.oldest.sinceMs))
      const share = found === undefined ? 0 : found.records / (found.held + (this.#finished.get(name) ?? 0))
      if (share < HARDLY) this.#mostlySinceMs.delete(name)
      else if (share >= MOSTLY && !this.#mostlySinceMs.has(name)) this.#mostlySinceMs.set(name, nowMs)
    }
  }

  #loadOf({ actor, held, lanes, oldest, records }: ActorRetries, { seenSince }: EngineView): RetryLoad {
    const sinceMs = this.#mostlySinceMs.get(actor.name)
    return {
      actor: actor.name,
      order: actor.order,
      held,
      records,
      lanes,
      oldest,
      oldestMs: seenSince(oldest.sinceMs),
      mostlyMs: sinceMs === undefined ? 0 : seenSince(sinceMs),
    }
  }

  #quietOf(actor: PartitionActor, input: InputProgress, view: EngineView): QuietPartition {
    const { nowMs, seenSince, troubles } = view
    const { endMet, partition, stats, topic } = input
    const { lag, logEnd, logEndAtMs, unread } = stats
    const watched = this.#inputs.get(input)
    const stops = intakeStopsOf(actor, input)
    const isSeenNow = logEndAtMs !== null && nowMs - logEndAtMs <= MAX_LOG_END_AGE_MS
    const stillMs = watched === undefined ? 0 : seenSince(Math.max(watched.receivedAtMs, watched.finishedAtMs))
    return {
      ...actor.load,
      topic,
      partition,
      unread,
      stops,
      hasMore: isSeenNow && lag !== 0 && logEnd !== null && endMet < logEnd,
      quietMs: watched === undefined ? 0 : seenSince(watched.receivedAtMs),
      askedMs: watched?.askedMs ?? 0,
      stillMs,
      waitsFor: stops.length === 0 ? null : (findBlockingRecord(actor, input, nowMs, troubles)?.why ?? null),
      isSinkAway: troubles.length > 0,
    }
  }

  /** Told by the last answer to whatever partition was asked about. */
  #judgeBrokers({ actors, isRestarting, seenSince }: EngineView): Trouble | null {
    if (isRestarting) return null
    const answersAtMs = actors.flatMap(({ inputs }) => inputs).flatMap(({ stats }) => stats.logEndAtMs ?? [])
    return answersAtMs.length === 0 ? null : judgeBrokers(seenSince(Math.max(...answersAtMs)))
  }

  #count(troubles: readonly Trouble[]): void {
    const { openTroubles } = this.#options.stats
    openTroubles.clear()
    for (const { kind } of troubles) openTroubles.set(kind, (openTroubles.get(kind) ?? 0) + 1)
  }

  #tell(troubles: readonly Trouble[], nowMs: number): void {
    const health = healthStatus(troubles)
    for (const trouble of troubles) this.#tellOf(trouble, health, nowMs)
    for (const [name, told] of this.#told) {
      if (nowMs - told.seenAtMs < OVER_AFTER_MS) continue
      this.#told.delete(name)
      const lastedMs = Math.round(told.seenAtMs - told.sinceMs)
      const { about, kind, was } = told.trouble
      this.#options.log.info({ trouble: kind, about, lastedMs, health }, `over after ${seconds(lastedMs)}: ${was}`)
    }
  }

  #tellOf(trouble: Trouble, health: string, nowMs: number): void {
    const { about, fields, forMs, kind, says, severity } = trouble
    const name = nameOf(trouble)
    const told = this.#told.get(name)
    const isWorse = told !== undefined && told.trouble.severity !== severity
    if (told !== undefined) {
      told.seenAtMs = nowMs
      told.trouble = trouble
      if (nowMs < told.nextAtMs && !isWorse) return
      told.intervalMs = Math.min(2 * told.intervalMs, LAST_REPEAT_MS)
      told.nextAtMs = nowMs + told.intervalMs
    } else {
      const intervalMs = FIRST_REPEAT_MS
      this.#told.set(name, {
        trouble,
        sinceMs: nowMs - forMs,
        seenAtMs: nowMs,
        nextAtMs: nowMs + intervalMs,
        intervalMs,
      })
    }
    this.#options.log.warn(
      { trouble: kind, about, forMs: Math.round(this.#lastsMs(trouble, nowMs)), health, ...fields },
      says,
    )
  }
}

function watched(last: Watched | undefined, { stats }: InputProgress, nowMs: number, isReading: boolean): Watched {
  const { received } = stats
  const finished = stats.done + stats.skipped + stats.deadLettered + stats.alreadyFinished
  const first = { received, finished, seenAtMs: nowMs, receivedAtMs: nowMs, finishedAtMs: nowMs, askedMs: 0 }
  if (last === undefined) return first
  const hasCome = received !== last.received
  // Before a look that comes late the process stood still.
  const askedMs = isReading ? Math.min(nowMs - last.seenAtMs, 2 * INTERVAL_MS) : 0
  return {
    ...first,
    receivedAtMs: hasCome ? nowMs : last.receivedAtMs,
    finishedAtMs: finished === last.finished ? last.finishedAtMs : nowMs,
    askedMs: hasCome ? 0 : last.askedMs + askedMs,
  }
}

function nameOf({ about, kind }: { readonly kind: TroubleName; readonly about: string }): string {
  return `${kind} ${about}`
}

/** What one actor tries again, over all its partitions. */
interface ActorRetries extends Pick<RetryLoad, 'held' | 'records' | 'lanes' | 'oldest'> {
  readonly actor: ResolvedActor
}

function retriesOf({ actors, app }: EngineView): ActorRetries[] {
  return app.actors.flatMap((actor): ActorRetries[] => {
    const own = actors.filter((each) => each.actor.name === actor.name)
    const found = own.flatMap((each) => each.retrying ?? [])
    const [first, ...others] = found
    if (first === undefined) return []
    const sum = { actor, held: 0, records: 0, lanes: 0, oldest: first.oldest }
    for (const { heldRecords } of own) sum.held += heldRecords
    for (const { lanes, oldest, records } of [first, ...others]) {
      sum.lanes += lanes
      sum.records += records
      if (oldest.sinceMs < sum.oldest.sinceMs) sum.oldest = oldest
    }
    return [sum]
  })
}
