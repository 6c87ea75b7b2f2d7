import { expect, test } from 'vitest'
import { closeAccounts, findProblems, type Accounts } from './accounts.ts'
import { EventLedger } from './ledger.ts'

const at = (offset: number): { partition: number; offset: number } => ({ partition: 0, offset })
const processed = (id: string): string => JSON.stringify({ event_id: id, user_id: 1 })

/** What the table would have to say for the accounts to be right. */
function close(ledger: EventLedger, delivered: number): Accounts {
  return closeAccounts(ledger, delivered, { rows: ledger.expectedRows.size, wrongRows: 0 })
}

function handleThree(): EventLedger {
  const ledger = new EventLedger([0])
  for (let offset = 0; offset < 3; offset += 1) ledger.noteInput(at(offset))
  ledger.noteProcessed(at(0), '1', processed('a'))
  ledger.noteProcessed(at(1), '1', processed('b'))
  ledger.noteDeadLetter(at(2))
  return ledger
}

test('each event delivered, and in one place: nothing is wrong', () => {
  const accounts = close(handleThree(), 3)
  expect(accounts).toMatchObject({ delivered: 3, in: 3, processed: 2, deadLettered: 1, lost: 0, distinct: 2 })
  expect(findProblems(accounts, 3)).toEqual([])
})

test('a delivery that was not reported is a problem, and so is an event that was delivered twice', () => {
  expect(findProblems(close(handleThree(), 3), 4)).toEqual([
    'the delivery of 1 events was not reported',
    'only 3 of the 4 events produced are in events',
  ])
  expect(findProblems(close(handleThree(), 2), 2)).toEqual(['1 more events are in events than were delivered'])
})

test('an event that came out twice is one row; one that came out nowhere is lost', () => {
  const ledger = handleThree()
  ledger.noteInput(at(3))
  ledger.noteProcessed(at(1), '1', processed('b'))
  const accounts = close(ledger, 4)
  expect(accounts).toMatchObject({ lost: 1, duplicates: 1, distinct: 2 })
  expect(findProblems(accounts, 4)).toEqual(['1 events came out nowhere'])
})
