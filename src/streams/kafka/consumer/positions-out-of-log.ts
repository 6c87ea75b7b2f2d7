/**
 * Finds positions that are not in the log. The client tells of one once and without its partition, and not at
 * all when records came in the same call (the binding drops the error then); after that the
 * partition is silent for good. So partitions that bring nothing although they should are looked at.
 */
import type { Clock } from '../../../clock.ts'
import type { StartPosition, Watermarks } from '../../broker-port.ts'
import type { NativeConsumer } from '../native.ts'
import type { SourceRecord, TopicPartition } from '../../record.ts'
import { partitionName } from '../../record.ts'

/** A partition is looked at when it was silent for one to two such intervals. */
const INTERVAL_MS = 5000

export interface PositionsOutOfLogOptions {
  readonly client: NativeConsumer
  readonly clock: Clock
  readonly watermarks: (partition: TopicPartition) => Promise<Watermarks>
  /** Where an assigned partition began; undefined when it is not assigned. */
  readonly startOf: (name: string) => StartPosition['position'] | undefined
  readonly onOutOfRange: (partition: TopicPartition, message: string) => void
}

export class PositionsOutOfLog {
  readonly #options: PositionsOutOfLogOptions
  /** Brought records or its end since the last look. */
  readonly #active = new Set<string>()
  #lookedAt: number
  #isLooking = false

  constructor(options: PositionsOutOfLogOptions) {
    this.#options = options
    this.#lookedAt = options.clock.now()
  }

  noteRecords(records: readonly SourceRecord[]): void {
    let before: SourceRecord | undefined
    for (const record of records) {
      // Records come in runs of one partition; a name costs, so it is made once a run.
      if (record.partition === before?.partition && record.topic === before.topic) continue
      before = record
      this.#active.add(partitionName(record))
    }
  }

  /** The partition brought its end, or begins anew. */
  noteActive(partition: TopicPartition): void {
    this.#active.add(partitionName(partition))
  }

  /**
   * Once per interval, checks those of the running partitions that were silent since the last time. Those that are
   * at the end of their log as well: it may have been made anew, shorter.
   */
  look(running: () => ReadonlyMap<string, TopicPartition>): void {
    const now = this.#options.clock.now()
    if (this.#isLooking || now - this.#lookedAt < INTERVAL_MS) return
    this.#lookedAt = now
    const silent = [...running()].filter(([name]) => !this.#active.has(name)).map(([, partition]) => partition)
    this.#active.clear()
    this.#isLooking = true
    void this.check(silent).finally(() => (this.#isLooking = false))
  }

  /** Tells of those partitions whose position is not in the log. To be called while no `consume` runs. */
  async check(partitions: readonly TopicPartition[]): Promise<void> {
    const positions = partitions.map((partition) => this.#positionOf(partition))
    for (const [index, { topic, partition }] of partitions.entries()) {
      const position = positions[index]
      if (typeof position !== 'number') continue
      try {
        const { low, high } = await this.#options.watermarks({ topic, partition })
        const isOurs = this.#options.startOf(partitionName({ topic, partition })) !== undefined
        if (!isOurs || (position >= low && position <= high)) continue
        // The brokers are asked one after the other: it may have read on meanwhile, or begun anew.
        if (this.#positionOf({ topic, partition }) !== position) continue
        const message = `Position ${position} of ${topic}/${partition} is not in its log any more (${low} to ${high})`
        this.#options.onOutOfRange({ topic, partition }, message)
      } catch {
        // The next look asks again; brokers that are away are told of elsewhere.
      }
    }
  }

  /** The next offset to be read, or where it began when nothing was read yet. */
  #positionOf({ topic, partition }: TopicPartition): StartPosition['position'] | undefined {
    const [at] = this.#options.client.position([{ topic, partition }])
    const next = at instanceof Error ? undefined : at?.offset
    return next !== undefined && next >= 0 ? next : this.#options.startOf(partitionName({ topic, partition }))
  }
}
