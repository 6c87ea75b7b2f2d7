/** A producer of the broker port as a sink, for the contract of sinks: as the engine's queue uses it. */
import type { BrokerProducer, WriteResult } from '../../src/streams/broker-port.ts'
import type { Sink } from '../../src/streams/delivery/sink.ts'
import type { OutputRecord } from '../../src/streams/record.ts'

export function kafkaSink(producer: BrokerProducer): Sink<OutputRecord> {
  return {
    maxBatch: 2_000,
    open: () => producer.connect(),
    prepare: () => Promise.resolve(),
    async write(batch) {
      const results: WriteResult[] = []
      let open = batch.map(({ output }, at) => ({ output, at }))
      while (open.length > 0) {
        const answers = await producer.write(open.map(({ output }) => output))
        for (const [index, { at }] of open.entries()) {
          const answer = answers[index] ?? null
          if (answer !== 'again') results[at] = answer
        }
        open = open.filter((_, index) => answers[index] === 'again')
      }
      return results
    },
    close: () => producer.disconnect(),
  }
}

/** A log appends, so a repeat stands there twice: what counts is the newest of each key. */
export function newestOf(
  records: readonly { readonly key: Uint8Array | null; readonly value: Uint8Array | null }[],
): Record<string, string> {
  const text = (bytes: Uint8Array | null): string => Buffer.from(bytes ?? []).toString('utf8')
  return Object.fromEntries(records.map(({ key, value }) => [text(key), text(value)]))
}
