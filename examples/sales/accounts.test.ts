import { describe, expect, test } from 'vitest'
import { closeAccounts, findProblems, type Accounts } from './accounts.ts'
import { SalesLedger, type ReadOrder, type ReadSales } from './ledger.ts'

const BEGIN_MS = Date.UTC(2026, 2, 1, 8)

const at = (offset: number, partition = 0): { partition: number; offset: number } => ({ partition, offset })

function order(id: string, seconds: number, total = '10.00'): ReadOrder {
  return { order_id: id, region: 'north', currency: 'EUR', total, created_at: BEGIN_MS + seconds * 1000 }
}

function sales(minute: number, orders: number, total: string, largest: string): ReadSales {
  return { region: 'north', currency: 'EUR', minute: BEGIN_MS + minute * 60_000, orders, total, largest }
}

/** Of one partition, in this order; each has come out unless it is a repeat. */
function ledgerOf(...orders: readonly ReadOrder[]): SalesLedger {
  const ledger = new SalesLedger([0], BEGIN_MS)
  for (const [offset, order] of orders.entries()) ledger.noteOrder(at(offset), order)
  for (const id of new Set(orders.map(({ order_id }) => order_id))) ledger.noteUnique(id)
  return ledger
}

/** What the table would have to say for the accounts to be right. */
function close(ledger: SalesLedger): Accounts {
  return closeAccounts(ledger, { rows: ledger.read().results, wrongRows: 0 })
}

test('a minute is over ten seconds after its end; what comes later is late, what comes before counts', () => {
  const ledger = ledgerOf(
    ...[order('a', 0, '10.05'), order('b', 60, '1.00'), order('c', 59.999, '20.10')],
    ...[order('d', 69.999, '0.01'), order('e', 1, '7.00'), order('f', 70), order('g', 59.999)],
  )
  expect(close(ledger)).toMatchObject({ missing: 1, open: 1, lost: 1 })
  ledger.noteLate('g')
  ledger.noteResult(sales(0, 3, '37.15', '20.10'))
  const accounts = close(ledger)
  expect(accounts).toEqual({
    ...{ in: 7, deadLettered: 0, repeats: 0, unique: 7, late: 1, counted: 3, results: 1, open: 1 },
    ...{ missing: 0, wrong: 0, lost: 0, strays: 0, duplicates: 0, rows: 1, wrongRows: 0 },
  })
  expect(findProblems(accounts, 7)).toEqual([])
  expect(ledger.isComplete).toBe(true)
})

test('whether an order is late is a matter of its own partition; whether a minute is over, of all', () => {
  const ledger = new SalesLedger([0, 0], BEGIN_MS)
  ledger.noteOrder(at(0), order('a', 200))
  ledger.noteOrder(at(0, 1), order('b', 10))
  for (const id of ['a', 'b']) ledger.noteUnique(id)
  expect(ledger.read()).toMatchObject({ missing: 0, open: 2, late: 0, lost: 0 })
  ledger.noteOrder(at(1, 1), order('c', 70))
  ledger.noteUnique('c')
  expect(ledger.read()).toMatchObject({ missing: 1, open: 2, lost: 0 })
})

test('what comes again counts once; what cannot be read, or is of a time that cannot be, is a dead letter', () => {
  const ledger = new SalesLedger([0], BEGIN_MS)
  const orders = [order('a', 0), order('a', 0), undefined, order('b', 3e9), order('c', 70)]
  for (const [offset, read] of orders.entries()) ledger.noteOrder(at(offset), read)
  for (const id of ['a', 'c']) ledger.noteUnique(id)
  for (const offset of [2, 3]) ledger.noteDeadLetter(at(offset))
  ledger.noteResult(sales(0, 1, '10.00', '10.00'))
  const accounts = close(ledger)
  expect(accounts).toMatchObject({ in: 5, repeats: 1, deadLettered: 2, unique: 2, open: 1 })
  expect(findProblems(accounts, 5)).toEqual([])
  expect(ledger.finished).toBe(5)
})

describe('what is not as it must be is named:', () => {
  const over = (): SalesLedger => ledgerOf(order('a', 0), order('b', 1), order('c', 90))

  test.each([
    ['a minute that did not come out', (): void => undefined, '1 minutes of a region are over and did not come out'],
    [
      'a sum that is wrong',
      (ledger: SalesLedger) => ledger.noteResult(sales(0, 2, '20.01', '10.00')),
      '1 minutes of a region say something else than their orders',
    ],
    [
      'a minute without orders',
      (ledger: SalesLedger) => {
        ledger.noteResult(sales(0, 2, '20.00', '10.00'))
        ledger.noteResult(sales(7, 1, '20.00', '10.00'))
      },
      '1 minutes of a region say something else than their orders',
    ],
    [
      'a minute that came out twice',
      (ledger: SalesLedger) => {
        for (let time = 0; time < 2; time += 1) ledger.noteResult(sales(0, 2, '20.00', '10.00'))
      },
      '1 records came out more than once',
    ],
    [
      'a late order that is none',
      (ledger: SalesLedger) => {
        ledger.noteResult(sales(0, 2, '20.00', '10.00'))
        ledger.noteLate('a')
      },
      '1 records have no order that they could be of',
    ],
    [
      'a repeat that came out',
      (ledger: SalesLedger) => {
        ledger.noteResult(sales(0, 2, '20.00', '10.00'))
        ledger.noteUnique('a')
      },
      '1 records came out more than once',
    ],
  ])('%s', (_, note, problem) => {
    const ledger = over()
    note(ledger)
    expect(findProblems(close(ledger), 3)).toEqual([problem])
  })

  test('what was produced and is not there, and rows that are not', () => {
    const ledger = over()
    ledger.noteResult(sales(0, 2, '20.00', '10.00'))
    expect(findProblems(closeAccounts(ledger, { rows: 0, wrongRows: 1 }), 4)).toEqual([
      'only 3 of the 4 orders produced are in orders',
      'the table has 0 rows for 1 minutes of a region',
      '1 rows of the table are missing or hold something else',
    ])
  })
})

test('what an earlier run has left open is none of this one', () => {
  const ledger = ledgerOf(order('a', 0))
  ledger.noteResult(sales(-1, 5, '50.00', '10.00'))
  expect(findProblems(close(ledger), 1)).toEqual([])
})
