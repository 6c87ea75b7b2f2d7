/** Records as a test compares them: as a handler would have sent them. */
import { boundCodec, type KnownSchemas } from '../../streams/flows/contract.ts'
import type { RecordEffect, Topic } from '../../streams/flows/flow.ts'
import type { RecordHeader, SourceRecord } from '../../streams/record.ts'

/** As outputs: `topic.record(value, { key, headers })`. Bytes that are text are text, where the topic has no codec for keys. */
export function readRecords<Value, Name extends string, KeyValue>(
  topic: Topic<Value, Name, KeyValue>,
  records: readonly SourceRecord[],
  schemas: KnownSchemas,
): RecordEffect<Value, Name>[] {
  const { name } = topic
  const values = boundCodec(topic.value, { topic: name, part: 'value' }, schemas)
  const keys = topic.key === undefined ? null : boundCodec(topic.key, { topic: name, part: 'key' }, schemas)
  return records.map(({ headers, key, value }) => ({
    type: 'record',
    topic: name,
    value: (value === null ? null : values.decode(value)) as Value,
    options: {
      ...(key === null ? {} : { key: keys === null ? textOrBytes(key) : keys.decode(key) }),
      ...(headers.length === 0 ? {} : { headers: headersOf(headers) }),
    },
  }))
}

/** By name: the last one of each. */
export function headersOf(headers: readonly RecordHeader[]): Readonly<Record<string, string | Uint8Array | null>> {
  return Object.fromEntries(headers.map(([name, content]) => [name, content === null ? null : textOrBytes(content)]))
}

function textOrBytes(bytes: Uint8Array): string | Uint8Array {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return bytes
  }
}
