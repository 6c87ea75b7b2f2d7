/**
 * What is known of a partition's store beside its entries, in a database of its own: written in one transaction with them.
 * From it follows, when a store is opened, whether it may be gone on with.
 */
import type { StoreMark, StorePlace } from '../../store.ts'

export interface LedgerRow {
  readonly mark: StoreMark
  readonly changelogId: string | null
  readonly deleteRetentionMs: number
  /** By the wall clock: the brokers throw tombstones away by theirs. */
  readonly writtenAtMs: number
}

export function ledgerKey({ actor, groupId, partition }: StorePlace): Buffer {
  return Buffer.from(`${groupId}/${actor}/${partition}`)
}

export function encodeRow(row: LedgerRow): Buffer {
  return Buffer.from(JSON.stringify(row))
}

export function decodeRow(bytes: Uint8Array): LedgerRow {
  return JSON.parse(Buffer.from(bytes).toString()) as LedgerRow
}

/** Clocks of a machine are corrected by so much without anybody noticing. */
const CLOCK_STEP_MS = 60_000

/** Why a store cannot be gone on with; null: it can. */
export function reasonToWipe(row: LedgerRow, place: StorePlace, wallNowMs: number): string | null {
  const { changelogId, writtenAtMs } = row
  if (changelogId !== null && place.changelogId !== null && changelogId !== place.changelogId) {
    return `it is of changelog topic ${changelogId}, which was made anew as ${place.changelogId}`
  }
  const ageMs = wallNowMs - writtenAtMs
  if (ageMs < -CLOCK_STEP_MS) return 'it was written in the future, by a clock that was set back since'
  if (isTooOld(row, place.deleteRetentionMs, wallNowMs)) {
    return `it was written ${Math.round(ageMs / 60_000)} minutes ago, and the changelog keeps deletions for ${Math.round(place.deleteRetentionMs / 60_000)} minutes: some may be missing`
  }
  return null
}

/** Then it would be wiped by whoever opens it. */
export function isTooOld(row: LedgerRow, deleteRetentionMs: number, wallNowMs: number): boolean {
  return wallNowMs - row.writtenAtMs > deleteRetentionMs / 2
}
