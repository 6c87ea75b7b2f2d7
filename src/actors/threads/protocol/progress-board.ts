/**
 * What the worker threads are at, in memory that both sides share: one row per batch in flight, one
 * byte per record of it. A thread that died cannot say which record it was at; its rows still do.
 *
 * Only the thread that has the batch writes a row, and only main clears one, before the batch
 * leaves and after it is back: nobody waits for a lock.
 */

/** One byte of the board. They only grow, so their sum shows whether a thread moves. */
export const recordWaits = 0
export const recordRuns = 1
/** Its signal is aborted: it has as long again to end. */
const recordOverdue = 2
export const recordEnded = 3

/** The thread has begun with the record and not ended it. */
export function isAtHandler(state: number): boolean {
  return state === recordRuns || state === recordOverdue
}

/** What a thread needs to write its notes: goes to it once, in `workerData`. */
export interface SharedBoard {
  readonly cells: Uint8Array<SharedArrayBuffer>
  readonly recordsPerRow: number
}

/** Main's side. */
export class ProgressBoard {
  readonly shared: SharedBoard
  readonly #freeRows: number[] = []

  constructor(rows: number, recordsPerRow: number) {
    this.shared = { cells: new Uint8Array(new SharedArrayBuffer(rows * recordsPerRow)), recordsPerRow }
    for (let row = rows - 1; row >= 0; row -= 1) this.#freeRows.push(row)
  }

  get freeRowCount(): number {
    return this.#freeRows.length
  }

  /** A row of its own for a batch of so many records, cleared. */
  takeRow(recordCount: number): number {
    const row = this.#freeRows.pop()
    if (row === undefined) throw new Error('a batch was dispatched without a free slot')
    const { cells, recordsPerRow } = this.shared
    cells.fill(recordWaits, row * recordsPerRow, row * recordsPerRow + recordCount)
    return row
  }

  freeRow(row: number): void {
    this.#freeRows.push(row)
  }

  /** How far the thread has come with one record of a batch. */
  stateOf(row: number, index: number): number {
    return Atomics.load(this.shared.cells, row * this.shared.recordsPerRow + index)
  }
}

/** The thread's side: the notes on one batch. */
export class BatchNotes {
  readonly #cells: Uint8Array<SharedArrayBuffer>
  readonly #first: number

  constructor(board: SharedBoard, row: number) {
    this.#cells = board.cells
    this.#first = row * board.recordsPerRow
  }

  beginRecord(index: number): void {
    Atomics.store(this.#cells, this.#first + index, recordRuns)
  }

  noteOverdue(index: number): void {
    Atomics.store(this.#cells, this.#first + index, recordOverdue)
  }

  endRecord(index: number): void {
    Atomics.store(this.#cells, this.#first + index, recordEnded)
  }
}
