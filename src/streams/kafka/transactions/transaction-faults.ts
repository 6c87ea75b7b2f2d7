/** What the client's errors mean for a transaction. */
import { TransactionError, type TransactionFault } from '../../transaction-port.ts'
import { codeOf, messageOf } from '../connection.ts'
import type { NativeTransactionError } from '../native.ts'

export type TransactionStep = 'begin' | 'send' | 'positions' | 'commit' | 'abort'

/** Of the client, or of the brokers; what is not listed passes by itself. */
const faults: ReadonlyMap<number, TransactionFault> = new Map([
  [22, 'stale-generation'], // illegal generation
  [27, 'stale-generation'], // rebalance in progress
  [113, 'stale-generation'], // stale member epoch
  [25, 'not-a-member'], // unknown member
  [82, 'not-a-member'], // fenced instance id
  [110, 'not-a-member'], // fenced member epoch
  [-144, 'fenced'],
  [-150, 'unknown'], // fatal, and said before
  [47, 'fenced'], // invalid producer epoch
  [48, 'fenced'], // not in the state that the client takes it for: ended for its time-out
  [90, 'fenced'], // producer fenced
  [2, 'refused'], // corrupt
  [3, 'refused'], // unknown topic
  [10, 'refused'], // too large
  [17, 'refused'], // a topic's name that is none
  [18, 'refused'], // a batch that is too large
  [32, 'refused'], // timestamp out of bounds
  [43, 'refused'], // an old format of the log, without headers or transactions
  [44, 'refused'], // against the brokers' policy
  [76, 'refused'], // a compression that the topic does not take
  [87, 'refused'], // an invalid record, such as one without a key for a compacted topic
  [-188, 'refused'], // unknown topic
  [-190, 'refused'], // unknown partition
  [12, 'metadata-too-long'],
  [29, 'not-allowed'], // topic
  [30, 'not-allowed'], // group
  [31, 'not-allowed'], // cluster
  [53, 'not-allowed'], // transactional id
])

/** True for a code that says that a record will never be taken as it is. */
export function isRefusal(code: number): boolean {
  return faults.get(code) === 'refused'
}

/** `error` is what the client threw or called back at this step. */
export function transactionError(error: unknown, step: TransactionStep): TransactionError {
  if (error instanceof TransactionError) return error
  return new TransactionError(faultOf(error as NativeTransactionError, step), `${does[step]}: ${messageOf(error)}`, {
    cause: error,
  })
}

const does: Readonly<Record<TransactionStep, string>> = {
  begin: 'A transaction could not be begun',
  send: 'A transaction does not take its records',
  positions: 'Positions could not become part of a transaction',
  commit: 'A transaction could not be committed',
  abort: 'A transaction could not be aborted',
}

function faultOf(error: NativeTransactionError, step: TransactionStep): TransactionFault {
  const fault = faults.get(codeOf(error) ?? 0)
  // A client that has stopped for good can be replaced, whatever of; without the right, that would not help. Only who was fenced
  // may have another process to blame.
  if (error.isFatal === true) return fault === 'not-allowed' || fault === 'fenced' ? fault : 'unknown'
  if (step === 'commit' && isUnanswered(error)) return 'unknown'
  return fault ?? 'unavailable'
}

/**
 * Nobody has said what became of the commit. What failed before it was asked for has to be aborted, and the client says
 * so; but it says the same where its request for the commit got no answer.
 */
function isUnanswered(error: NativeTransactionError): boolean {
  return error.isTxnRequiresAbort !== true || /EndTxn|commit succeeded/i.test(error.message)
}
