/** Cuts what goes over in one transaction into calls that brokers and event loop can take. */
import type { StoredPosition } from '../../broker-port.ts'

/** Brokers write one call's positions as one batch: a longer one is refused as a whole. */
const MAX_CALL_BYTES = 500_000
/** Of a position beside its metadata and topic. */
const POSITION_BYTES = 64

export function positionCalls(positions: readonly StoredPosition[]): StoredPosition[][] {
  const calls: StoredPosition[][] = []
  let bytes = Infinity
  for (const position of positions) {
    const size = POSITION_BYTES + Buffer.byteLength(position.metadata) + 2 * position.topic.length
    if (bytes + size > MAX_CALL_BYTES) {
      calls.push([])
      bytes = 0
    }
    calls.at(-1)?.push(position)
    bytes += size
  }
  return calls
}

export function* chunksOf<Item>(items: Iterable<Item>, size: number): Generator<Item[]> {
  let chunk: Item[] = []
  for (const item of items) {
    chunk.push(item)
    if (chunk.length === size) {
      yield chunk
      chunk = []
    }
  }
  if (chunk.length > 0) yield chunk
}
