/**
 * What does not get done though it waits for something that is known: records that are tried again and again, a sink or
 * brokers that are away, a group that does not give out its partitions, a partition that brings nothing among busy
 * ones. A restart would not help, so /healthz stays 200 and says `degraded`; what a restart or an operator has to end
 * stands in `health.ts`. Judged from plain numbers; `trouble-watch.ts` looks, remembers and tells.
 */
import { describeWire } from '../../errors.ts'
import type { Order, ResolvedApp } from '../../options/options.ts'
import type { TroubleName } from '../../metrics/stats.ts'
import type { RestoreProgress } from '../../metrics/restore-stats.ts'
import type { OldestRetry } from '../../actors/waits/retrying.ts'
import type { SchemaPort } from '../../streams/registry/schema-port.ts'
import type { SinkTrouble } from './blocking-record.ts'
import { many, seconds, verb } from './wording.ts'

export interface Trouble {
  readonly kind: TroubleName
  /** Which of its kind: an actor, a partition, a sink. Empty: there is only one. */
  readonly about: string
  /** `unhealthy`: a restart, or an operator, has to end it. */
  readonly severity: 'degraded' | 'unhealthy'
  /** For how long it is so, milliseconds. */
  readonly forMs: number
  /** One sentence: what does not get done, for how long, and why. */
  readonly says: string
  /** What was the matter, for the line that says that it is over. */
  readonly was: string
  /** For the log. */
  readonly fields?: Readonly<Record<string, unknown>>
}

/** What the registry's side of it says. */
export type SchemaTrouble = NonNullable<ReturnType<SchemaPort['trouble']>>

/** As /status shows it. */
export type TroubleStatus = Pick<Trouble, 'kind' | 'about' | 'severity' | 'forMs' | 'says'>

/** Records of one actor that are tried again, over all its partitions. */
export interface RetryLoad {
  readonly actor: string
  readonly order: Order
  /** Records read and not finished. */
  readonly held: number
  /** Those that wait for another attempt, or behind one that does; and the lanes in which they do. */
  readonly records: number
  readonly lanes: number
  readonly oldest: OldestRetry
  /** How long ago the first attempt of the oldest has failed. */
  readonly oldestMs: number
  /** For how long they have been most of what the actor was at. */
  readonly mostlyMs: number
}

/** A retry that helps does so sooner. */
const LONG_RETRY_MS = 60_000
/** So long may most of what an actor is at be tried again: longer than a service takes to start. */
const MOSTLY_MS = 30_000
/** A sink that is away for less is none that anybody could look at. */
const SINK_AWAY_MS = 5_000
/** A registry that answers the next question was none that anybody could look at. */
const REGISTRY_AWAY_MS = 5_000
/** Brokers elect another leader within some seconds. */
const CHANGELOG_AWAY_MS = 10_000
/** A new group forms within some seconds. */
const GROUP_WAIT_MS = 10_000
/** The ends of the logs are asked for every few seconds. */
const NO_BROKER_MS = 60_000

export function judgeRetries(load: RetryLoad): Trouble | null {
  const { actor, held, lanes, mostlyMs, oldest, oldestMs, order, records } = load
  if (oldestMs <= LONG_RETRY_MS && mostlyMs < MOSTLY_MS) return null
  const error = describeWire(oldest.error)
  const which = order === 'unordered' ? '' : ` (${many(lanes, order === 'key' ? 'key' : 'partition')})`
  const waits = `${records} of the ${many(held, 'record')} that actor ${actor} holds ${verb(records, 'waits', 'wait')} for another attempt${which}`
  const last = `${oldest.id} has failed ${many(oldest.failures, 'time')}, the last time with ${error}`
  return {
    kind: 'retries',
    about: actor,
    severity: 'degraded',
    forMs: oldestMs,
    says: `${waits}, the oldest for ${seconds(oldestMs)}: ${last}`,
    was: `records of actor ${actor} were tried again and again`,
    fields: { actor, records, keys: lanes, oldestMs: Math.round(oldestMs), id: oldest.id, error },
  }
}

export function judgeSink({ reason, sink }: SinkTrouble, awayMs: number): Trouble | null {
  if (awayMs < SINK_AWAY_MS) return null
  return {
    kind: 'sink',
    about: sink,
    severity: 'degraded',
    forMs: awayMs,
    says: `sink ${sink} is unavailable for ${seconds(awayMs)}; records wait, nothing is lost: ${reason}`,
    was: `sink ${sink} was unavailable`,
    fields: { sink, reason },
  }
}

/** A restore that gets on is none, however long it takes. */
export function judgeRestore(
  { actor, partition, trouble }: Pick<RestoreProgress, 'actor' | 'partition' | 'trouble'>,
  awayMs: number,
): Trouble | null {
  if (trouble === null || awayMs < CHANGELOG_AWAY_MS) return null
  const what = `the state of actor ${actor}, partition ${partition},`
  return {
    kind: 'restore',
    about: `${actor}/${partition}`,
    severity: 'degraded',
    forMs: awayMs,
    says: `${what} cannot be restored for ${seconds(awayMs)}; its records wait, others go on, nothing is lost: ${trouble.reason}`,
    was: `${what} could not be restored`,
    fields: { actor, partition, reason: trouble.reason },
  }
}

export function judgeSchemas({ reason, waitingIds }: SchemaTrouble, awayMs: number): Trouble | null {
  if (awayMs < REGISTRY_AWAY_MS) return null
  const ids = `${many(waitingIds, 'schema')} ${verb(waitingIds, 'is', 'are')} waited for`
  return {
    kind: 'schemas',
    about: '',
    severity: 'degraded',
    forMs: awayMs,
    says: `${ids}, for ${seconds(awayMs)}; records of them wait, others go on, nothing is lost: ${reason}`,
    was: 'schemas were waited for',
    fields: { waitingIds, reason },
  }
}

export function judgeGroup(
  waitMs: number,
  { groupId, groupProtocol, sessionTimeoutMs }: ResolvedApp['kafka'],
): Trouble | null {
  if (waitMs < GROUP_WAIT_MS) return null
  // Of the newer protocol the broker sets the time-out, and tells a member nothing that is to have no partition.
  const [session, spare] =
    groupProtocol === 'consumer'
      ? ['its session time-out', ', and where there are more members than partitions one has none']
      : [`its session time-out (${seconds(sessionTimeoutMs)})`, '']
  const why = `a member that died holds its place for up to ${session}, one that drains until it is done${spare}`
  return {
    kind: 'group',
    about: '',
    severity: 'degraded',
    forMs: waitMs,
    says: `the member has waited for its group for ${seconds(waitMs)}: ${why}`,
    was: 'the member waited for its group',
    fields: { group: groupId },
  }
}

export function judgeBrokers(silentMs: number): Trouble | null {
  if (silentMs < NO_BROKER_MS) return null
  return {
    kind: 'brokers',
    about: '',
    severity: 'degraded',
    forMs: silentMs,
    says: `no broker has told where a log ends for ${seconds(silentMs)}: what is new there, and the lag, are not known`,
    was: 'no broker told where a log ends',
  }
}

export function restartTrouble(): Trouble {
  return {
    kind: 'restart',
    about: '',
    severity: 'degraded',
    forMs: 0,
    says: 'the consumer has failed and is being restarted',
    was: 'the consumer was being restarted',
  }
}
