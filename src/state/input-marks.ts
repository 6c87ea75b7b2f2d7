/**
 * How far a companion input has come, as an entry of the changelog: so it is of one transaction with the state that its
 * records have made. The group commits no position of it, since the same topic may be read by other actors of the group.
 *
 *     version   1 byte
 *     topic     short id, 4 bytes; 0: not known
 *     position  varint · frontier: varint · then the unfinished runs beyond the position, each as two varints: from the end of the one before
 */
import { TroupeError } from '../errors.ts'
import { CompletionMap, type CompletionSnapshot } from '../streams/positions/completion-map.ts'
import { appendVarint, readVarint } from '../streams/positions/varint.ts'

/** What is known of it where its partition begins. */
export interface InputMark {
  /** Short id of its topic; 0: not known. */
  readonly topicId: number
  readonly map: CompletionMap
}

const VERSION = 1
const HEAD_BYTES = 5

export function encodeInputMark(topicId: number, { frontier, position, unfinished }: CompletionSnapshot): Uint8Array {
  const numbers: number[] = []
  appendVarint(numbers, position)
  appendVarint(numbers, frontier)
  let end = position
  for (const edge of unfinished) {
    appendVarint(numbers, edge - end)
    end = edge
  }
  const bytes = Buffer.alloc(HEAD_BYTES + numbers.length)
  bytes.writeUInt8(VERSION)
  bytes.writeUInt32BE(topicId, 1)
  bytes.set(numbers, HEAD_BYTES)
  return bytes
}

/** Throws CHANGELOG_UNREADABLE for bytes of a later version, or of somebody else. */
export function decodeInputMark(value: Uint8Array): InputMark {
  if (value[0] !== VERSION) throw unreadable(`of version ${value[0] ?? 'none'}`)
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  const cursor = { bytes: value, at: HEAD_BYTES }
  const position = readVarint(cursor)
  const frontier = readVarint(cursor)
  const edges: number[] = []
  for (let end = position; cursor.at < value.byteLength;) edges.push((end += readVarint(cursor)))
  if (![position, frontier, ...edges].every(Number.isSafeInteger) || edges.length % 2 > 0) throw unreadable('damaged')
  const map = new CompletionMap({ position, frontier, unfinished: Float64Array.from(edges) })
  return { topicId: bytes.readUInt32BE(1), map }
}

function unreadable(what: string): TroupeError {
  return new TroupeError(
    'CHANGELOG_UNREADABLE',
    `the mark of an input in a changelog is ${what}, which this version cannot read`,
  )
}
