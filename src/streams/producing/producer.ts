/**
 * A producer of one's own: typed records in, and word of each when it is durable. On the same port, with the same
 * guarantees, as the sinks of an app.
 */
import type { Clock } from '../../clock.ts'
import { TroupeError, describeError, isTroupeError } from '../../errors.ts'
import { silentLog, type Log } from '../../log.ts'
import { OpenWaits } from '../../metrics/open-waits.ts'
import { isObject, refuseWrong, shown } from '../../options/declared.ts'
import type { Broker } from '../broker.ts'
import type { BrokerProducer } from '../broker-port.ts'
import { EffectEncoder, type EncodedEffect } from '../flows/effect-encoder.ts'
import type { Destination, EffectsOf, RecordEffect, TopicDestination } from '../flows/flow.ts'
import type { OutputRecord } from '../record.ts'
import type { SchemaPort } from '../registry/schema-port.ts'
import { prepareTopics } from './topic-schemas.ts'
import { SendQueue, sendDefaults, type DeliveryReport, type Pending, type SendLimits } from './send-queue.ts'

/** As an app's. */
export const DRAIN_TIMEOUT_MS = 30_000

const STOPPED_AT_START = 'The producer was stopped before it had started.'

export interface Producer<Topics extends readonly Destination[]> {
  /**
   * Resolves when the record is durable: all replicas in sync have it. Waits for room first, where there is none.
   *
   * Rejects with one TroupeError: RECORD_TOO_LARGE, NOT_AUTHORIZED, TOPIC_MISSING, SINK_REFUSED (that record, for good),
   * ENCODE_FAILED, DELIVERY_TIMEOUT, PRODUCER_STOPPED; with `producer.retries` also SINK_UNAVAILABLE.
   */
  send(record: EffectsOf<Topics>): Promise<DeliveryReport>
  /** As `send`, and rejects with PRODUCER_FULL instead of waiting for room. */
  trySend(record: EffectsOf<Topics>): Promise<DeliveryReport>
  /**
   * Resolves when all are durable, with a report for each, in their order. Nothing is sent when one cannot be encoded.
   * Otherwise it is no transaction: when some are not written, it rejects, once all have their answer, with the error of
   * the first of them; `Promise.allSettled` of `send` tells of each.
   */
  sendAll(records: readonly EffectsOf<Topics>[]): Promise<readonly DeliveryReport[]>
  /** True while what is sent now waits for nobody. */
  readonly hasRoom: boolean
  /** Resolves as soon as there is room. */
  room(): Promise<void>
  readonly pending: Pending
  /** Why, and for how long, Kafka takes no records; null while it does. */
  trouble(): { readonly reason: string; readonly forMs: number } | null
  /** Resolves when all that was sent before has its answer, whichever. Never rejects. */
  flush(): Promise<void>
  /** Takes nothing more, finishes what is pending within `drainTimeoutMs`, rejects the rest, disconnects. Idempotent. Never rejects. */
  stop(): Promise<void>
  /** Rejects all that is pending, and disconnects, now. */
  kill(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export interface ProducerParts<Topics extends readonly Destination[]> {
  readonly broker: Pick<Broker, 'producer'>
  readonly topics: Topics
  readonly clock: Clock
  readonly limits?: Partial<SendLimits> & { readonly drainTimeoutMs?: number }
  /** What a registry has told; null: there is none. It is closed with the producer. */
  readonly schemas?: SchemaPort | null
  readonly log?: Log
  readonly waits?: OpenWaits
  readonly signal?: AbortSignal
}

/** Connects, and resolves when every topic, and every schema that is written with, was found. Otherwise all is closed again. */
export async function openProducer<const Topics extends readonly Destination[]>(
  parts: ProducerParts<Topics>,
): Promise<Producer<Topics>> {
  const { broker, log = silentLog, schemas = null, signal } = parts
  const topics = topicsOnly(parts.topics)
  const producer = broker.producer('producer')
  const waits = parts.waits ?? new OpenWaits(parts.clock)
  // Also what it waits for ends: a registry may be slow, or ask to be left alone for a while.
  const close = async (): Promise<void> => {
    schemas?.close()
    await producer.disconnect().catch(() => undefined)
  }
  const onAbort = (): void => {
    void close()
  }
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    signal?.throwIfAborted()
    await Promise.all([prepareTopics(topics, schemas), connect(producer, topics)])
    signal?.throwIfAborted()
    return new RecordProducer({ ...parts, log, schemas, producer, destinations: topics, waits })
  } catch (error) {
    await close()
    throw signal?.aborted === true ? new TroupeError('START_STOPPED', STOPPED_AT_START) : error
  } finally {
    signal?.removeEventListener('abort', onAbort)
  }
}

function topicsOnly(given: unknown): readonly TopicDestination[] {
  const list: readonly unknown[] = Array.isArray(given) ? given : []
  const problems = list.flatMap((each, at) => {
    const isTopic = isObject(each) && each['kind'] === 'topic'
    return isTopic ? [] : [`topics[${at}]: ${shown(each)} is no topic; make one with topic()`]
  })
  if (list.length === 0) problems.push(`topics: ${shown(given)} is not a list of at least one topic`)
  refuseWrong('startProducer', problems)
  return list as readonly TopicDestination[]
}

async function connect(producer: BrokerProducer, topics: readonly TopicDestination[]): Promise<void> {
  await producer.connect()
  const names = [...new Set(topics.map(({ name }) => name))]
  const counts = await producer.partitionCounts(names)
  const missing = names.filter((name) => !counts.has(name))
  if (missing.length === 0) return
  const text = missing.length === 1 ? `The topic ${missing[0]} does` : `The topics ${missing.join(', ')} do`
  throw new TroupeError('TOPIC_MISSING', `${text} not exist.`)
}

interface OpenParts extends Omit<ProducerParts<readonly Destination[]>, 'topics'> {
  readonly schemas: SchemaPort | null
  readonly log: Log
  readonly producer: BrokerProducer
  readonly destinations: readonly TopicDestination[]
  readonly waits: OpenWaits
}

class RecordProducer<Topics extends readonly Destination[]> implements Producer<Topics> {
  readonly #parts: OpenParts
  readonly #topics: ReadonlySet<string>
  readonly #encoder: EffectEncoder
  readonly #queue: SendQueue
  #ending: Promise<void> | null = null
  #endDrain: () => void = () => undefined

