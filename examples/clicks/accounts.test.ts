import { expect, test } from 'vitest'
import { closeAccounts, findProblems, type Accounts } from './accounts.ts'
import { ClickLedger } from './ledger.ts'

const at = (offset: number, partition = 0): { partition: number; offset: number } => ({ partition, offset })

function click(user: number, timestamp = '2026-01-31T12:00:00Z', url = 'a'): string {
  return JSON.stringify({ user_id: user, session_id: 1, timestamp, url, ip: '::1', country: 'UNKNOWN' })
}

/** What the table would have to say for the accounts to be right. */
function close(ledger: ClickLedger): Accounts {
  return closeAccounts(ledger, { rows: ledger.expectedRows.size, wrongRows: 0 })
}

test('each input that came out once: nothing is wrong', () => {
  const ledger = new ClickLedger([0, 0])
  ledger.noteEnriched(at(0), '1', click(1)) // an output may be read before its input
  for (const place of [at(0), at(1), at(0, 1)]) ledger.noteInput(place)
  ledger.noteDeadLetter(at(1))
  ledger.noteEnriched(at(0, 1), '2', click(2))
  expect(ledger.read()).toEqual({ in: 3, out: 2, deadLettered: 1, lost: 0, duplicates: 0, outOfOrder: 0 })
  expect(findProblems(close(ledger), 3)).toEqual([])
})

test('a click that came out nowhere is lost', () => {
  const ledger = new ClickLedger([0])
  for (let offset = 0; offset < 5000; offset += 1) {
    ledger.noteInput(at(offset))
    if (offset !== 4321) ledger.noteEnriched(at(offset), '1', click(offset))
  }
  expect(ledger.read()).toMatchObject({ in: 5000, out: 4999, lost: 1 })
  expect(findProblems(close(ledger), 5000)).toEqual(['1 clicks came out nowhere'])
})

test('a click that was produced and is not in the topic is a problem', () => {
  const ledger = new ClickLedger([0])
  expect(findProblems(close(ledger), 1)).toEqual(['only 0 of the 1 clicks produced are in user_clicks'])
})

test('repeats are counted as such, and hide no loss', () => {
  const ledger = new ClickLedger([0])
  for (const offset of [0, 1]) ledger.noteInput(at(offset))
  for (let times = 0; times < 2; times += 1) ledger.noteEnriched(at(0), '1', click(1))
  for (let times = 0; times < 3; times += 1) ledger.noteDeadLetter(at(0))
  expect(ledger.read()).toMatchObject({ in: 2, out: 1, deadLettered: 1, lost: 1, duplicates: 3 })
  expect(findProblems(close(ledger), 2)).toContain('some clicks are both enriched and dead-lettered')
})

test('order is that of a key, by first outputs', () => {
  const ledger = new ClickLedger([0])
  for (const offset of [0, 2, 1, 4, 0, 2])
    ledger.noteEnriched(at(offset), offset === 1 ? 'other' : 'one', click(offset))
  expect(ledger.read()).toMatchObject({ outOfOrder: 0, duplicates: 2 })
  ledger.noteEnriched(at(3), 'one', click(3))
  expect(ledger.read().outOfOrder).toBe(1)
})

test('what came before the start is not counted', () => {
  const ledger = new ClickLedger([100])
  ledger.noteEnriched(at(99), '1', click(1))
  ledger.noteInput(at(100))
  ledger.noteEnriched(at(100), '1', click(2))
  expect(ledger.read()).toMatchObject({ in: 1, out: 1, lost: 0 })
  expect(ledger.expectedRows.size).toBe(1)
})

test('equal instants are one row, and the last click holds it', () => {
  const ledger = new ClickLedger([0])
  const last = click(1, '2026-01-31T14:00:00.100000+02:00', 'last')
  ledger.noteEnriched(at(0), '1', click(1, '2026-01-31T12:00:00.1Z', 'first'))
  ledger.noteEnriched(at(1), '1', last)
  ledger.noteEnriched(at(2), '1', click(1, '2026-01-31T12:00:00.100001Z', 'another'))
  expect(ledger.expectedRows.size).toBe(2)
  expect([...ledger.expectedRows.values()]).toContain(last)
})

test('a table that does not match is a problem', () => {
  const ledger = new ClickLedger([0])
  ledger.noteInput(at(0))
  ledger.noteEnriched(at(0), '1', click(1))
  expect(findProblems({ ...close(ledger), rows: 0, wrongRows: 1 }, 1)).toEqual([
    'the table has 0 rows for 1 distinct clicks',
    '1 rows of the table are missing or hold something else',
  ])
})
