/**
 * The accounts of a member have to add up at any moment, whatever happens in its world. Its numbers are held against each
 * other, where none may go missing, and against what crossed its seams.
 */
import { EngineStats, type PartitionStats } from '../../src/metrics/stats.ts'
import { SeamCounts } from '../support/seam-counts.ts'
import { shortened } from './checker.ts'
import type { EngineUnderTest, MemberParts } from './engine-under-test.ts'

/** The engine, with its accounts looked at whenever the world samples a member, and when the member has ended. */
export class AccountedEngine implements EngineUnderTest {
  readonly #engine: EngineUnderTest
  readonly #found = new Set<string>()
  #looks = 0

  constructor(engine: EngineUnderTest) {
    this.#engine = engine
  }

  /** What did not add up. */
  get violations(): string[] {
    return shortened([...this.#found])
  }

  /** How often accounts were looked at: a checker that never looks finds nothing. */
  get looks(): number {
    return this.#looks
  }

  async start(parts: MemberParts): ReturnType<EngineUnderTest['start']> {
    const stats = new EngineStats()
    const seam = new SeamCounts()
    const running = await this.#engine.start({
      ...parts,
      stats,
      broker: seam.broker(parts.broker),
      sink: seam.sink(parts.sink, 'table'),
    })
    const look = (recordsInFlight: number): void => {
      this.#looks += 1
      for (const violation of findMistakes(stats, seam, recordsInFlight)) this.#found.add(violation)
    }
    void running.finished.then(() => {
      look(0)
    })
    return {
      ...running,
      recordsInFlight: () => {
        const records = running.recordsInFlight()
        look(records)
        return records
      },
    }
  }
}

export function findMistakes(stats: EngineStats, seam: SeamCounts, recordsInFlight: number): string[] {
  const all = [...stats.partitions()]
  const failures = sum([...stats.actors()].flatMap((actor) => [...actor.failures.entries()].map(([, count]) => count)))
  const letters = sum(
    [...stats.actors()].flatMap((actor) => [...actor.deadLetters.entries()].map(([, count]) => count)),
  )
  const total = (read: (partition: PartitionStats) => number): number => sum(all.map(read))
  return [
    ...all.flatMap((partition) => mistakesOf(partition, seam)),
    ...equal(
      'records in flight, by credit and by partition',
      recordsInFlight,
      total(({ inFlight }) => inFlight),
    ),
    ...equal(
      'dead letters, by partition and by code',
      total(({ deadLettered }) => deadLettered),
      letters,
    ),
    ...atMost(
      'retries',
      total(({ retries }) => retries),
      'failed tries',
      failures,
    ),
    ...atMost(
      'failed tries',
      failures,
      'tries',
      total(({ attempts }) => attempts),
    ),
    ...equal(
      'latencies observed',
      sum([...stats.actors()].map((actor) => actor.latencySeconds.count)),
      total(finished),
    ),
    ...Object.entries(stats.commits).flatMap(([result, count]) =>
      atMost(`commits ${result}`, count, 'reports', seam.commits[result as keyof typeof seam.commits]),
    ),
    ...[...stats.sinks()].flatMap(({ durable, name, queued, refused, unavailable, written }) => {
      const seen = seam.writes.get(name)
      if (seen === undefined) return [`sink ${name} was never seen`]
      return [
        ...equal(`outputs that sink ${name} has written`, durable, seen.durable),
        ...equal(`outputs that sink ${name} has refused`, refused, seen.refused),
        ...equal(`batches that sink ${name} has written`, written, seen.written),
        ...equal(`batches that sink ${name} could not write`, unavailable, seen.unavailable),
        ...atMost(`outputs being written to ${name}`, seen.open, 'outputs that wait', queued),
      ]
    }),
  ]
}

function mistakesOf(stats: PartitionStats, seam: SeamCounts): string[] {
  const name = `${stats.topic}/${stats.partition}`
  const ended = finished(stats) + stats.alreadyFinished + stats.dropped
  const end = Math.max(stats.logEnd ?? 0, stats.receivedPosition ?? 0)
  const lag = stats.lag ?? Math.max(0, end - (stats.safePosition ?? end))
  return [
    ...equal(`${name}: received, and finished + dropped + in flight`, stats.received, ended + stats.inFlight),
    ...atMost(`${name}: received`, stats.received, 'records polled', seam.polledOf(stats).length),
    ...atMost(`${name}: finished by a try`, stats.done + stats.skipped, 'tries', stats.attempts),
    ...atMost(`${name}: in flight`, stats.inFlight, 'lag', stats.isAssigned ? lag : stats.inFlight),
    ...Object.entries(stats).flatMap(([field, value]) =>
      typeof value === 'number' && (value < 0 || Number.isNaN(value)) ? [`${name}: ${field} is ${value}`] : [],
    ),
  ]
}

function finished({ deadLettered, done, skipped }: PartitionStats): number {
  return done + skipped + deadLettered
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0)
}

function equal(what: string, one: number, other: number): string[] {
  return one === other ? [] : [`${what}: ${one} and ${other}`]
}

function atMost(what: string, less: number, than: string, more: number): string[] {
  return less <= more ? [] : [`${what} (${less}) are more than ${than} (${more})`]
}
