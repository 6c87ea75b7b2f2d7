/** The rows of frozen generations on their way to their sinks, which answer for each of them. */
import type { WriteResult } from '../../broker-port.ts'
import type { OutputOwner, Ticket } from '../sink-queue.ts'
import type { RowQueues } from '../row-queues.ts'
import type { FrozenGeneration, Participant } from './participant.ts'

export class RowWriter {
  readonly #queues: RowQueues
  readonly #onAnswered: () => void

  /** `onAnswered`: all rows of a generation have their answer. */
  constructor(queues: RowQueues, onAnswered: () => void) {
    this.#queues = queues
    this.#onAnswered = onAnswered
  }

  write({ owner }: Participant, frozen: FrozenGeneration): void {
    let ticket = null as RowTicket | null
    for (const { index, row, sink, source } of frozen.generation.rows) {
      // All rows of a record have one ticket, by which a sink takes them together.
      if (ticket?.source !== source) ticket = new RowTicket(owner, source, frozen, this.#onAnswered)
      this.#queues.push(sink, { id: `${source}/${index}`, output: row, ticket })
    }
  }
}

class RowTicket implements Ticket {
  readonly owner: OutputOwner
  readonly source: string
  readonly #frozen: FrozenGeneration
  readonly #onAnswered: () => void

  constructor(owner: OutputOwner, source: string, frozen: FrozenGeneration, onAnswered: () => void) {
    this.owner = owner
    this.source = source
    this.#frozen = frozen
    this.#onAnswered = onAnswered
  }

  settle(result: WriteResult): void {
    if (result !== null) this.#frozen.refusals.set(this.source, result)
    this.#frozen.openRows -= 1
    if (this.#frozen.openRows === 0) this.#onAnswered()
  }
}
