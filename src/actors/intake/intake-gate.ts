/**
 * Whether an input of a partition actor may take in anything new, whatever room there is: told by what the actor is, by its
 * map and its waiting keys, and by whether it was set back and what it held then does not stand yet.
 */
import type { Clock } from '../../clock.ts'
import type { PartitionState } from '../../state/partition-state.ts'
import type { IntakeStop } from '../actor-load.ts'
import type { FrontLine } from '../front/front-line.ts'
import type { InputProgress } from '../input-progress.ts'
import type { KeyBrake } from '../lanes/key-brake.ts'

export interface IntakeGateOptions {
  readonly clock: Clock
  readonly brake: KeyBrake
  /** null: it is not the front of another. */
  readonly front: FrontLine | null
  /** null: it keeps none. */
  readonly state: PartitionState | null
  /** It begins where a refused checkpoint has set it back. */
  readonly isSetBack: boolean
  readonly isHalted: () => boolean
  /** What it held when it was set back stands now. */
  readonly onLetIn: () => void
}

/** For so long at most a partition that was set back takes in nothing: a handler that takes very long keeps nobody out. */
const SET_BACK_MS = 10_000

export class IntakeGate {
  readonly #options: IntakeGateOptions
  /**
   * It was set back, and what it held then does not stand yet: with more records it would be set back again, for those of them that
   * are refused. null: it was not, or that is over.
   */
  #cancelSetBack: (() => void) | null = null

  constructor(options: IntakeGateOptions) {
    this.#options = options
    if (!options.isSetBack) return
    this.#cancelSetBack = options.clock.after(SET_BACK_MS, () => {
      this.letIn()
    })
  }

  /** Why this input must not take in anything new. Empty: it may. */
  stopsOf(input: InputProgress): readonly IntakeStop[] {
    const { brake, front, isHalted } = this.#options
    const stops: IntakeStop[] = []
    if (isHalted()) stops.push('halted')
    if (input.isMapNearLimit) stops.push('completion-map')
    if (brake.isOn) stops.push('waiting-keys')
    if (this.#isRestoring) stops.push('restoring')
    if (this.#cancelSetBack !== null) stops.push('refused-outputs')
    if (front?.isFull === true) stops.push('read-ahead')
    return stops
  }

  /** Whether there are such reasons: asked often. */
  isClosedTo(input: InputProgress): boolean {
    const { brake, front, isHalted } = this.#options
    const isStopped = brake.isOn || isHalted() || this.#isRestoring || this.#cancelSetBack !== null
    return isStopped || input.isMapNearLimit || front?.isFull === true
  }

  /** What it held when it was set back stands. */
  letIn(): void {
    if (this.#cancelSetBack === null) return
    this.#cancelSetBack()
    this.#cancelSetBack = null
    this.#options.onLetIn()
  }

  /** Its actor has ended. */
  stop(): void {
    this.#cancelSetBack?.()
  }

  /** Nothing may be known of its keys yet. */
  get #isRestoring(): boolean {
    return this.#options.state?.isReady === false
  }
}
