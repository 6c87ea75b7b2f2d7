/** Questions about positions, asked of the brokers. */
import { TroupeError } from '../../../errors.ts'
import type { CommittedPosition, Watermarks } from '../../broker-port.ts'
import type { OpenWaits } from '../../../metrics/open-waits.ts'
import { codeOf } from '../connection.ts'
import { isMissing, isOutage } from './consumer-errors.ts'
import type { NativeAdmin, NativeConsumer, NativeError, NativeTopicPartition } from '../native.ts'
import { partitionName, type TopicPartition } from '../../record.ts'

/** Metadata from this many bytes on breaks the whole commit request, connection included. */
const MAX_METADATA_BYTES = 32_766

export function fetchCommitted(
  client: NativeConsumer,
  partitions: readonly TopicPartition[],
  timeoutMs: number,
  waits: OpenWaits,
): Promise<readonly CommittedPosition[]> {
  if (partitions.length === 0) return Promise.resolve([])
  const asked = partitions.map(({ topic, partition }) => ({ topic, partition }))
  const answer = new Promise<readonly CommittedPosition[]>((resolve, reject) => {
    client.committed(asked, timeoutMs, (error, list) => {
      // The binding puts an Error in the place of a partition that could not be read.
      const failed = error ?? list.find((entry) => entry instanceof Error)
      if (failed === undefined) resolve((list as readonly NativeTopicPartition[]).map(toCommitted))
      else reject(unreadable('The committed positions', failed))
    })
  })
  return waits.answer('positions', 'what is committed', answer)
}

const TIMED_OUT = -185
const UNSTABLE = 88

/** The client keeps asking while positions are part of an open transaction, and says in the end no more than that it took too long. */
export function mayBeUnstable(error: unknown): boolean {
  const code = codeOf(error instanceof Error ? error.cause : undefined)
  return code === TIMED_OUT || code === UNSTABLE
}

function toCommitted({ topic, partition, offset, metadata }: NativeTopicPartition): CommittedPosition {
  return { topic, partition, position: offset === undefined || offset < 0 ? null : offset, metadata: metadata ?? '' }
}

export function fetchWatermarks(
  client: NativeConsumer,
  { topic, partition }: TopicPartition,
  timeoutMs: number,
  waits: OpenWaits,
): Promise<Watermarks> {
  const answer = new Promise<Watermarks>((resolve, reject) => {
    client.queryWatermarkOffsets(topic, partition, timeoutMs, (error, offsets) => {
      if (error == null) resolve({ low: offsets.lowOffset, high: offsets.highOffset })
      else reject(unreadable(`The ends of ${topic}/${partition}`, error))
    })
  })
  return waits.answer('positions', `where ${topic}/${partition} ends`, answer)
}

/**
 * Both ends of a log with all that stands in it. `fetchWatermarks` asks in the client's own isolation: of a client
 * that reads what is committed it gives the end of that, the last stable offset.
 */
export async function fetchLogEnds(
  admin: NativeAdmin,
  partition: TopicPartition,
  timeoutMs: number,
  waits: OpenWaits,
): Promise<Watermarks> {
  const answer = Promise.all([
    fetchLogOffset(admin, partition, LOG_START, timeoutMs),
    fetchLogOffset(admin, partition, LOG_END, timeoutMs),
  ])
  const [low, high] = await waits.answer('positions', `the ends of ${partitionName(partition)}`, answer)
  return { low, high }
}

const LOG_START = { timestamp: -2 }
const LOG_END = { timestamp: -1 }
const READ_UNCOMMITTED = 0

function fetchLogOffset(
  admin: NativeAdmin,
  { topic, partition }: TopicPartition,
  offset: { readonly timestamp: number },
  timeout: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    admin.listOffsets([{ topic, partition, offset }], { timeout, isolationLevel: READ_UNCOMMITTED }, (error, list) => {
      const [found] = error == null ? list : []
      const failed = error ?? found?.error
      if (failed == null && found !== undefined) resolve(found.offset)
      else if (isMissing(codeOf(failed))) {
        reject(new TroupeError('TOPIC_MISSING', `There is no partition ${topic}/${partition}.`))
      } else
        reject(unreadable(`The ends of ${topic}/${partition}`, failed ?? new Error('the broker said nothing of it')))
    })
  })
}

/** An outage is waited for without limit, so what a broker has answered must not pass for one. */
function unreadable(what: string, why: NativeError | Error): Error {
  const message = `${what} could not be read: ${why.message}`
  // Of a single partition the binding gives the text only.
  if (/authorization failed/i.test(why.message)) return new TroupeError('NOT_AUTHORIZED', message)
  if (isOutage(codeOf(why))) return new TroupeError('BROKER_UNREACHABLE', message, { cause: why })
  return new Error(message)
}

/** Throws for metadata that would not come back, or would break the commit of all partitions. */
export function checkMetadata(metadata: string): void {
  const isTooLong = metadata.length * 3 > MAX_METADATA_BYTES && Buffer.byteLength(metadata) > MAX_METADATA_BYTES
  if (isTooLong || metadata.includes('\0')) {
    throw new TroupeError('INTERNAL', `commit metadata of ${metadata.length} characters cannot be committed`)
  }
}
