/** What consumer and producer have in common: connecting with a named cause of failure, topics, ending. */
import { accessSync, constants } from 'node:fs'
import { sleep, type Clock } from '../../clock.ts'
import { TroupeError, isTroupeError } from '../../errors.ts'
import type { OpenWaits } from '../../metrics/open-waits.ts'
import type { NativeConsumer, NativeError, NativeLogEvent, NativeMetadata, NativeProducer } from './native.ts'
import { StartWatch } from './start-errors.ts'

/** One question for metadata waits this long, so that a hopeless start ends soon after it is known to be one. */
const METADATA_SLICE_MS = 500

const TRANSPORT_FAILURE = -195
const TIMED_OUT = -185

/** librdkafka's code of anything thrown or called back. */
export function codeOf(error: unknown): number | undefined {
  const code: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined
  return typeof code === 'number' ? code : undefined
}

/** The text of anything thrown or called back: the client's errors are not always Errors. */
export function messageOf(error: unknown): string {
  const message: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'message') : error
  return String(message)
}

/**
 * Connects; resolves when a broker answered. Rejects with a TroupeError that names the cause, and has ended the
 * client then; also soon after `signal` was aborted.
 */
export async function connectClient(
  client: NativeConsumer | NativeProducer,
  config: Readonly<Record<string, unknown>>,
  brokers: readonly string[],
  timeoutMs: number,
  signal: AbortSignal,
  clock: Clock,
): Promise<void> {
  const startedAt = clock.now()
  const watch = new StartWatch(brokers, startedAt)
  let connecting = true
  client.on('event.log', (event: NativeLogEvent) => {
    if (connecting) watch.note(event)
  })
  // The client's `connect` asks for metadata once and would wait its whole time-out: ask in slices instead.
  const ask = client.getMetadata.bind(client)
  client.getMetadata = (options, done): void => {
    const again = (): void => {
      ask({ ...options, timeout: METADATA_SLICE_MS }, (error, metadata) => {
        const passing = error != null && (error.code === TRANSPORT_FAILURE || error.code === TIMED_OUT)
        const now = clock.now()
        const isWorthIt = !signal.aborted && now - startedAt < timeoutMs && !watch.isHopeless(now)
        if (passing && isWorthIt) clock.after(20, again)
        else done(error, metadata)
      })
    }
    again()
  }
  const failure = await new Promise<NativeError | null>((resolve) => {
    try {
      client.connect({ timeout: METADATA_SLICE_MS, allTopics: false }, (error) => {
        resolve(error ?? null)
      })
    } catch (error) {
      resolve(error as NativeError)
    }
  })
  client.getMetadata = ask
  // The last log line may be one loop turn behind the answer.
  if (failure !== null) await sleep(clock, 10)
  connecting = false
  if (failure === null) return
  if (signal.aborted) throw new TroupeError('BROKER_UNREACHABLE', 'Disconnected before a Kafka broker had answered.')
  if (codeOf(failure) === TRANSPORT_FAILURE || codeOf(failure) === TIMED_OUT) throw watch.error(clock.now() - startedAt)
  throw configurationError(failure, config)
}

/** A client that cannot even be made: an unknown key, a bad value, a file that is not there. */
export function configurationError(error: unknown, config: Readonly<Record<string, unknown>>): TroupeError {
  if (isTroupeError(error)) return error
  const unreadable = fileKeys.find((key) => isUnreadable(config[key]))
  if (unreadable !== undefined) {
    const text = `kafka.client: ${unreadable} cannot be read: ${String(config[unreadable])}`
    return new TroupeError('BROKER_TLS', text, { cause: error })
  }
  const text = messageOf(error)
  if (
    /^sasl/i.test(String(config['security.protocol'])) &&
    !('sasl.mechanisms' in config || 'sasl.mechanism' in config)
  ) {
    const why = `kafka.client: sasl.mechanisms is not set, which means Kerberos (GSSAPI): ${text}`
    return new TroupeError('BROKER_AUTHENTICATION', why, { cause: error })
  }
  if (/ssl|certificate|x509|tls/i.test(text)) {
    return new TroupeError('BROKER_TLS', `The TLS settings in kafka.client are not usable: ${text}`, { cause: error })
  }
  return new TroupeError('OPTIONS_INVALID', `kafka.client is not usable: ${text}`, { cause: error })
}

const fileKeys = ['ssl.ca.location', 'ssl.certificate.location', 'ssl.key.location', 'ssl.keystore.location']

function isUnreadable(path: unknown): boolean {
  if (typeof path !== 'string' || path === '' || path === 'probe') return false
  try {
    accessSync(path, constants.R_OK)
    return false
  } catch {
    return true
  }
}

/** Number of partitions of each topic that exists. Asks for all topics: asking for one by name may create it. */
export async function countPartitions(
  client: NativeConsumer | NativeProducer,
  topics: readonly string[],
  timeoutMs: number,
  waits: OpenWaits,
): Promise<ReadonlyMap<string, number>> {
  const answer = new Promise<NativeMetadata>((resolve, reject) => {
    client.getMetadata({ timeout: timeoutMs, allTopics: true }, (error, value) => {
      if (error == null) resolve(value)
      else reject(new TroupeError('BROKER_UNREACHABLE', `No Kafka broker told its topics: ${error.message}`))
    })
  })
  const metadata = await waits.answer('topics', '', answer)
  const wanted = new Set(topics)
  const counts = new Map<string, number>()
  for (const topic of metadata.topics) {
    if (wanted.has(topic.name) && topic.partitions.length > 0) counts.set(topic.name, topic.partitions.length)
  }
  return counts
}
