/** The pipelines as anybody tries them out: one command, with servers of its own. */
import { expect, test } from 'vitest'
import { CommandProcess } from '../support/command-process.ts'

const start = 'test/integration/members/start.mjs'
const RECORDS = 1_000

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

test('npm start -- --help names the pipelines', async () => {
  const { code, stdout } = await CommandProcess.node(start, ['--help']).ended
  expect(code).toBe(0)
  for (const name of ['clicks', 'sensors', 'events']) expect(stdout).toMatch(new RegExp(`^  ${name} +\\S+ → `, 'm'))
})
