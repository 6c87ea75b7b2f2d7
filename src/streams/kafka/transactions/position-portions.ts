/** Positions of one transaction, in requests that a broker takes. */
import type { StoredPosition } from '../../broker-port.ts'

/** The brokers write a request's positions as one batch, which is refused whole beyond their largest batch of 1 MiB. */
const LARGEST_PORTION_BYTES = 500_000
/** What a position takes beside its texts: key and value of the broker's own record, and the request's fields. */
const FIXED_BYTES = 150

/** In the order given, each portion below the limit, or of a single position. */
export function inPortions(positions: readonly StoredPosition[], groupId: string): readonly StoredPosition[][] {
  const portions: StoredPosition[][] = []
  let open: StoredPosition[] = []
  let openBytes = 0
  const groupBytes = Buffer.byteLength(groupId)
  for (const position of positions) {
    const bytes = Buffer.byteLength(position.metadata) + Buffer.byteLength(position.topic) + groupBytes + FIXED_BYTES
    if (open.length > 0 && openBytes + bytes > LARGEST_PORTION_BYTES) {
      portions.push(open)
      open = []
      openBytes = 0
    }
    open.push(position)
    openBytes += bytes
  }
  if (open.length > 0) portions.push(open)
  return portions
}
