/**
 * A partition with records in its log that takes in none of them, while others get on: whether that is trouble, and
 * what is the matter. What somebody has told it to be (paused by the user), or what is told of elsewhere (a stopped
 * actor, records that are tried again, a sink that is away, a restore), is none of its own.
 */
import type { PartitionLoad } from './load.ts'
import type { Trouble } from './trouble.ts'
import { many, seconds, verb } from './wording.ts'

export interface QuietPartition extends Omit<PartitionLoad, 'largestLane' | 'restore'> {
  /** The log's end is known as of now, and reading has not met it: what is left is no marker of a transaction. */
  readonly hasMore: boolean
  /** For how long nothing came, */
  readonly quietMs: number
  /** of that, the time in which as much as there is was asked for, */
  readonly askedMs: number
  /** and for how long nothing of it was finished either. */
  readonly stillMs: number
  /** What the position waits for, for people. */
  readonly waitsFor: string | null
  /** Something that it writes to is away. */
  readonly isSinkAway: boolean
}

/** The client hands out one partition's records after the other's: each has its turn within seconds. */
const SILENT_MS = 60_000
/** While only little is asked for, because what is in flight is enough, a turn may take long. */
const STARVED_MS = 600_000

export function judgeSilence(of: QuietPartition): Trouble | null {
  const { hasMore, partition, quietMs, stillMs, stops, topic, unread } = of
  if (unread === null || unread === 0 || !hasMore) return null
  // A restore may take minutes: one that cannot get on is told of.
  if (stops.includes('user') || stops.includes('halted') || stops.includes('restoring')) return null
  const name = `${topic}/${partition}`
  const left = `${name} has ${many(unread, 'record')} left in its log`
  const why = stops.length === 0 ? whyNotBrought(of) : whyStopped(of)
  if (why === null) return null
  return {
    kind: 'silence',
    about: name,
    severity: 'degraded',
    forMs: stops.length === 0 ? quietMs : stillMs,
    says: `${left} ${why}`,
    was: `nothing came of ${name}`,
    fields: { partition: name, unread, intakeStoppedBy: stops },
  }
}

function whyNotBrought({ askedMs, quietMs }: QuietPartition): string | null {
  if (askedMs > SILENT_MS) {
    return `and the broker has brought none for ${seconds(quietMs)}, though there is room`
  }
  if (quietMs <= STARVED_MS) return null
  return `and none was read for ${seconds(quietMs)}: what is in flight is enough to do`
}

function whyStopped({
  isSinkAway,
  parked,
  stillMs,
  stops,
  waiting,
  waitsFor,
  atCheckpoint,
  atSinks,
}: QuietPartition): string | null {
  if (stillMs <= SILENT_MS) return null
  const takesNone = `and takes in none for ${seconds(stillMs)}`
  if (parked > 0) {
    return `${takesNone}: of its records ${parked} ${verb(parked, 'is', 'are')} parked until an operator decides (/parked)`
  }
  if (waiting > 0 || (isSinkAway && atSinks + atCheckpoint > 0)) return null
  const first = waitsFor === null ? '' : `; the first of them: ${waitsFor}`
  return stops.includes('completion-map')
    ? `${takesNone}: its completion map is full until the first record is finished${first}`
    : `${takesNone}: it holds as much as it may, and none of that was finished${first}`
}
