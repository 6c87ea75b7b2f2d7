/**
 * An owner as checkpoints see it.
 *
 * - gathering  what it handles goes into its next generation.
 * - frozen     one generation is on its way: rows, then the transaction. What is handled meanwhile gathers in the next.
 * - gone       its epoch has ended, or its hand-over did not wait for it: nothing of it is made durable any more.
 */
import type { StoredPosition } from '../../broker-port.ts'
import type { CompletionSnapshot } from '../../positions/completion-map.ts'
import type { OffsetTracker } from '../../positions/offset-tracker.ts'
import type { CheckpointBase, CheckpointOwner, OwnedPartition, Refusal } from '../delivery.ts'
import { Generation } from './generation.ts'
import type { UnfitPosition, WholePositions } from './whole-positions.ts'

export interface FrozenPosition {
  readonly input: OwnedPartition
  readonly snapshot: CompletionSnapshot
  /** The same as it is committed; null: with the state of its owner. */
  readonly stored: StoredPosition | null
}

/** Its completion map does not fit: it goes on gathering until it does, and no checkpoint has anything of it. */
export interface HeldBack extends UnfitPosition {
  readonly input: OwnedPartition
  readonly sinceMs: number
}

/** What exactly goes into one checkpoint, of one moment. */
export interface FrozenGeneration {
  readonly checkpoint: number
  readonly generation: Generation
  readonly positions: readonly FrozenPosition[]
  readonly atMs: number
  /** Rows that their sinks have not answered for. */
  openRows: number
  /** Of rows that their sinks refuse for good, by the record that they came of. */
  readonly refusals: Map<string, Refusal>
  /** Records of its owner's changelog in the transaction that was tried last. */
  changelogRecords: number
  /** Of its outputs and dead letters, those that the brokers refuse for good. */
  refusedOutputs: number
  refusedLetters: number
  /** Its transaction stands. Its store may not have it yet. */
  isDurable: boolean
}

interface InputMark {
  finished: number
  position: number | null
  base: CompletionSnapshot | null
}

export class Participant {
  readonly owner: CheckpointOwner
  readonly #latestTopics: ReadonlySet<string>
  #gathering: Generation
  #frozen: FrozenGeneration | null = null
  #isGivenUp = false
  #heldBack: HeldBack | null = null
  #frozenCount = 0
  #standingCount = 0
  readonly #marks: ReadonlyMap<OwnedPartition, InputMark>

  constructor(owner: CheckpointOwner, latestTopics: ReadonlySet<string>) {
    this.owner = owner
    this.#latestTopics = latestTopics
    this.#gathering = new Generation(latestTopics)
    // An epoch that has committed nothing yet has something to commit: where it began.
    this.#marks = new Map(owner.inputs.map((input) => [input, { finished: 0, position: null, base: null }]))
  }

  get isGone(): boolean {
    return this.#isGivenUp || this.owner.isFenced
  }

  get gathering(): Generation {
    return this.#gathering
  }

  get frozen(): FrozenGeneration | null {
    return this.#frozen
  }

  /** Something was handled that no checkpoint has yet. */
  get hasProgress(): boolean {
    if (this.owner.state?.isReady === false) return false
    if (this.#gathering.size > 0 || this.owner.state?.hasChanges === true) return true
    for (const [{ tracker }, mark] of this.#marks) {
      if (mark.finished !== finishedIn(tracker) || mark.position !== tracker.safePosition) return true
    }
    return false
  }

  /** null: nothing holds it back, as far as the last freeze has seen. */
  get heldBack(): HeldBack | null {
    return this.isGone ? null : this.#heldBack
  }

  /** Its rows are durable: it may go into a transaction. */
  get isReady(): boolean {
    return this.#frozen !== null && this.#frozen.openRows === 0 && !this.isGone
  }

  /** Of each input, what stands since its last checkpoint. */
  get bases(): readonly CheckpointBase[] {
    return [...this.#marks].map(([input, { base }]) => ({ input, snapshot: base }))
  }

  baseOf(input: OwnedPartition): CompletionSnapshot | null {
    return this.#marks.get(input)?.base ?? null
  }

  /** Which freeze has to stand until all stands that is handled by now. */
  get wanted(): number {
    return this.#frozenCount + (this.hasProgress ? 1 : 0)
  }

  get standing(): number {
    return this.#standingCount
  }

  /**
   * In one turn, so that outputs, state, position and map are of the same records. Only while nothing is frozen. null: a map does
   * not fit, and nothing was frozen.
   */
  freeze(checkpoint: number, whole: WholePositions, atMs: number): FrozenGeneration | null {
    const positions = this.#positions(checkpoint, whole, atMs)
    if (positions === null) return null
    const generation = this.#gathering
    generation.close()
    this.#gathering = new Generation(this.#latestTopics)
    this.owner.state?.freeze(checkpoint)
    for (const [input, mark] of this.#marks) {
      mark.finished = finishedIn(input.tracker)
      mark.position = input.tracker.safePosition
    }
    this.#frozenCount += 1
    const openRows = generation.rows.length
    this.#frozen = {
      ...{ checkpoint, generation, positions, atMs, openRows, refusals: new Map() },
      ...{ changelogRecords: 0, refusedOutputs: 0, refusedLetters: 0, isDurable: false },
    }
    return this.#frozen
  }

  #positions(checkpoint: number, whole: WholePositions, atMs: number): readonly FrozenPosition[] | null {
    const positions: FrozenPosition[] = []
    for (const input of this.owner.inputs) {
      const snapshot = input.tracker.snapshot()
      if (snapshot === null) continue
      if (input.isCompanion === true) {
        positions.push({ input, snapshot, stored: null })
        continue
      }
      const stored = whole.of(input, snapshot, checkpoint)
      if (!('metadata' in stored)) {
        this.#heldBack = { input, ...stored, sinceMs: this.#heldBack?.sinceMs ?? atMs }
        return null
      }
      positions.push({ input, snapshot, stored })
    }
    this.#heldBack = null
    return positions
  }

  /** What was frozen stands, and so it is the base. */
  stand(): void {
    for (const { input, snapshot } of this.#frozen?.positions ?? []) {
      const mark = this.#marks.get(input)
      if (mark !== undefined) mark.base = snapshot
    }
    this.#frozen = null
    this.#standingCount = this.#frozenCount
  }

  giveUp(): void {
    this.#isGivenUp = true
  }
}

function finishedIn({ skippedCount, startedCount, unfinishedCount }: OffsetTracker): number {
  return startedCount - unfinishedCount + skippedCount
}
