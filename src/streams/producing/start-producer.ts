/** A producer on real parts: the native client and the system clock. */
import { systemClock } from '../../clock.ts'
import { silentLog, type Log } from '../../log.ts'
import { isObject, refuseWrong, shown } from '../../options/declared.ts'
import type { ResolvedApp } from '../../options/options.ts'
import { resolveProducerOptions, type ResolvedProducer } from '../../options/own-producer.ts'
import type { Destination } from '../flows/flow.ts'
import { createKafkaBroker } from '../kafka/broker.ts'
import type { ProducerSettings } from '../kafka/producer-settings.ts'
import { openProducer, type Producer } from './producer.ts'

export interface ProducerOptions<Topics extends readonly Destination[]> {
  /** What may be written to. Each has to exist. */
  readonly topics: Topics
  /** As an app has it: what is about the group is of no account here. */
  readonly kafka?: Partial<Omit<ResolvedApp['kafka'], 'brokers'>> & { readonly brokers?: string | readonly string[] }
  readonly producer?: Partial<ProducerSettings>
  readonly maxPendingRecords?: number
  readonly maxPendingBytes?: number
  readonly deliveryTimeoutMs?: number
  readonly drainTimeoutMs?: number
  /** Aborting it is `stop()`; before the start has ended it makes that reject with START_STOPPED. */
  readonly signal?: AbortSignal
  /** Where to say that Kafka takes no records for a while; nowhere unless given. pino fits. */
  readonly log?: Log
  /** Environment, which goes over these options. Nothing unless given. */
  readonly env?: Readonly<Record<string, string | undefined>>
}

export async function startProducer<const Topics extends readonly Destination[]>(
  options: ProducerOptions<Topics>,
): Promise<Producer<Topics>> {
  const { topics, signal, log = silentLog, env, ...given } = isObject(options) ? options : ({} as typeof options)
  refuseWrong('startProducer', problemsOfLog(log))
  const resolved = resolveProducerOptions(given, env)
  return await openProducer({
    topics,
    broker: createKafkaBroker(brokerOptions(resolved, log)),
    limits: { ...resolved, lingerMs: resolved.producer.lingerMs, retries: resolved.producer.retries },
    schemas: null,
    clock: systemClock,
    log,
    ...(signal === undefined ? {} : { signal }),
  })
}

function problemsOfLog(log: unknown): string[] {
  const missing = Object.keys(silentLog).filter((level) => !isObject(log) || typeof log[level] !== 'function')
  return missing.length === 0 ? [] : [`log: ${shown(log)} lacks ${missing.join(', ')}: give a logger such as pino`]
}

/** A write that makes no progress ends with the record that it began with. */
const MOST_PATIENCE_MS = 60_000

function brokerOptions({ kafka, producer, deliveryTimeoutMs }: ResolvedProducer, log: Log) {
  return {
    ...kafka,
    producer,
    // Of these a producer needs none: it is in no group.
    groupId: kafka.clientId,
    groupProtocol: 'classic' as const,
    commitIntervalMs: 1000,
    maxPollIntervalMs: 300_000,
    deliveryTimeoutMs: Math.min(deliveryTimeoutMs, MOST_PATIENCE_MS),
    clock: systemClock,
    log: (level: keyof Log, fields: object, message: string): void => {
      log[level](fields, message)
    },
  }
}
