/** What records and their keys are called, where text is needed: in logs, ids of outputs, and on pages. */
import { createHash } from 'node:crypto'
import type { SourceRecord } from './record.ts'

const HASH_DIGITS = 16

/** `printf %s KEY | sha256sum | cut -c1-16` */
export function keyHash(key: Uint8Array | string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, HASH_DIGITS)
}

/**
 * `topic/partition/offset`; of a timer `topic/partition/timer/name/clock/hash of its key/when it is due`: the same on every
 * attempt and after every restart.
 */
export function idOf({ topic, partition, offset, key, timer }: SourceRecord): string {
  if (timer === undefined) return `${topic}/${partition}/${offset}`
  return `${topic}/${partition}/timer/${timer.name}/${timer.clock}/${keyHash(key ?? '')}/${timer.dueMs}`
}
