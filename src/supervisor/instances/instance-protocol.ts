/** What crosses between `troupe run --instances N` and its N processes, over Node's own channel. */
import type { Decision, ParkedRecord } from '../../actors/parking-lot.ts'
import type { WireError } from '../../errors.ts'
import type { ResolvedApp } from '../../options/options.ts'
import type { StateQuestion } from '../../state/state-question.ts'
import type { Health, Readiness } from '../status/health.ts'
import type { MetricSnapshot } from './merged-metrics.ts'
import type { EngineStatus } from '../status/status.ts'

/** What one instance is to do. It reads the app and its environment by itself. */
export interface InstanceTask {
  /** From 1 on. */
  readonly instance: number
  /** The app's module, as the command line has it. */
  readonly module: string
  /** By path of option. */
  readonly flags: Readonly<Record<string, unknown>>
}

/** What an instance answers to what a parent asks, once it has started. */
export interface Answers {
  readonly health: Health
  readonly readiness: Readiness
  readonly status: EngineStatus
  readonly metrics: readonly MetricSnapshot[]
  readonly parked: readonly ParkedRecord[]
}

export type Question = keyof Answers

export type ParentMessage =
  | { readonly type: 'run'; readonly task: InstanceTask }
  | { readonly type: 'ask'; readonly id: number; readonly question: Question }
  | { readonly type: 'decide'; readonly id: number; readonly record: string; readonly decision: Decision }
  | {
      readonly type: 'decide-key'
      readonly id: number
      readonly topic: string
      readonly hash: string
      readonly decision: Decision
    }
  | { readonly type: 'report'; readonly id: number; readonly question: StateQuestion }
  | { readonly type: 'stop' }

export type InstanceMessage =
  /** It has joined the group. */
  | { readonly type: 'started' }
  | { readonly type: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly type: 'refusal'; readonly id: number; readonly error: WireError }
  /** It ends, and why: at the start, or later. */
  | { readonly type: 'failed'; readonly error: WireError }

/**
 * What is different in one instance, by path of option: it is a process of its own to the brokers,
 * has no port, and no instances.
 */
export function instanceOptions({ kafka, state, threads }: ResolvedApp, instance: number): Record<string, unknown> {
  const { clientId, groupInstanceId, transactionalId } = kafka
  return {
    instances: 1,
    'threads.count': threads.count,
    'kafka.clientId': `${clientId}-${instance}`,
    // Two static members of one name would fence each other.
    ...(groupInstanceId === null ? {} : { 'kafka.groupInstanceId': `${groupInstanceId}-${instance}` }),
    ...(transactionalId === null ? {} : { 'kafka.transactionalId': `${transactionalId}-${instance}` }),
    ...(state.directory === null ? {} : { 'state.directory': `${state.directory}-${instance}` }),
    'http.port': 0,
  }
}