  constructor(parts: OpenParts) {
    this.#parts = parts
    this.#topics = new Set(parts.destinations.map(({ name }) => name))
    this.#encoder = new EffectEncoder(parts.destinations, parts.schemas ?? undefined)
    const { clock, limits, log, producer, signal } = parts
    this.#queue = new SendQueue({ ...sendDefaults, ...limits, producer, clock, log })
    signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  readonly #onAbort = (): void => {
    void this.stop()
  }

  async send(record: EffectsOf<Topics>): Promise<DeliveryReport> {
    return await this.#queue.add(this.#encode(record))
  }

  async trySend(record: EffectsOf<Topics>): Promise<DeliveryReport> {
    const encoded = this.#encode(record)
    if (!this.#queue.hasRoom) {
      const { bytes, records, waiting } = this.#queue.pending
      const text = `${records} records (${bytes} bytes) are pending, and ${waiting} wait for room`
      throw new TroupeError('PRODUCER_FULL', `The record for ${encoded.topic} was not sent: ${text}.`)
    }
    return await this.#queue.add(encoded)
  }

  async sendAll(records: readonly EffectsOf<Topics>[]): Promise<readonly DeliveryReport[]> {
    const encoded = records.map((record, at) => this.#encode(record, `record ${at} of ${records.length}: `))
    const answers = await Promise.allSettled(encoded.map((record) => this.#queue.add(record)))
    const reports = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
    if (reports.length === answers.length) return reports
    const first = answers.findIndex(({ status }) => status === 'rejected')
    const reason: unknown = (answers[first] as PromiseRejectedResult).reason
    const failed = answers.length - reports.length
    const text = `${failed} of ${answers.length} records were not written; the first of them, record ${first}: ${describeError(reason)}`
    throw new TroupeError(isTroupeError(reason) ? reason.code : 'INTERNAL', text, { cause: reason })
  }

  get hasRoom(): boolean {
    return this.#queue.hasRoom
  }

  room(): Promise<void> {
    return this.#queue.room()
  }

  get pending(): Pending {
    return this.#queue.pending
  }

  trouble(): { readonly reason: string; readonly forMs: number } | null {
    const { trouble } = this.#queue
    return trouble === null
      ? null
      : { reason: trouble.reason, forMs: Math.round(this.#parts.clock.now() - trouble.sinceMs) }
  }

  flush(): Promise<void> {
    return this.#queue.flush()
  }

  stop(): Promise<void> {
    this.#ending ??= this.#stop()
    return this.#ending
  }

  kill(): Promise<void> {
    this.#queue.close('the producer was killed')
    this.#endDrain()
    this.#ending ??= this.#disconnect()
    return this.#ending
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #stop(): Promise<void> {
    const { clock, limits } = this.#parts
    const drainTimeoutMs = limits?.drainTimeoutMs ?? DRAIN_TIMEOUT_MS
    this.#queue.refuse('the producer is stopped')
    const deadline = new Promise<void>((resolve) => {
      const cancel = clock.after(drainTimeoutMs, resolve)
      this.#endDrain = () => {
        cancel()
        resolve()
      }
    })
    await Promise.race([this.#queue.flush(), deadline])
    this.#endDrain()
    this.#queue.close(`the producer is stopped, and its drain has taken ${drainTimeoutMs} ms`)
    await this.#disconnect()
  }

  async #disconnect(): Promise<void> {
    const { log, producer, schemas, signal, waits } = this.#parts
    signal?.removeEventListener('abort', this.#onAbort)
    schemas?.close()
    try {
      await waits.answer('producer-close', 'producer', producer.disconnect())
    } catch (error) {
      log.warn({ reason: describeError(error) }, `the producer did not close: ${describeError(error)}`)
    }
  }

  #encode(record: EffectsOf<Topics>, which = ''): OutputRecord {
    const effect = record as RecordEffect | undefined
    if (effect?.type !== 'record') {
      throw new TroupeError('ENCODE_FAILED', `${which}${shown(record)} is no record: make one with record() of a topic`)
    }
    if (!this.#topics.has(effect.topic)) {
      const text = `${which}topic ${effect.topic} is not among \`topics\` of startProducer`
      throw new TroupeError('ENCODE_FAILED', text)
    }
    try {
      return (this.#encoder.encode(effect) as EncodedRecord).record
    } catch (error) {
      if (!isTroupeError(error) || which === '') throw error
      throw new TroupeError(error.code, `${which}${error.message}`, { cause: error.cause })
    }
  }
}

type EncodedRecord = Extract<EncodedEffect, { readonly type: 'record' }>
