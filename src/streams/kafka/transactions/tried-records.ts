/** Which records the brokers refuse: sent one to a batch, each with a report, in transactions that are aborted. */
import type { WriteResult } from '../../broker-port.ts'
import type { OutputRecord } from '../../record.ts'
import { TransactionError } from '../../transaction-port.ts'
import type { Deadline } from '../producer/deadline.ts'
import type { ProducerClient, SendFailure } from '../producer/producer-client.ts'
import { refusal, sizeOf, TOO_LARGE } from '../producer/single-records.ts'
import type { TransactionClient } from './transaction-client.ts'
import { isRefusal, transactionError } from './transaction-faults.ts'

/** A transaction has so many at most, so that it ends well before its time-out. */
const RECORDS_A_TRANSACTION = 2000
/** A transaction of which nothing is learned, this many times in a row, is none that the next one is better than. */
const MAX_FRUITLESS = 3

export interface TrialParts {
  /** The same client, once for what it sends and once for its transactions. */
  readonly reports: ProducerClient
  readonly transactions: TransactionClient
  readonly isCompressed: boolean
  readonly deadline: () => Deadline
  readonly callMs: number
}

/**
 * Rejects with a TransactionError. The client drops the rest of a transaction with the first record that is refused, so
 * there is a transaction for each of these; but what is too large for a topic tells of all that is as large.
 */
export async function tryRecords(records: readonly OutputRecord[], parts: TrialParts): Promise<WriteResult[]> {
  const results = new Array<WriteResult>(records.length).fill(null)
  const tooLarge = new Map<string, { readonly bytes: number; readonly failure: SendFailure }>()
  let open = records.map((_, index) => index)
  let fruitless = 0
  while (open.length > 0) {
    const portion = open.slice(0, RECORDS_A_TRANSACTION)
    const failures = await sendAndAbort(records, portion, parts)
    const again: number[] = []
    for (const index of portion) {
      const failure = failures.get(index)
      if (failure === undefined) continue
      if (transactionError(failure, 'send').fault === 'not-allowed') {
        throw new TransactionError(
          'not-allowed',
          `There is no right to write to ${records[index]!.topic}: ${failure.message}`,
        )
      }
      // Once the transaction has failed, the client takes no more of it: that says nothing of a record.
      if (!isRefusal(failure.code)) {
        again.push(index)
        continue
      }
      results[index] = refusal(failure, records[index]!)
      if (failure.code === TOO_LARGE && !parts.isCompressed) {
        const { topic } = records[index]!
        const bytes = Math.min(sizeOf(records[index]!), tooLarge.get(topic)?.bytes ?? Infinity)
        tooLarge.set(topic, { bytes, failure })
      }
    }
    fruitless = again.length < portion.length ? 0 : fruitless + 1
    if (fruitless >= MAX_FRUITLESS) {
      const why = failures.get(again[0]!)!.message
      throw new TransactionError('unavailable', `Records could not be tried: ${why}`)
    }
    open = [...again, ...open.slice(portion.length)].filter((index) => {
      const limit = tooLarge.get(records[index]!.topic)
      if (limit === undefined || sizeOf(records[index]!) < limit.bytes) return true
      results[index] = refusal(limit.failure, records[index]!)
      return false
    })
  }
  return results
}

async function sendAndAbort(
  records: readonly OutputRecord[],
  portion: readonly number[],
  { reports, transactions, deadline, callMs }: TrialParts,
): Promise<ReadonlyMap<number, SendFailure>> {
  try {
    await transactions.begin()
    const failures = await reports.send(records, portion, deadline())
    await transactions.abort(callMs)
    return failures
  } catch (error) {
    throw transactionError(error, 'send')
  }
}
