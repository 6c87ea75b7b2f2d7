/**
 * Whether what a changelog has come to is the state that belongs to the committed position. Both carry the number of the
 * checkpoint that they are of, and the changelog knows of which topics it is: state of other records than the position's
 * would count some twice, or none, without a word.
 */
import type { ChangelogMeta } from '../changelog-format.ts'
import { waysToBegin } from '../changelog-topic.ts'

/** What the group's last commit says of a partition. */
export interface CommittedCheckpoint {
  readonly isCommitted: boolean
  /** The number that the position carries; null: none. */
  readonly checkpoint: number | null
}

/** Short ids (`topic-origin.ts`) of the topics as they are now. 0: not known. */
export interface TopicIds {
  readonly inputId: number
  readonly changelogId: number
}

/**
 * Why the state is not that of the position; null: it is. `isOfOtherTopic`: nobody can go on from there, wherever the
 * brokers keep transactions or not.
 */
export interface Mismatch {
  readonly isOfOtherTopic: boolean
  readonly reason: string
}

export function findMismatch(
  committed: CommittedCheckpoint,
  meta: ChangelogMeta | null,
  ids: TopicIds,
): Mismatch | null {
  if (meta === null) {
    if (!committed.isCommitted) return null
    const reason = `a position is committed${ofCheckpoint(committed)}, and the changelog is empty`
    // Whoever keeps state commits no position without a checkpoint.
    return { isOfOtherTopic: false, reason: committed.checkpoint === null ? `${reason}. ${waysToBegin}` : reason }
  }
  if (isOther(meta.inputId, ids.inputId)) {
    return { isOfOtherTopic: true, reason: 'the input topic has been deleted and made again since' }
  }
  if (isOther(meta.changelogId, ids.changelogId)) {
    return { isOfOtherTopic: true, reason: 'the changelog is a copy, of another topic than the one it was written to' }
  }
  const stands = `the changelog stands at checkpoint ${meta.checkpoint}`
  if (!committed.isCommitted) return { isOfOtherTopic: false, reason: `${stands}, and no position is committed` }
  if (committed.checkpoint === meta.checkpoint) return null
  const position = committed.checkpoint === null ? 'without one' : `with checkpoint ${committed.checkpoint}`
  return { isOfOtherTopic: false, reason: `${stands}, and the position was committed ${position}` }
}

/**
 * Whether somebody has committed since: then the partition is another's by now, and that the state is ahead of what was known
 * says nothing of the changelog. Whoever owns a partition commits nothing of it before its state is there.
 */
export function hasMovedOn(known: CommittedCheckpoint, now: CommittedCheckpoint): boolean {
  return known.isCommitted !== now.isCommitted || known.checkpoint !== now.checkpoint
}

function isOther(known: number, now: number): boolean {
  return known !== 0 && now !== 0 && known !== now
}

function ofCheckpoint({ checkpoint }: CommittedCheckpoint): string {
  return checkpoint === null ? '' : ` with checkpoint ${checkpoint}`
}
