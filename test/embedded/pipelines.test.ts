/** The pipelines as anybody tries them out: one command, with servers of its own. */
import { expect, test } from 'vitest'
import { CommandProcess } from '../support/command-process.ts'

const start = 'test/integration/members/start.mjs'
const RECORDS = 1_000
/** Half an hour of them: some are late, repeated, broken, suspicious. */
const WINDOWED_RECORDS = 5_000

test.each([
  ['clicks', 'enriched'],
  ['clicks --avro', 'enriched'],
  ['sensors', 'readings'],
  ['sensors --avro', 'readings'],
  ['events', 'processed'],
])('npm start -- %s loses nothing, repeats nothing, and keeps the order', async (words, out) => {
  const end = await CommandProcess.node(start, [
    ...words.split(' '),
    '--records',
    `${RECORDS}`,
    '--json',
    '--http-port',
    '0',
  ]).ended
  expect(end, end.stderr).toMatchObject({ code: 0 })
  const accounts = JSON.parse(end.stdout.trim().split('\n').at(-1) ?? '') as Record<string, number>
  expect(accounts).toMatchObject({ in: RECORDS, lost: 0, duplicates: 0, outOfOrder: 0, wrongRows: 0 })
  expect(accounts['deadLettered']).toBeGreaterThan(0)
  expect(accounts[out]).toBe(RECORDS - (accounts['deadLettered'] ?? 0))
})

test.each([
  ['sales', ['repeats', 'unique'], ['late', 'results', 'counted']],
  ['fraud', ['compared'], ['byPace', 'byAmount']],
])('npm start -- %s comes to what a plain computation over its input comes to', async (name, parts, results) => {
  const args = [name, '--records', `${WINDOWED_RECORDS}`, '--json', '--http-port', '0']
  const end = await CommandProcess.node(start, args).ended
  expect(end, end.stderr).toMatchObject({ code: 0 })
  const accounts = JSON.parse(end.stdout.trim().split('\n').at(-1) ?? '') as Record<string, number>
  const none = { lost: 0, strays: 0, duplicates: 0, missing: 0, wrong: 0, wrongRows: 0 }
  expect(accounts).toMatchObject({ in: WINDOWED_RECORDS, ...none })
  const found = [...parts, 'deadLettered'].map((part) => accounts[part] ?? 0)
  expect(found.reduce((sum, part) => sum + part, 0)).toBe(WINDOWED_RECORDS)
  for (const count of [...found, ...results.map((result) => accounts[result])]) expect(count).toBeGreaterThan(0)
})

test('npm start -- --help names the pipelines', async () => {
  const { code, stdout } = await CommandProcess.node(start, ['--help']).ended
  expect(code).toBe(0)
  for (const name of ['clicks', 'sensors', 'events', 'sales', 'fraud'])
    expect(stdout).toMatch(new RegExp(`^  ${name} +\\S+ → `, 'm'))
})
