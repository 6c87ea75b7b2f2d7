/**
 * Who gets which partitions: everybody keeps what they have as far as the shares stay even, and the
 * rest goes to whoever has least. As the cooperative-sticky assignor, without its corner cases.
 */
import type { TopicPartition } from '../../streams/record.ts'
import { partitionName } from '../../streams/record.ts'
import type { Random } from '../random.ts'

export interface AssignableMember {
  readonly id: string
  readonly topics: readonly string[]
  /** What it says it owns. */
  readonly owned: readonly TopicPartition[]
}

/** Partitions by member id. With no member for a topic, its partitions go to nobody. */
export function assignPartitions(
  members: readonly AssignableMember[],
  partitions: readonly TopicPartition[],
  random: Random,
): Map<string, TopicPartition[]> {
  const assigned = new Map(members.map((member) => [member.id, [] as TopicPartition[]]))
  const quota = Math.ceil(partitions.length / Math.max(1, members.length))
  const free = new Map(partitions.map((partition) => [partitionName(partition), partition]))
  for (const member of random.shuffle(members)) {
    for (const partition of member.owned) {
      const list = assigned.get(member.id)!
      const name = partitionName(partition)
      if (list.length >= quota || !free.has(name) || !member.topics.includes(partition.topic)) continue
      list.push(partition)
      free.delete(name)
    }
  }
  for (const partition of random.shuffle([...free.values()])) {
    const candidates = members.filter((member) => member.topics.includes(partition.topic))
    const fewest = Math.min(...candidates.map((member) => assigned.get(member.id)!.length))
    const least = candidates.filter((member) => assigned.get(member.id)!.length === fewest)
    if (least.length > 0) assigned.get(random.pick(least).id)!.push(partition)
  }
  level(members, assigned, random)
  return assigned
}

/** Takes from whoever has two more than another. */
function level(
  members: readonly AssignableMember[],
  assigned: ReadonlyMap<string, TopicPartition[]>,
  random: Random,
): void {
  for (;;) {
    const bySize = random
      .shuffle(members)
      .sort((one, other) => assigned.get(one.id)!.length - assigned.get(other.id)!.length)
    const most = bySize.at(-1)
    const receiver = bySize.find(
      (member) =>
        most !== undefined &&
        assigned.get(most.id)!.length - assigned.get(member.id)!.length >= 2 &&
        assigned.get(most.id)!.some((partition) => member.topics.includes(partition.topic)),
    )
    if (most === undefined || receiver === undefined) return
    const giver = assigned.get(most.id)!
    const at = giver.findIndex((partition) => receiver.topics.includes(partition.topic))
    assigned.get(receiver.id)!.push(...giver.splice(at, 1))
  }
}
