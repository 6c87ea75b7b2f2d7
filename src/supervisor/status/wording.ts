/** How numbers and names are written in sentences for people. */
import { partitionName, type TopicPartition } from '../../streams/record.ts'

/** `1 record`, `2 records`. */
export function many(count: number, one: string): string {
  return `${count} ${one}${count === 1 ? '' : 's'}`
}

/** The verb for so many. */
export function verb(count: number, one: string, several: string): string {
  return count === 1 ? one : several
}

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

export function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`
}

const MOST_NAMES = 3

export function listOf(partitions: readonly TopicPartition[]): string {
  const names = partitions.slice(0, MOST_NAMES).map(partitionName).join(', ')
  return partitions.length > MOST_NAMES ? `${names} and ${partitions.length - MOST_NAMES} more` : names
}
