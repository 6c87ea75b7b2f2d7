/**
 * Stops the intake of a partition when keys that wait (for a retry or a schema, or parked) hold their share of
 * the budget: for new records of other keys there must be room, in this partition and in others.
 * It is let go at half of that, so that it does not flap around the limit.
 */
import type { Log } from '../../log.ts'
import type { PartitionStats } from '../../metrics/stats.ts'
import type { KeyText } from '../key-text.ts'
import type { Lanes } from './lanes.ts'
import type { ParkingLot } from '../parking-lot.ts'

/** What waiting keys of one partition may hold. */
export interface KeyBudget {
  readonly maxRecords: number
  readonly maxBytes: number
}

export interface WaitingKeys {
  readonly records: number
  readonly bytes: number
  readonly parked: number
  /** The one that holds most. */
  readonly largest: { readonly key: string | null; readonly records: number } | null
}

export interface KeyBrakeOptions {
  /** By which it is told of. */
  readonly input: { readonly topic: string; readonly partition: number; readonly stats: PartitionStats }
  readonly lanes: Lanes
  readonly parking: ParkingLot
  readonly keyBudget: KeyBudget
  readonly keyText: KeyText
  readonly log: Log
}

const RELEASE_SHARE = 0.5

export class KeyBrake {
  readonly #options: KeyBrakeOptions
  #isOn = false

  constructor(options: KeyBrakeOptions) {
    this.#options = options
  }

  get isOn(): boolean {
    return this.#isOn
  }

  /** Records that wait for a retry or a schema, are parked, or stand behind such a one. */
  get waitingRecords(): number {
    return this.#options.lanes.blockedRecordCount + this.#options.parking.outsideRecordCount
  }

  get waitingBytes(): number {
    return this.#options.lanes.blockedBytes + this.#options.parking.outsideBytes
  }

  /** Called whenever the load changes, so the everyday case, that nothing waits, costs a comparison. True: it was put on or let go. */
  review(): boolean {
    const { parking } = this.#options
    const { stats } = this.#options.input
    const records = this.waitingRecords
    if (records === 0 && stats.waitingRecords === 0 && !this.#isOn) return false
    stats.waitingRecords = records
    stats.parked = parking.size
    return this.#weigh(records, this.waitingBytes)
  }

  describe(): WaitingKeys {
    const { keyText, lanes, parking } = this.#options
    const lane = lanes.largestBlocked
    return {
      records: this.waitingRecords,
      bytes: this.waitingBytes,
      parked: parking.size,
      largest: lane === null ? null : { key: keyText(lane.head?.record.key ?? null), records: lane.size },
    }
  }

  #weigh(records: number, bytes: number): boolean {
    const { keyBudget, log } = this.#options
    const { partition, stats, topic } = this.#options.input
    const isOver = this.#isOn
      ? records > keyBudget.maxRecords * RELEASE_SHARE || bytes > keyBudget.maxBytes * RELEASE_SHARE
      : records >= keyBudget.maxRecords || bytes >= keyBudget.maxBytes
    if (isOver === this.#isOn) return false
    this.#isOn = isOver
    stats.isStoppedByKeys = isOver
    const { largest } = this.describe()
    log[isOver ? 'warn' : 'info'](
      { topic, partition, records, bytes, key: largest?.key ?? null, keyRecords: largest?.records ?? 0 },
      isOver
        ? 'intake of the partition stops: keys that wait for a retry or a schema, or are parked, hold their share of what it may hold'
        : 'intake of the partition goes on: fewer records wait',
    )
    return true
  }
}
