/** What moves the stream time of a partition actor, and what comes of that: its timers, the stamps of its records, its idleness. */
import type { PartitionState } from '../state/partition-state.ts'
import { FiredTimers, type FiredTimersOptions } from './fired-timers.ts'
import { IdleWatch } from './idle-watch.ts'
import type { Inputs } from './inputs.ts'
import type { PartitionActorOptions } from './partition-actor-options.ts'
import { Stamping } from './stamping.ts'

export interface ActorTimingParts extends Omit<
  FiredTimersOptions,
  'clock' | 'giveUpTimer' | 'idle' | 'order' | 'state' | 'timers'
> {
  readonly inputs: Inputs
  readonly state: PartitionState | null
}

export interface ActorTiming {
  /** null: its handler has none. */
  readonly timers: FiredTimers | null
  /** null: nothing is done when it is idle. */
  readonly idle: IdleWatch | null
  /** null: stream time is known by what is on records unread. */
  readonly stamping: Stamping | null
}

export function openTiming(options: PartitionActorOptions, parts: ActorTimingParts): ActorTiming {
  const { actor, clock, giveUpTimer = null, idleAfterMs = null, logEnd, times = null } = options
  const { inputs, isRunning, state } = parts
  if (state === null) return { timers: null, idle: null, stamping: null }
  let timers: FiredTimers | null = null
  const idle =
    state.timers === null || idleAfterMs === null || logEnd === undefined
      ? null
      : new IdleWatch({
          clock,
          afterMs: idleAfterMs,
          // Nor has anybody from whom its records come more for now.
          restsAt: () => (isRunning() && state.areSourcesIdle ? restOf(inputs) : null),
          logEnds: () => Promise.all(inputs.all.map(logEnd)),
          onIdle: () => {
            timers?.reviewSoon()
          },
        })
  if (state.timers !== null) {
    timers = new FiredTimers({ ...parts, clock, giveUpTimer, state, timers: state.timers, order: actor.order, idle })
  }
  return { timers, idle, stamping: times === null ? null : new Stamping(times, state, timers) }
}

/** null: something is held, or a position is not known. */
function restOf({ all, heldRecords }: Inputs): readonly number[] | null {
  const positions = all.flatMap(({ tracker }) => tracker.safePosition ?? [])
  return heldRecords === 0 && positions.length === all.length ? positions : null
}
