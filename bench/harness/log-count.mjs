// Counts records where the broker keeps them. Offsets would not tell: each transaction has a marker in every partition.
import { closeSync, fstatSync, openSync, readSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Of a batch as Kafka has it on disk and on the wire. */
const headBytes = 61
const isControl = 0x20

/** Records that were written to the topics that have this in their names, by topic; markers of transactions are none. */
export function countWritten(folders, part) {
  const counts = new Map()
  for (const folder of folders) {
    for (const partition of readdirSync(folder)) {
      const topic = partition.replace(/-\d+$/, '')
      if (topic === partition || !topic.includes(part)) continue
      const files = readdirSync(join(folder, partition)).filter((file) => file.endsWith('.log'))
      const count = files.reduce((sum, file) => sum + countInSegment(join(folder, partition, file)), 0)
      counts.set(topic, (counts.get(topic) ?? 0) + count)
    }
  }
  return counts
}

function countInSegment(file) {
  const segment = openSync(file, 'r')
  try {
    const { size } = fstatSync(segment)
    const head = Buffer.alloc(headBytes)
    let count = 0
    for (let at = 0; at + headBytes <= size; at += 12 + head.readInt32BE(8)) {
      readSync(segment, head, 0, headBytes, at)
      if ((head.readInt16BE(21) & isControl) === 0) count += head.readInt32BE(57)
    }
    return count
  } finally {
    closeSync(segment)
  }
}
