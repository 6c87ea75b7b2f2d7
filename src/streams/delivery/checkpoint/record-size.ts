/** How large a record is for Kafka: what is too large is told before it counts as handled, so that it alone fails. */
import { TroupeError } from '../../../errors.ts'
import type { OutputRecord } from '../../record.ts'

/** What the client allows for a record's own fields, however small they are written. */
const RECORD_OVERHEAD_BYTES = 36
const HEADER_OVERHEAD_BYTES = 10

export function sizeOnWire({ headers = [], key, value }: OutputRecord): number {
  let bytes = RECORD_OVERHEAD_BYTES + (key?.byteLength ?? 0) + (value?.byteLength ?? 0)
  for (const [name, text] of headers) bytes += HEADER_OVERHEAD_BYTES + name.length + (text?.byteLength ?? 0)
  return bytes
}

/** null: it is taken, as far as can be told here. The topic may have a limit of its own. */
export function tooLarge(record: OutputRecord, maxBytes: number): TroupeError | null {
  const bytes = sizeOnWire(record)
  if (bytes <= maxBytes) return null
  return new TroupeError(
    'RECORD_TOO_LARGE',
    `a record of ${bytes} bytes for topic ${record.topic} is too large for our own client, which takes ${maxBytes}: ` +
      'raise message.max.bytes in kafka.client and max.message.bytes of the topic',
  )
}
