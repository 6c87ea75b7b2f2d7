import type { CallLimits } from './batch-handler.ts'
import type { NeededSchema } from '../../streams/registry/schema-port.ts'
import type { SinkDestination } from '../../streams/delivery/sink.ts'
import type { StateShape } from '../../state/state-shape.ts'
import type { FrontOf } from './front-handler.ts'
import type { UsedContract } from '../../streams/registry/used-contracts.ts'

/** What main has to know of a handler that it never evaluates. */
export interface HandlerManifest {
  readonly actor: string
  /** `handler`, `batch handler`, or what kind of operator it is: `join`, … */
  readonly what: string
  /** What its group reads. */
  readonly input: string
  /** All that it reads, that one included: it is the first. */
  readonly inputs: readonly string[]
  /** It is an operator, and takes the records of a partition one after the other, on main. */
  readonly isOperator: boolean
  readonly outputTopics: readonly string[]
  /** Those of them that get the last record of each key of a checkpoint. */
  readonly latestTopics: readonly string[]
  readonly destinations: readonly SinkDestination[]
  /** Of its topics, where a registry keeps their schemas. */
  readonly schemas: readonly NeededSchema[]
  /** What a call of a batch handler gets at most; null: it is a handler of single records. */
  readonly call: CallLimits | null
  /** Where those topics have a codec whose schemas a registry keeps. */
  readonly contracts: readonly UsedContract[]
  /** What it keeps for each key; empty: nothing. */
  readonly states: readonly StateShape[]
  /** Names of its timers. */
  readonly timers: readonly string[]
  /** It is the front of another actor, and keeps how far its time has come; null or missing: it is none. */
  readonly front?: FrontOf | null
  /** Its records come by way of a front, which is an actor of its own once the app runs. */
  readonly isFronted?: boolean
  /** Further topics, of which each actor reads the partition that it has of the input. */
  readonly companions: readonly string[]
  /** Topics of which its process has all rows; missing: there are none. */
  readonly globals?: readonly string[]
}

/** It needs a changelog and a store, and transactions. */
export function isStateful({
  companions,
  front,
  states,
  timers,
}: Pick<HandlerManifest, 'companions' | 'states' | 'timers' | 'front'>): boolean {
  return states.length > 0 || timers.length > 0 || companions.length > 0 || (front ?? null) !== null
}
