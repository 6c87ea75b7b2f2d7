/** What a partition actor is given: its partition, its inputs, and whom it tells. */
import type { Clock } from '../clock.ts'
import type { TroupeError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { ActorStats } from '../metrics/stats.ts'
import type { ResolvedActor } from '../options/options.ts'
import type { Credit } from '../streams/credit.ts'
import type { PartitionState } from '../state/partition-state.ts'
import type { GiveUpTimer, RecordTimes } from '../state/stamp.ts'
import type { ActorDelivery, Refusals } from '../streams/delivery/delivery.ts'
import type { TopicPartition } from '../streams/record.ts'
import type { SchemaPort } from '../streams/registry/schema-port.ts'
import type { FrontSettings } from './front/source-outputs.ts'
import type { InputOptions } from './input-progress.ts'
import type { KeyBudget } from './lanes/key-brake.ts'
import type { KeyText } from './key-text.ts'

export interface PartitionActorOptions {
  readonly actor: ResolvedActor
  readonly partition: number
  readonly epoch: number
  /** One at least. */
  readonly inputs: readonly InputOptions[]
  readonly delivery: ActorDelivery
  /** What its handler keeps; null or missing: nothing. */
  readonly state?: PartitionState | null
  /** It is the front of another actor, and writes for it; null or missing: it is none. It keeps state then. */
  readonly front?: FrontSettings | null
  /** How its records tell their time, where that is not by their timestamps; null or missing: by those. */
  readonly times?: RecordTimes | null
  /** With nothing new for so long, at the end of its input, its timers by stream time are fired; null or missing: they wait. */
  readonly idleAfterMs?: number | null
  /** What becomes of what a timer was set for that is given up; null or missing: nothing. */
  readonly giveUpTimer?: GiveUpTimer | null
  /** The high watermark of a log: its end, records of open transactions included. Needed where there are several inputs. */
  readonly logEnd?: (of: TopicPartition) => Promise<number>
  /** Records that it has to give up instead of handling them, since it begins where a refused checkpoint has set it back. */
  readonly refused?: Refusals
  readonly credit: Credit
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
  readonly actorStats: ActorStats
  /** What keys that wait may hold. */
  readonly keyBudget: KeyBudget
  /** Its executor takes the first records of several keys as one run. */
  readonly mixesKeys: boolean
  /** How a record's key is shown. */
  readonly keyText: KeyText
  /** null: no codec of the app needs schemas. */
  readonly schemas: SchemaPort | null
  /** Some of this actor's records may be handed out: the dispatcher should look. */
  readonly onReady: () => void
  /** What it holds changed, or it halted: the source may have to pause or resume the partition. */
  readonly onLoadChanged: () => void
  /** What the handler calls has asked, at the record of this id, to slow down: for all records of the actor. */
  readonly onThrottled: (forMs: number, id: string) => void
  /** A policy says that the supervisor has to end. */
  readonly onEscalate: (error: TroupeError) => void
}
