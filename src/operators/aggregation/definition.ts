/** What users write: which records, by what key, in which windows, what of them, and what becomes of it. */
import type { Front, PrepareContext, PrepareSetup } from '../operator.ts'
import type { Codec } from '../../streams/flows/contract.ts'
import type { Destination, EffectsOf, Topic } from '../../streams/flows/flow.ts'
import type { SourceRecord } from '../../streams/record.ts'
import type { Value, ValuesOf } from '../values/value.ts'
import type { DeclaredWindow } from '../windows/declared-window.ts'
import type { Window } from '../windows/windowing.ts'

/** By their names. */
export type AnyValues<In> = Readonly<Record<string, Value<In, unknown>>>

/** What `result` is given as `values`. */
export type ResultsOf<Values> = {
  readonly [Name in keyof Values]: Values[Name] extends Value<never, infer Result> ? Result : never
}

/** null without windows. */
export type WindowOf<Declared> = [Declared] extends [DeclaredWindow] ? Window : null

/** How a window stands. */
export interface Aggregate<Key, Values, Declared> {
  readonly key: Key
  /**
   * Its first moment and its end. Tumbling and hopping windows end before `endMs`; to sliding ones and sessions it belongs.
   */
  readonly window: WindowOf<Declared>
  readonly values: ResultsOf<Values>
  /** The greatest time of its records: the timestamp of outputs that are given none. */
  readonly timeMs: number
}

/** A session that `result` was told of, and that is a part of a longer one now. */
export interface MergedSession<Key> {
  readonly key: Key
  readonly window: Window
}

/** A record that did not count. */
export interface AsideRecord<In> {
  readonly value: In
  /** As it came. Behind a front (`by`, `prepare`) that is the record of the topic between. */
  readonly record: SourceRecord
  /** As its topic says, else its timestamp. */
  readonly timeMs: number
}

export interface LateRecord<In, Key> extends AsideRecord<In> {
  readonly reason: 'late'
  readonly key: Key
  /** The last window that it could have been in. */
  readonly window: Window
  /** So much more grace would have let it in, give or take a millisecond. */
  readonly lateByMs: number
}

export interface NullKeyRecord<In> extends AsideRecord<In> {
  readonly reason: 'null-key'
}

export interface FarFutureRecord<In, Key> extends AsideRecord<In> {
  readonly reason: 'far-future'
  readonly key: Key | null
  /** So far ahead of stream time it is. */
  readonly aheadByMs: number
}

/** `prepare` gets the value of the topic, everything behind it what `prepare` returns; no null, which counts nowhere. */
export interface AggregationDefinition<
  Given,
  GivenKey,
  Setup,
  In,
  Key,
  Values,
  Declared extends DeclaredWindow | undefined,
  Outputs extends readonly Destination[],
> {
  /** Shown in log lines and errors; its actor goes by it where it stands in the app itself. */
  readonly name?: string
  readonly input: Topic<Given, string, GivenKey>
  /** Once per thread, or once on main: opens what `prepare` needs. */
  readonly setup?: (context: PrepareSetup) => Setup | Promise<Setup>
  readonly teardown?: (setup: Setup) => void | Promise<void>
  /**
   * Heavy work in front of it: where the actor runs (`runOn`), in parallel, with the retries of the actor. What it returns is
   * taken in the order of the records, as their value.
   */
  readonly prepare?: (value: Given, context: PrepareContext & { readonly setup: Setup }) => In | Promise<In>
  /** How what `prepare` returns goes through the topic between; JSON unless given. */
  readonly preparedCodec?: Codec<In>
  /** Another key than the record's own, so through a topic of ours. null: it has none. */
  readonly by?: (value: In) => Key | null
  /** How it is written as a key. Text and numbers as UTF-8 text, and bytes as they are, unless given. */
  readonly byCodec?: Codec<Key>
  /** Which records of a key belong together; all, unless given. */
  readonly window?: Declared
  /** What there is to know of them, by name: what they are found by after an upgrade. With a function their types come by themselves. */
  readonly values: Values | ((of: ValuesOf<In>) => Values)
  /**
   * - `final` (unless given): each window once, when it is closed.
   * - `updates`: each window when a record has changed it; of a checkpoint's the last.
   *
   * Without windows there are only updates.
   */
  readonly emit?: 'final' | 'updates'
  /** Only without windows: a key to which no record came for so long, by stream time, is forgotten. */
  readonly ttlMs?: number
  readonly outputs?: Outputs
  readonly result: (aggregate: Aggregate<Key, Values, Declared>) => readonly EffectsOf<Outputs>[]
  /** Needed by sessions with updates: what takes back what `result` said of this one. Commonly a tombstone. */
  readonly merged?: (session: MergedSession<Key>) => readonly EffectsOf<Outputs>[]
  /** Records whose windows are all closed. They are counted, and no more, unless given. */
  readonly late?: (record: LateRecord<In, Key>) => readonly EffectsOf<Outputs>[]
  /** Records without a key. They are counted, and no more, unless given. */
  readonly nullKey?: (record: NullKeyRecord<In>) => readonly EffectsOf<Outputs>[]
  /** Records that `maxAdvanceMs` stops. They go to the dead-letter topic unless given. */
  readonly farFuture?: (record: FarFutureRecord<In, Key>) => readonly EffectsOf<Outputs>[]
  /** A record that would move stream time further than that at once does not count: its clock is wrong. Any may, unless given. */
  readonly maxAdvanceMs?: number
  /**
   * With nothing new for so long, at the end of the input, open windows are closed by the wall clock. What they come to then
   * depends on when records arrive, and a replay may see something else. Never, unless given.
   */
  readonly idleAfterMs?: number
  /** With `by` or `prepare`: so far, at most, stream time behind the topic between is behind. A second unless given. */
  readonly markEveryMs?: Front['markEveryMs']
}
