/**
 * Tells a broker that has ended our transaction for its time-out from another live process with our transactional id. Both are
 * told by the same error. The first takes as long as the time-out each time; two processes fence each other as fast as they
 * connect, and would do so for ever.
 */
import { TroupeError } from '../../../errors.ts'

/** Our own predecessor, that is still on its way out, may take the id back once or twice. */
const MAX_FENCINGS = 4
const WINDOW_MS = 60_000

export class Fencings {
  readonly #transactionalId: string
  readonly #timeoutMs: number
  #timesMs: number[] = []

  constructor(transactionalId: string, transactionTimeoutMs: number) {
    this.#transactionalId = transactionalId
    this.#timeoutMs = transactionTimeoutMs
  }

  /** Throws TRANSACTIONAL_ID_TAKEN when there is no other way to read it. */
  note(nowMs: number, openForMs: number): void {
    if (openForMs >= this.#timeoutMs) return
    this.#timesMs = [...this.#timesMs.filter((atMs) => atMs > nowMs - WINDOW_MS), nowMs]
    if (this.#timesMs.length < MAX_FENCINGS) return
    throw new TroupeError(
      'TRANSACTIONAL_ID_TAKEN',
      `the transactional id ${this.#transactionalId} was taken from this process ${this.#timesMs.length} times within ${WINDOW_MS / 1000} s: another live process uses it as well`,
    )
  }
}
