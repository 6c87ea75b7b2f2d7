/**
 * How much the intake may still take, over all partitions. What is in flight is admitted − retired:
 * derived by conservation, never counted up and down in several places, where it would drift until
 * intake stops for good.
 */
import { Subject, type Observable } from 'rxjs'

/** Of the way down to the size of the newest record, what the expected size goes. */
const SHRINK_SHARE = 0.01

export class Credit {
  readonly maxRecords: number
  readonly maxBytes: number
  #admittedRecords = 0
  #retiredRecords = 0
  #admittedBytes = 0
  #retiredBytes = 0
  #isAwaited = false
  #bytesPerRecord = 0
  readonly #freed = new Subject<void>()

  constructor(limits: { readonly maxRecords: number; readonly maxBytes: number }) {
    this.maxRecords = limits.maxRecords
    this.maxBytes = limits.maxBytes
  }

  get recordsInFlight(): number {
    return this.#admittedRecords - this.#retiredRecords
  }

  get bytesInFlight(): number {
    return this.#admittedBytes - this.#retiredBytes
  }

  /**
   * How many records may be asked for now: at most as many as the bytes that are left are expected to hold,
   * but one at least. 0 while the bytes in flight are at their limit.
   *
   * Records can only be asked for by number, so bytes may overshoot `maxBytes`: by one record at most while none is
   * larger than expected; when records become larger, once, by what one poll brings beyond its
   * expectation. The expectation follows a larger record at once and smaller ones slowly.
   */
  get availableRecords(): number {
    const bytes = this.maxBytes - this.bytesInFlight
    const records = this.maxRecords - this.recordsInFlight
    if (bytes <= 0 || records <= 0) return 0
    return Math.min(records, Math.max(1, Math.floor(bytes / Math.max(1, this.#bytesPerRecord))))
  }

  /**
   * Emits once, when a quarter of the budget is free again: with one record of credit at a time the
   * client would be asked once per record.
   */
  get freed$(): Observable<void> {
    this.#isAwaited = true
    return this.#freed
  }

  get hasRoomAgain(): boolean {
    return this.recordsInFlight <= this.maxRecords * 0.75 && this.bytesInFlight <= this.maxBytes * 0.75
  }

  admit(records: number, bytes: number): void {
    this.#admittedRecords += records
    this.#admittedBytes += bytes
    const size = bytes / Math.max(1, records)
    this.#bytesPerRecord = Math.max(size, this.#bytesPerRecord + (size - this.#bytesPerRecord) * SHRINK_SHARE)
  }

  /** What was admitted has become more, by what came of it: so it is expected of the next ones. */
  grow(bytes: number): void {
    this.#admittedBytes += bytes
    this.#bytesPerRecord = Math.max(this.#bytesPerRecord, this.bytesInFlight / Math.max(1, this.recordsInFlight))
  }

  retire(records: number, bytes: number): void {
    this.#retiredRecords += records
    this.#retiredBytes += bytes
    if (this.#isAwaited && this.hasRoomAgain) {
      this.#isAwaited = false
      this.#freed.next()
    }
  }
}
