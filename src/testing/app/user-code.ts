/**
 * The user's code as the processes of an app under test run it: what it does takes real time, which the clock of the test
 * waits for; a process that has crashed calls nothing more; and records that only move stream time are kept from it.
 */
import type { AnyHandler, UserHandler } from '../../actors/handlers/any-handler.ts'
import type { AnyBatchHandler, BatchOutcome } from '../../actors/handlers/batch-handler.ts'
import { skip, type AnyRecordHandler, type SetupContext } from '../../actors/handlers/handler.ts'
import type { SharedLoader } from '../../actors/handlers/shared-data.ts'
import { TroupeError } from '../../errors.ts'
import { nothing as nothingOf, type Operator } from '../../operators/operator.ts'
import { within } from '../../clock.ts'
import type { SourceRecord } from '../../streams/record.ts'

/** The header of a record that moves stream time and is none of the handler's business. */
export const TICK_HEADER = 'troupe.tick'

/** A call that has not ended after so long, in real time, is taken for one that hangs: the clock goes on without it. */
const PATIENCE_MS = 1_000

export class UserCode {
  readonly #handler: AnyHandler
  /** Calls under way. */
  readonly #calls = new Set<Promise<unknown>>()
  /** What was set up and not torn down: in the end, that of processes that crashed. */
  readonly #setups = new Set<{ readonly setup: unknown }>()

  constructor(handler: AnyHandler) {
    this.#handler = handler
  }

  /** For one process: `isGone` once that has crashed. */
  handlerFor(isGone: () => boolean): AnyHandler {
    const own = this.#handler
    switch (own.kind) {
      case 'batch-handler':
        return this.#batchHandler(own, isGone)
      case 'handler':
        return this.#recordHandler(own, isGone)
      case 'operator':
        return withTickless(own)
    }
  }

  /** The same loaders, waited for as handlers are. */
  shared(loaders: Readonly<Record<string, SharedLoader>>): Readonly<Record<string, SharedLoader>> {
    return Object.fromEntries(Object.entries(loaders).map(([name, load]) => [name, () => this.#waitedFor(load())]))
  }

  get isBusy(): boolean {
    return this.#calls.size > 0
  }

  /** Resolves when a call has ended, or when those under way are taken for hanging. */
  async someEnd(): Promise<void> {
    const ends = [...this.#calls].map((call) => call.then(nothing, nothing))
    await within(Promise.race(ends), PATIENCE_MS, () => new Error('hangs')).catch(() => {
      this.#calls.clear()
    })
  }

  /** Tears down what processes that crashed have set up: in a test the resources of all of them are those of one process. */
  async tearDownCrashed(): Promise<void> {
    if (this.#handler.kind === 'operator') return
    const { teardown } = this.#handler
    for (const { setup } of this.#setups) await teardown?.(setup)
    this.#setups.clear()
  }

  #recordHandler(own: AnyRecordHandler, isGone: () => boolean): AnyRecordHandler {
    const { onTimer } = own
    return {
      ...own,
      ...this.#lifeOf(own),
      handle: (value, context) => {
        if (isGone()) return never()
        return isTick(context.record) ? skip() : this.#waitedFor(own.handle(value, context))
      },
      ...(onTimer === undefined
        ? {}
        : { onTimer: (name, context) => (isGone() ? never() : this.#waitedFor(onTimer(name, context))) }),
      // Where a topic has no tombstones, one does not decode.
      onError: (error, context) => (isTick(context.record) ? 'skip' : own.onError?.(error, context)),
    }
  }

  #batchHandler(own: AnyBatchHandler, isGone: () => boolean): AnyBatchHandler {
    return {
      ...own,
      ...this.#lifeOf(own),
      handle: (records, context) => {
        if (isGone()) return never()
        const given = records.filter(({ record }) => !isTick(record))
        if (given.length === 0) return skip()
        const outcome = this.#waitedFor(own.handle(given, context))
        if (given.length === records.length) return outcome
        const isGiven = records.map(({ record }) => !isTick(record))
        return outcome instanceof Promise
          ? outcome.then((settled) => withTicks(settled, isGiven))
          : withTicks(outcome, isGiven)
      },
      onError: (error, context) =>
        context.failed !== null && isTick(context.failed.record) ? 'skip' : own.onError?.(error, context),
    }
  }

  #lifeOf({ setup, teardown }: UserHandler): Pick<UserHandler, 'setup' | 'teardown'> {
    if (setup === undefined) return {}
    const made = new Map<unknown, { readonly setup: unknown }>()
    return {
      setup: (context: SetupContext) =>
        this.#waitedFor(
          Promise.resolve(setup(context)).then((result) => {
            const entry = { setup: result }
            made.set(result, entry)
            this.#setups.add(entry)
            return result
          }),
        ),
      teardown: (result: unknown) => {
        this.#setups.delete(made.get(result)!)
        return this.#waitedFor(teardown?.(result))
      },
    }
  }

  /** Stays synchronous where the call is. */
  #waitedFor<Result>(result: Result): Result {
    if (!(result instanceof Promise)) return result
    const call: Promise<unknown> = result
    this.#calls.add(call)
    const end = (): void => {
      this.#calls.delete(call)
    }
    call.then(end, end)
    return result
  }
}

/** What waits for nothing has ended before its process can crash. */
function withTickless(own: Operator): Operator {
  return {
    ...own,
    // Decoded as tombstones are, also where there are none else.
    inputs: own.inputs.map((topic) => ({ ...topic, tombstones: true })),
    take: (taken, kept, input) => {
      if (isTick(taken.record)) return nothingOf
      if (taken.record.value !== null || own.inputs[input]?.tombstones === true) return own.take(taken, kept, input)
      throw new TroupeError('DECODE_FAILED', `topic ${taken.record.topic} is declared without \`tombstones: true\``)
    },
    due: (key, kept) => own.due(key, kept),
  }
}

function isTick({ headers, value }: SourceRecord): boolean {
  return value === null && headers.some(([name]) => name === TICK_HEADER)
}

/** What was said of the records that were given, with a word on the others. Of too few or too many it is left as it is: that is refused. */
function withTicks(outcome: BatchOutcome, isGiven: readonly boolean[]): BatchOutcome {
  if (!(outcome instanceof Array) || outcome.length !== isGiven.filter(Boolean).length) return outcome
  let next = 0
  return isGiven.map((is) => (is ? outcome[next++]! : skip()))
}

/** Of a process that is gone. */
function never(): Promise<never> {
  return new Promise(() => undefined)
}

function nothing(): void {
  // Only that it has ended counts.
}
