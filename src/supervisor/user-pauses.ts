/**
 * What the user has paused: everything, topics, single partitions. Outlives memberships and
 * assignments, and nothing that the engine does lifts it: only `resume` does.
 */
import { partitionName, type TopicPartition } from '../streams/record.ts'

const EVERYTHING = ''

export class UserPauses {
  readonly #names = new Set<string>()

  pause(topic?: string, partition?: number): void {
    this.#names.add(nameOf(topic, partition))
  }

  /** Lifts the pause of this, and of everything in it; not one that is wider. */
  resume(topic?: string, partition?: number): void {
    const name = nameOf(topic, partition)
    for (const paused of this.#names) {
      if (name === EVERYTHING || paused === name || (partition === undefined && isPartitionOf(paused, name))) {
        this.#names.delete(paused)
      }
    }
  }

  covers(of: TopicPartition): boolean {
    if (this.#names.size === 0) return false
    return this.#names.has(EVERYTHING) || this.#names.has(of.topic) || this.#names.has(partitionName(of))
  }
}

function nameOf(topic?: string, partition?: number): string {
  if (topic === undefined) return EVERYTHING
  return partition === undefined ? topic : partitionName({ topic, partition })
}

/** A topic's name holds no slash, so a name with one is a partition's. */
function isPartitionOf(name: string, topic: string): boolean {
  return name.startsWith(`${topic}/`)
}
