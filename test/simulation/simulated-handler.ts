/** The handler of every simulated actor: does what the record's plan says and notes when it begins and ends. */
import type { AnyHandler } from '../../src/actors/handlers/any-handler.ts'
import { defineBatchHandler, type BatchRecord } from '../../src/actors/handlers/batch-handler.ts'
import {
  deadLetter,
  defineHandler,
  done,
  retry,
  skip,
  type Outcome,
  type TimerContext,
} from '../../src/actors/handlers/handler.ts'
import { sleep, type Clock } from '../../src/clock.ts'
import { TerminalError } from '../../src/errors.ts'
import { state, type StateOf } from '../../src/state/declared-state.ts'
import { table, topic, type Effect } from '../../src/streams/flows/flow.ts'
import type { SourceRecord } from '../../src/streams/record.ts'
import type { HandlerResult } from './journal.ts'
import { fireTimer, setTimers, timerNames, type TimerName } from './exactly-once/simulated-timers.ts'
import { planCodec } from './simulated-registry.ts'
import { threadEnds, type Plan, type ThreadEnding, type World } from './world.ts'

export const outputTopic = 'out'
export const deadLetterTopic = 'dead'
const outputTable = 'rows'
/** Stands in an output that a sink has to refuse. */
export const refusedMark = 'refused'

const outputs = topic<string>(outputTopic)
const rows = table<{ id: string; note: string }>(outputTable, {
  sink: 'table',
  columns: { id: 'text', note: 'text' },
  key: ['id'],
})

export interface SimulatedHandlerOptions {
  readonly topic: string
  readonly clock: Clock
  readonly notes: HandlerNotes
  readonly world: Pick<World, 'attempts' | 'calls' | 'order' | 'schemas' | 'state'>
}

export interface HandlerNotes {
  /** Returns what notes the end of this call: another of the same record may have begun by then. `call`: of several records. */
  begin(record: SourceRecord, attempt: number, call?: number): (result: HandlerResult) => void
  /** What it finds for the key of this record, before it is handled. */
  found(record: SourceRecord, handled: readonly number[], recent: number | null): void
  /** Ends the thread that the handler is on, or holds it. */
  endThread(how: ThreadEnding): void
}

/** What it keeps: the offsets that it has handled, and the last of them for a while. */
function statesOf(ttlMs: number) {
  return {
    handled: state<number[]>({ initial: () => [] }),
    recent: state<number>({ ttlMs }),
    /** Of its key, where it sets timers. */
    history: state<string[]>({ initial: () => [] }),
  }
}

type Kept = StateOf<ReturnType<typeof statesOf>>

interface Call {
  readonly attempt: number
  readonly record: SourceRecord
  /** Of its key, where its world keeps state. */
  readonly state: Kept
}

type Timing = TimerContext<unknown, unknown, ReturnType<typeof statesOf>>

type HandleOne = (
  plan: Plan,
  context: Call & { readonly signal: AbortSignal } & Partial<Pick<Timing, 'timer' | 'cancelTimer'>>,
) => Outcome | Promise<Outcome>

export function simulatedHandler(options: SimulatedHandlerOptions): AnyHandler {
  const { world } = options
  const common = {
    name: `handler of ${options.topic}`,
    input: topic<Plan>(options.topic, world.schemas === undefined ? {} : { value: planCodec() }),
    outputs: [outputs, rows],
    ...(world.state === undefined ? {} : { state: statesOf(world.state.ttlMs) }),
  }
  const handle = handleOne(options)
  return world.calls === null
    ? (defineHandler({ ...common, ...timersOf(world), handle: handle as never }) as unknown as AnyHandler)
    : (defineBatchHandler({
        ...common,
        ...world.calls,
        handle: handleAll(options, handle) as never,
      }) as unknown as AnyHandler)
}

function timersOf({ attempts, state: kept }: Pick<World, 'attempts' | 'state'>) {
  if (kept?.timers !== true) return {}
  return {
    timers: timerNames,
    onTimer: ((name: TimerName, context: Timing) => {
      fireTimer(name, context, context.state.history, attempts)
      return done()
    }) as never,
  }
}

/**
 * A record whose attempts are to be used up fails however often it is tried: after those that it shared with others of a call
 * it has one alone.
 */
function lasting(plan: Plan, { attempts }: Pick<World, 'attempts'>): Plan {
  return attempts !== 'unlimited' && plan.failures >= attempts ? { ...plan, failures: Number.POSITIVE_INFINITY } : plan
}

