/** What users write: which two streams, how far apart partners may be, and what a pair comes to. */
import type { Destination, EffectsOf, Topic } from '../../streams/flows/flow.ts'
import type { SourceRecord } from '../../streams/record.ts'
import type { AsideReason } from '../operator.ts'

export type JoinKind = 'inner' | 'left' | 'outer'

/** How far apart partners may be: left − `beforeMs` ≤ right ≤ left + `afterMs`. */
export interface JoinWithin {
  /** A right record may be so much earlier; below 0: it has to be so much later. */
  readonly beforeMs: number
  /** A right record may be so much later; below 0: it has to be so much earlier. */
  readonly afterMs: number
}

/** Two partners, or one that has none: then the other is undefined. */
export type Joined<Kind extends JoinKind, Left, Right, KeyValue> = Kind extends 'inner'
  ? JoinedPair<Left, Right, KeyValue>
  : Kind extends 'left'
    ? JoinedPair<Left, Right | undefined, KeyValue | null>
    : JoinedPair<Left, Right | undefined, KeyValue | null> | JoinedPair<undefined, Right, KeyValue | null>

export interface JoinedPair<Left, Right, KeyValue> {
  /** null: a record without a key, which has no partner. */
  readonly key: KeyValue
  readonly left: Left
  readonly right: Right
  /** The greater of both times: the timestamp of what is returned, unless that says another one. */
  readonly timeMs: number
}

/** A record that did not join. */
export type JoinAside<Reason extends AsideReason, Left, Right, KeyValue> =
  AsideOf<Reason, 'left', Left, KeyValue> | AsideOf<Reason, 'right', Right, KeyValue>

interface AsideOf<Reason, Side, Value, KeyValue> {
  readonly reason: Reason
  readonly side: Side
  readonly key: KeyValue | null
  readonly value: Value
  /** As it came. */
  readonly record: SourceRecord
  readonly timeMs: number
}

export interface JoinDefinition<
  Left,
  Right,
  KeyValue,
  Kind extends JoinKind,
  Outputs extends readonly Destination[] = readonly Destination[],
> {
  readonly name?: string
  readonly left: Topic<Left, string, KeyValue>
  /** With keys of the same type, and as many partitions. Records are of one key where their bytes are the same. */
  readonly right: Topic<Right, string, NoInfer<KeyValue>>
  /**
   * - `inner`: pairs.
   * - `left`: also each left record that has no partner, once none can come any more.
   * - `outer`: the same of both sides.
   */
  readonly kind: Kind
  readonly within: JoinWithin
  /** A record of either side that comes more than so long behind the greatest time of both is late: it joins nothing. */
  readonly graceMs: number
  /** A record that would move stream time further than that at once joins nothing: its clock is wrong. Any may, unless given. */
  readonly maxAdvanceMs?: number
  /** Every topic and table that its functions write to. */
  readonly outputs?: Outputs
  /** What a pair comes to, or a record that comes out alone. */
  readonly result: (joined: Joined<Kind, Left, Right, KeyValue>) => readonly EffectsOf<Outputs>[]
  /** Records that come too late. They are counted, and no more, unless given. */
  readonly late?: (
    aside: JoinAside<'late', Left, Right, KeyValue> & {
      /** So much more grace would have let it in. */
      readonly lateByMs: number
    },
  ) => readonly EffectsOf<Outputs>[]
  /**
   * Records without a key, of a side that does not come out alone. They are counted, and no more, unless given. Of a side that
   * does, such a record comes out alone at once: no partner can come.
   */
  readonly nullKey?: (aside: JoinAside<'null-key', Left, Right, KeyValue>) => readonly EffectsOf<Outputs>[]
  /** Records that `maxAdvanceMs` stops. They go to the dead-letter topic unless given. */
  readonly farFuture?: (
    aside: JoinAside<'far-future', Left, Right, KeyValue> & {
      /** So far ahead of stream time it is. */
      readonly aheadByMs: number
    },
  ) => readonly EffectsOf<Outputs>[]
}
