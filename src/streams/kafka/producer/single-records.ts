/** Sending records one to a batch, after the broker refused a batch of several, and saying why a record is refused. */
import { TroupeError } from '../../../errors.ts'
import type { Deadline } from './deadline.ts'
import type { PlaceListener, ProducerClient, SendFailure } from './producer-client.ts'
import { isAboutRecords, unavailable } from './producer-client.ts'
import type { OutputRecord } from '../../record.ts'

const NOT_AUTHORIZED = 29
const UNKNOWN_TOPIC = 3
const UNKNOWN_TOPIC_LOCAL = -188
export const TOO_LARGE = 10

const TOPIC_LIMIT = 'by the broker: raise max.message.bytes of the topic, or set producer.compression'
const OWN_LIMIT =
  'by our own client, nothing was sent: set producer.compression, or raise message.max.bytes in kafka.client and ' +
  'max.message.bytes of the topic'

/** At most this many records are with the client before their outcome is looked at. */
const MAX_RUN = 1024

/**
 * Sends `records[i]` for each i of `indices`, in order, by a client that puts one record into a batch.
 * Resolves with those that the broker refused, and with 'again' for those of which nobody knows because the line went
 * dead on the way; the others are durable. Rejects with SINK_UNAVAILABLE when nothing is known of any.
 *
 * Uncompressed, what is too large for a topic tells of everything at least as long, which then need not be sent:
 * 20,000 records that are all too large cost one round trip and not 20,000. Hence runs start
 * at one record, double while nothing is refused, and fall back to one.
 */
export async function sendSingly(
  client: ProducerClient,
  records: readonly OutputRecord[],
  indices: readonly number[],
  deadline: Deadline,
  compressed: boolean,
  onPlaced?: PlaceListener,
): Promise<ReadonlyMap<number, SendFailure | 'again'>> {
  const answers = new Map<number, SendFailure | 'again'>()
  const tooLarge = new Map<string, { readonly bytes: number; readonly failure: SendFailure }>()
  let next = 0
  let runLength = 1
  while (next < indices.length) {
    const run: number[] = []
    for (; next < indices.length && run.length < runLength; next += 1) {
      const index = indices[next]!
      const limit = compressed ? undefined : tooLarge.get(records[index]!.topic)
      if (limit !== undefined && sizeOf(records[index]!) >= limit.bytes) answers.set(index, limit.failure)
      else run.push(index)
    }
    const failures = await sendRun(client, records, run, deadline, onPlaced).catch((error: unknown) => {
      // Of the first run too: then nothing is known at all.
      if (run[0] === indices[0]) throw error
      return new Map(run.map((index) => [index, 'again' as const]))
    })
    for (const [index, failure] of failures) {
      answers.set(index, failure)
      if (failure !== 'again' && failure.code === TOO_LARGE) {
        const { topic } = records[index]!
        const bytes = Math.min(sizeOf(records[index]!), tooLarge.get(topic)?.bytes ?? Infinity)
        tooLarge.set(topic, { bytes, failure })
      }
    }
    if ([...failures.values()].includes('again')) {
      for (const index of indices.slice(next)) answers.set(index, 'again')
      break
    }
    runLength = failures.size > 0 ? 1 : Math.min(runLength * 2, MAX_RUN)
  }
  return answers
}

/**
 * What failed of a run. From the first on of which nobody knows what became of it, what was not refused goes again, so
 * that none overtakes it. Rejects with SINK_UNAVAILABLE when that is the first of the run.
 */
async function sendRun(
  client: ProducerClient,
  records: readonly OutputRecord[],
  run: readonly number[],
  deadline: Deadline,
  onPlaced: PlaceListener | undefined,
): Promise<ReadonlyMap<number, SendFailure | 'again'>> {
  const failures = await client.send(records, run, deadline, onPlaced)
  const unknown = run.findIndex((index) => {
    const failure = failures.get(index)
    return failure !== undefined && !isAboutRecords(failure)
  })
  if (unknown === -1) return failures
  if (unknown === 0) throw unavailable(`the client failed while it sent again: ${failures.get(run[0]!)!.message}`)
  const answers = new Map<number, SendFailure | 'again'>(failures)
  for (const index of run.slice(unknown)) {
    const failure = failures.get(index)
    if (failure === undefined || !isAboutRecords(failure)) answers.set(index, 'again')
  }
  return answers
}

/** The error of a record that will never be taken. */
export function refusal(failure: SendFailure, record: OutputRecord): TroupeError {
  const text = `Kafka refused a record of ${sizeOf(record)} bytes for ${record.topic}: ${failure.message}`
  switch (failure.code) {
    case TOO_LARGE:
      return new TroupeError('RECORD_TOO_LARGE', `${text} (${failure.local ? OWN_LIMIT : TOPIC_LIMIT})`)
    case NOT_AUTHORIZED:
      return new TroupeError('NOT_AUTHORIZED', text)
    case UNKNOWN_TOPIC:
    case UNKNOWN_TOPIC_LOCAL:
      return new TroupeError('TOPIC_MISSING', text)
    default:
      return new TroupeError('SINK_REFUSED', text)
  }
}

/** Bytes of a record's own, without what the protocol adds. */
export function sizeOf(record: OutputRecord): number {
  let bytes = (record.key?.byteLength ?? 0) + (record.value?.byteLength ?? 0)
  for (const [name, value] of record.headers ?? []) bytes += Buffer.byteLength(name) + (value?.byteLength ?? 0)
  return bytes
}