function handleOne(options: SimulatedHandlerOptions): HandleOne {
  const { clock, notes, world } = options
  return (planned, call) => {
    const { attempt, record, signal } = call
    const plan = lasting(planned, world)
    const end = notes.begin(record, attempt)
    const isHandled = attempt > plan.failures && isKept(plan)
    keep(options, call, isHandled)
    const { cancelTimer, timer } = call
    if (world.state?.timers === true && record.key !== null && timer !== undefined && cancelTimer !== undefined) {
      setTimers({ cancelTimer, timer }, call.state.history, record, isHandled)
    }
    if (attempt <= plan.failures && plan.failure === 'hangs') {
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          end('aborted')
          reject(signal.reason as Error)
        })
      })
    }
    const { failure } = plan
    if (attempt <= plan.failures && isThreadEnding(failure)) {
      const never = new Promise<Outcome>(() => undefined)
      const endThread = (): Promise<Outcome> => {
        notes.endThread(failure)
        return never
      }
      return plan.costMs === 0 ? endThread() : sleep(clock, plan.costMs).then(endThread)
    }
    if (attempt <= plan.failures && failure === 'ignores-signal') {
      return sleep(clock, plan.ignoresForMs).then(() => {
        // A process that stood still meanwhile gives the call as much time again: then this is an outcome like others.
        if (!signal.aborted) {
          end('threw')
          throw new Error('a planned failure, before the time-out')
        }
        // Taken for the outcome of the record, this would lose it.
        end('ignored')
        return skip()
      })
    }
    const settle = (): Outcome => settleBy(plan, call, end)
    return plan.costMs === 0 ? settle() : sleep(clock, plan.costMs).then(settle)
  }
}

/**
 * A call of one record is that record's. A call that one of several would end, by an error or with its thread, ends before
 * anything is done in it. Else each record gets its outcome: after one that fails nothing more is done in its lane,
 * and what is said of the rest of it would lose them, should anybody believe it.
 */
function handleAll(options: SimulatedHandlerOptions, handle: HandleOne) {
  const { clock, notes, world } = options
  let calls = 0
  return (
    records: readonly BatchRecord<Plan, unknown, ReturnType<typeof statesOf>>[],
    { signal }: { readonly signal: AbortSignal },
  ): Outcome[] | Promise<Outcome[]> => {
    const [only] = records
    if (records.length === 1 && only !== undefined) {
      const outcome = handle(only.value, { attempt: only.attempt, record: only.record, state: only.state, signal })
      return outcome instanceof Promise ? outcome.then((settled) => [settled]) : [outcome]
    }
    for (const { attempt, value: planned } of records) {
      const value = lasting(planned, world)
      const { failure } = value
      if (attempt > value.failures) {
        if (value.ending === 'terminal-error') throw new TerminalError('a planned terminal error')
      } else if (isThreadEnding(failure)) {
        notes.endThread(failure)
        return new Promise(() => undefined)
      } else if (failure !== 'asks-for-retry') {
        throw new Error('a planned failure')
      }
    }
    calls += 1
    const number = calls
    const stopped = new Set<string>()
    const outcomes = records.map((call) => {
      const { attempt, record, value: planned } = call
      const value = lasting(planned, world)
      const lane = laneOf(record, world)
      if (lane !== null && stopped.has(lane)) return skip()
      if (lane !== null && attempt <= value.failures) stopped.add(lane)
      const end = notes.begin(record, attempt, number)
      keep(options, call, attempt > value.failures && isKept(value))
      return settleBy(value, call, end)
    })
    const costMs = Math.max(...records.map(({ value }) => value.costMs))
    return costMs === 0 ? outcomes : sleep(clock, costMs).then(() => outcomes)
  }
}

/** null: it is in order with none. */
function laneOf({ key, partition, topic: of }: SourceRecord, { order }: Pick<World, 'order'>): string | null {
  if (order === 'partition') return `${of}/${partition}`
  return order === 'unordered' || key === null ? null : `${of}/${partition} ${String(key)}`
}

function isKept({ ending }: Plan): boolean {
  return ending === 'done' || ending === 'skip'
}

/** Stands in what an attempt sets that fails: nobody may ever find it. */
const forgotten = -1

function keep({ notes, world }: SimulatedHandlerOptions, { record, state: kept }: Call, isHandled: boolean): void {
  if (world.state === undefined || record.key === null) return
  const handled = kept.handled.get()
  notes.found(record, handled, kept.recent.get() ?? null)
  const { offset } = record
  kept.handled.set([...handled, isHandled ? offset : forgotten])
  if (isHandled) kept.recent.set(offset)
  else kept.recent.delete()
}

function settleBy(plan: Plan, { attempt, record }: Call, end: (result: HandlerResult) => void): Outcome {
  if (attempt <= plan.failures) {
    if (plan.failure === 'asks-for-retry') {
      end('retry')
      return retry(plan.costMs)
    }
    end('threw')
    throw new Error('a planned failure')
  }
  switch (plan.ending) {
    case 'skip':
      end('skip')
      return skip()
    case 'dead-letter':
      end('dead-letter')
      return deadLetter('a planned dead letter')
    case 'terminal-error':
      end('threw')
      throw new TerminalError('a planned terminal error')
    case 'done':
      end('done')
      return done(effectsOf(plan, record))
  }
}

function effectsOf(plan: Plan, record: SourceRecord): Effect[] {
  const noteOf = (at: number): string => (plan.isRefused && at === 0 ? refusedMark : `output ${at}`)
  const id = `${record.topic}/${record.partition}/${record.offset}`
  return [
    ...Array.from({ length: plan.records }, (_, at) => outputs.record(noteOf(at), { key: record.key })),
    ...Array.from({ length: plan.rows }, (_, at) => {
      const index = plan.records + at
      return rows.upsert({ id: `${id}/${index}`, note: noteOf(index) })
    }),
  ]
}

function isThreadEnding(failure: Plan['failure']): failure is ThreadEnding {
  return (threadEnds as readonly string[]).includes(failure)
}
