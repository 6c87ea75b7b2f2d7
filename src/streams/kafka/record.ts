/** Records across the border of the native client, both ways. This runs per record: it is kept cheap. */
import type { NativeRecord } from './native.ts'
import type { RecordHeader, SourceRecord } from '../record.ts'

const noHeaders: readonly RecordHeader[] = Object.freeze([])

/** Our records from the client's: same buffers, one shape, one string per topic. */
export function toSourceRecords(records: readonly NativeRecord[]): readonly SourceRecord[] {
  const taken = new Array<SourceRecord>(records.length)
  let topic = ''
  for (let i = 0; i < records.length; i += 1) {
    const record = records[i]!
    // The client makes a new string for each record; runs of one partition then share the first.
    if (record.topic !== topic) topic = record.topic
    taken[i] = {
      topic,
      partition: record.partition,
      offset: record.offset,
      timestamp: record.timestamp,
      key: record.key,
      value: record.value,
      headers: record.headers === undefined ? noHeaders : toHeaders(record.headers),
    }
  }
  return taken
}

function toHeaders(headers: readonly Readonly<Record<string, Buffer>>[]): readonly RecordHeader[] {
  return headers.map((header) => {
    const name = Object.keys(header)[0]
    // `__proto__` as a header's name became the prototype of the client's object.
    if (name === undefined) return ['__proto__', Object.getPrototypeOf(header) as Buffer]
    return [name, header[name]!]
  })
}

/** Bytes as the client takes them: any view will do, but an empty one has to point at something, or it is sent as null. */
export function toNativeBytes(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === 0 ? empty : bytes
}

const empty = Buffer.from('x').subarray(0, 0)
/** This one points at nothing: the client's way to a null header. */
const nothing = Buffer.alloc(0)

/** The client's form of headers; undefined when there are none. */
export function toNativeHeaders(
  headers: readonly RecordHeader[] | undefined,
): readonly Readonly<Record<string, Uint8Array>>[] | undefined {
  if (headers === undefined || headers.length === 0) return undefined
  return headers.map(([name, bytes]) => {
    const header: Record<string, Uint8Array> = {}
    // Defined, not set: a header may be called `__proto__`.
    const value = bytes === null ? nothing : toNativeBytes(bytes)
    return Object.defineProperty(header, name, { value, enumerable: true })
  })
}
