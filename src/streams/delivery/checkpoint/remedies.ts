/** What follows from each fault of a transaction, as data: the table of the design. */
import type { TransactionFault } from '../../transaction-port.ts'

/**
 * - `again`      abort, and the same bytes once more, with fresh group metadata: no handler runs twice.
 * - `end-epochs` abort; whatever was in it belongs to somebody else.
 * - `reconnect`  a new client with the same id, then the committed positions tell whether it stands: taken as it is, or sent again.
 * - `rewind`     abort; who has a record in it that is refused begins again at its last checkpoint.
 * - `begin-anew` abort; the member joins again, and takes in no more than what less text beside the positions can tell of.
 * - `end`        nothing will change this but an operator.
 */
export type Remedy = 'again' | 'end-epochs' | 'reconnect' | 'rewind' | 'begin-anew' | 'end'

export const remedies: Readonly<Record<TransactionFault, Remedy>> = {
  'stale-generation': 'again',
  'not-a-member': 'end-epochs',
  fenced: 'reconnect',
  unknown: 'reconnect',
  refused: 'rewind',
  'metadata-too-long': 'begin-anew',
  'not-allowed': 'end',
  unavailable: 'again',
}
