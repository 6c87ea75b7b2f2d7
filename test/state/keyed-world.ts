/** A handler with state on main, its partition actor, and a checkpoint that the test takes when it wants. */
import { makeActor, sourceRecord } from '../actors/actor-fixture.ts'
import { tellWhenReady } from '../actors/executors/tell-when-ready.ts'
import { BatchExecutor } from '../../src/actors/executors/batch-executor.ts'
import { Dispatcher } from '../../src/actors/executors/dispatcher.ts'
import { InlineExecutor } from '../../src/actors/executors/inline-executor.ts'
import { callLimitsOf, statesOf, timersOf, type AnyHandler } from '../../src/actors/handlers/any-handler.ts'
import { BatchRunner } from '../../src/actors/handlers/batch-runner.ts'
import { openRunner } from '../../src/actors/handlers/open-runner.ts'
import { silentLog } from '../../src/log.ts'
import type { ResolvedActor } from '../../src/options/options.ts'
import { PartitionState } from '../../src/state/partition-state.ts'
import { StateValue } from '../../src/state/state-value.ts'
import type { DeadLetter } from '../../src/streams/delivery/dead-letter.ts'
import type { ActorDelivery, HandledTicket, LetterTicket } from '../../src/streams/delivery/delivery.ts'
import type { EncodedEffect } from '../../src/streams/flows/effect-encoder.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { inputsOf } from '../../src/actors/handlers/any-handler.ts'
import { timesOf } from '../../src/actors/handlers/topic-times.ts'
import type { CompletionMap } from '../../src/streams/positions/completion-map.ts'
import type { SchemaPort } from '../../src/streams/registry/schema-port.ts'
import { noSchemas } from '../../src/actors/handlers/handler-schemas.ts'
import { MapStore } from '../support/map-store.ts'

/** Holds what was handled until the next checkpoint. */
class HeldCheckpoint implements ActorDelivery {
  readonly finishesWhen = 'handled'
  readonly tickets: HandledTicket[] = []
  readonly letters: LetterTicket[] = []
  readonly sent: { readonly id: string; readonly effects: readonly EncodedEffect[] }[] = []
  readonly deadLetters: { readonly id: string; readonly letter: DeadLetter }[] = []
  /** By id: these have no way to go. */
  readonly refused = new Set<string>()

  deliver(ticket: HandledTicket, effects: readonly EncodedEffect[]): Error | null {
    const { id } = ticket
    if (effects.length > 0 && this.refused.has(id)) return new Error('has no way to go')
    this.tickets.push(ticket)
    if (effects.length > 0) this.sent.push({ id, effects })
    return null
  }

  deadLetter(ticket: LetterTicket, id: string, letter: DeadLetter): void {
    this.letters.push(ticket)
    this.deadLetters.push({ id, letter })
  }

  noteProgress(): void {
    // Positions are read from the tracker.
  }
}

export interface KeyedWorldOptions {
  readonly actor?: Partial<ResolvedActor>
  readonly clock?: ManualClock
  readonly store?: MapStore
  /** One that has begun. */
  readonly state?: PartitionState
  readonly isRestored?: boolean
  /** Where it begins; 0 unless given, null: not known yet. */
  readonly position?: number | null
  /** false: a run has several records of a key, as on threads. */
  readonly mixesKeys?: boolean
  /** What the position was committed with. */
  readonly map?: CompletionMap
  readonly maxAdvanceMs?: number
  readonly idleAfterMs?: number | null
  /** Where the log ends, as brokers say. */
  readonly logEnd?: () => Promise<number>
  readonly schemas?: SchemaPort
}

export async function keyedWorld(handler: AnyHandler, options: KeyedWorldOptions = {}) {
  const { clock = new ManualClock(), isRestored = true, store = new MapStore() } = options
  const delivery = new HeldCheckpoint()
  const shapes = statesOf(handler)
  const state =
    options.state ??
    new PartitionState({
      shapes,
      timers: timersOf(handler),
      changelogTopic: 'app-count-changelog',
      partition: 0,
      inputId: 0,
      changelogId: 0,
      changelogEnd: null,
      clock,
    })
  if (isRestored && options.state === undefined) await state.begin(store)
  const stats = new EngineStats(clock)
  const { map, maxAdvanceMs = null, schemas = noSchemas } = options
  const made = makeActor({
    actor: { runOn: 'main', ...options.actor },
    times: options.actor?.order === 'partition' ? timesOf({ inputs: inputsOf(handler), schemas, maxAdvanceMs }) : null,
    ...(map === undefined ? {} : { map }),
    idleAfterMs: options.idleAfterMs ?? null,
    ...(options.logEnd === undefined ? {} : { logEnd: options.logEnd }),
    ...(options.schemas === undefined ? {} : { schemas: options.schemas }),
    clock,
    delivery,
    state,
    stats,
    position: options.position === undefined ? 0 : options.position,
    mixesKeys: options.mixesKeys ?? handler.kind === 'handler',
  })
  const { actor } = made
  const { handlerTimeoutMs, order } = actor.actor
  const runner = await openRunner({
    handler,
    name: 'count',
    handlerTimeoutMs,
    idHeader: false,
    order,
    log: silentLog,
    clock,
    schemas,
  })
  const limits = { clock, concurrency: 100, maxTurnMs: 5 }
  const executor =
    runner instanceof BatchRunner
      ? new BatchExecutor({
          ...limits,
          actor: 'enrich',
          runner,
          limits: callLimitsOf(handler)!,
          stats: stats.actor('enrich'),
        })
      : new InlineExecutor({
          ...limits,
          runners: new Map([['enrich', runner]]),
          stats: new Map([['enrich', stats.actor('enrich')]]),
        })
  const dispatcher = new Dispatcher(executor, clock)
  tellWhenReady(executor, dispatcher)
  let next = options.position ?? 0
  const pump = (): void => {
    dispatcher.enlist(actor)
    dispatcher.pump()
  }
  return {
    ...made,
    state,
    store,
    delivery,
    dispatcher,
    pump,
    /** The next record, which is not given yet. */
    record: (key: string, timestamp: number) => ({ ...sourceRecord(next++, key), timestamp }),
    /** Records of these keys, each with its offset as value; `times` are their timestamps. */
    give(keys: readonly (string | null)[], times: readonly number[] = []): void {
      actor.admit(keys.map((key, at) => ({ ...sourceRecord(next++, key), timestamp: times[at] ?? 1_000 })))
      pump()
    },
    /** What has no time of its own has happened by then. */
    async settle(): Promise<void> {
      for (let turn = 0; turn < 20; turn += 1) {
        await clock.advance(0)
        pump()
      }
    },
    async advance(ms: number): Promise<void> {
      await clock.advance(ms)
      pump()
      await this.settle()
    },
    /** What the handler would find for this key. */
    valueOf(key: string, name = 'total'): unknown {
      const value = state.read(
        shapes.findIndex((shape) => shape.name === name),
        key,
      )
      return value === null ? undefined : JSON.parse(Buffer.from(StateValue.read(value.bytes).payload).toString())
    },
    async checkpoint(number = 1): Promise<void> {
      state.freeze(number)
      await state.commit()
      for (const ticket of delivery.tickets.splice(0)) ticket.settleAll(null)
      for (const ticket of delivery.letters.splice(0)) ticket.settle(null)
    },
  }
}
