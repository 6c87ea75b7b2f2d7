/**
 * How much the intake may still take, over all partitions. What is in flight is admitted − retired:
 * derived by conservation, never counted up and down in several places, where it would drift until
 * intake stops for good.
 */
import { Subject, type Observable } from 'rxjs'

export class Credit {
  readonly maxRecords: number
  readonly maxBytes: number
  #admittedRecords = 0
  #retiredRecords = 0
  #admittedBytes = 0
  #retiredBytes = 0
  #isAwaited = false
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

  /** How many records may be asked for now. 0 while the bytes in flight are at their limit. */
  get availableRecords(): number {
    if (this.bytesInFlight >= this.maxBytes) return 0
    return Math.max(0, this.maxRecords - this.recordsInFlight)
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
