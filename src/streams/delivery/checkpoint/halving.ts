/**
 * Who goes into the next transaction, where brokers refuse what partitions write together and take each of their records alone: half
 * of them at a time, until it goes through, or one is left. That one is set aside until what the others had frozen by then stands.
 */
import { TroupeError } from '../../../errors.ts'
import { partitionName } from '../../record.ts'
import type { TransactionError } from '../../transaction-port.ts'
import type { Participant } from './participant.ts'

export class Halving {
  /** How many go at once. It stays so: what is too much for the brokers once is so again. */
  #atOnce = Infinity
  /** Of those that are refused alone, why. */
  #setAside: ReadonlyMap<Participant, TransactionError> = new Map()

  /** Of those that are ready, who has waited longest. Throws TRANSACTION_REFUSED when only those are left that cannot go at all. */
  next(ready: readonly Participant[]): readonly Participant[] {
    if (this.#setAside.size === 0 && ready.length <= this.#atOnce) return ready
    this.#setAside = new Map([...this.#setAside].filter(([participant]) => ready.includes(participant)))
    const [refused] = this.#setAside
    const others = ready
      .filter((each) => !this.#setAside.has(each))
      // What was frozen since then is no reason to wait any longer.
      .filter((each) => refused === undefined || checkpointOf(each) <= checkpointOf(refused[0]))
      .toSorted((a, b) => checkpointOf(a) - checkpointOf(b))
    if (refused !== undefined && others.length === 0) throw refusedTogether(...refused)
    return others.slice(0, this.#atOnce)
  }

  /** These were refused together, and none of their records is alone. */
  noteRefused(participants: readonly Participant[], fault: TransactionError): void {
    const [first] = participants
    if (participants.length > 1) this.#atOnce = Math.ceil(participants.length / 2)
    else if (first !== undefined) this.#setAside = new Map([...this.#setAside, [first, fault]])
  }
}

function checkpointOf({ frozen }: Participant): number {
  return frozen?.checkpoint ?? 0
}

function refusedTogether({ frozen, owner }: Participant, cause: TransactionError): TroupeError {
  const outputs = frozen?.generation.records ?? []
  const state = [...(owner.state?.frozenRecords() ?? [])]
  const topics = [...new Set([...outputs, ...state].map(({ topic }) => topic))]
  const count = outputs.length + state.length
  const message =
    `the brokers refuse what ${owner.inputs.map(partitionName).join(', ')} has to write in one transaction, ` +
    `${count} ${count === 1 ? 'record' : 'records'} for ${topics.join(', ') || 'no topic'} and the position, ` +
    `though they take each record alone: ${cause.message}`
  return new TroupeError('TRANSACTION_REFUSED', message, { cause })
}
