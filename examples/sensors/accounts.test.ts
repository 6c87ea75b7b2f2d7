import { expect, test } from 'vitest'
import { closeAccounts, findProblems, type Accounts } from './accounts.ts'
import { SensorLedger } from './ledger.ts'

const at = (offset: number): { partition: number; offset: number } => ({ partition: 0, offset })

const reading = (sensor: number, temperature = 25): string =>
  JSON.stringify({ sensor_id: sensor, temperature, humidity: 50, timestamp: 1_769_860_800_000 })

/** What the table would have to say for the accounts to be right. */
function close(ledger: SensorLedger): Accounts {
  return closeAccounts(ledger, { rows: ledger.lastReadings.size, wrongRows: 0 })
}

test('each reading in one place, each alert with its reason, whichever is read first: nothing is wrong', () => {
  const ledger = new SensorLedger([0])
  for (let offset = 0; offset < 4; offset += 1) ledger.noteInput(at(offset))
  ledger.noteAlert(at(0))
  ledger.noteReading(at(0), '1', reading(1, 29.5))
  ledger.noteReading(at(1), '2', reading(2, 20.5))
  ledger.noteAlert(at(1))
  ledger.noteReading(at(2), '1', reading(1))
  ledger.noteDeadLetter(at(3))
  const accounts = close(ledger)
  expect(accounts).toMatchObject({
    in: 4,
    readings: 3,
    deadLettered: 1,
    lost: 0,
    alerts: 2,
    missingAlerts: 0,
    sensors: 2,
  })
  expect(findProblems(accounts, 4)).toEqual([])
  expect([...ledger.lastReadings]).toEqual([
    [1, reading(1)],
    [2, reading(2, 20.5)],
  ])
})

test('alerts that are missing, or have no reason, are problems; repeats are duplicates', () => {
  const ledger = new SensorLedger([0])
  for (let offset = 0; offset < 3; offset += 1) ledger.noteInput(at(offset))
  ledger.noteReading(at(0), '1', reading(1, 29.5))
  ledger.noteReading(at(1), '2', reading(2))
  for (const offset of [1, 2, 2]) ledger.noteAlert(at(offset))
  const accounts = close(ledger)
  expect(accounts).toMatchObject({ lost: 1, duplicates: 1, alerts: 2, missingAlerts: 1, falseAlerts: 2 })
  expect(findProblems(accounts, 3)).toEqual([
    '1 readings came out nowhere',
    '1 readings beyond a limit raised no alert',
    '2 alerts have no reading beyond a limit',
  ])
})

test('a repeat of an earlier reading is not the last one', () => {
  const ledger = new SensorLedger([0])
  for (const [offset, temperature] of [
    [0, 24],
    [1, 26],
    [0, 24],
  ] as const) {
    ledger.noteReading(at(offset), '1', reading(1, temperature))
  }
  expect(ledger.lastReadings.get(1)).toBe(reading(1, 26))
})
