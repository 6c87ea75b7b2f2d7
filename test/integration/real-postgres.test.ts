import { afterAll, beforeAll, expect, it } from 'vitest'
import { startPostgres } from '../support/real-postgres.ts'
import type { RealPostgres } from '../support/real-postgres.ts'

let postgres: RealPostgres
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres.stop())

it('keeps its rows and its address over an outage', async () => {
  await postgres.query('create table visits (id int primary key)')
  await postgres.query('insert into visits select generate_series(1, 1000)')
  await postgres.pause()
  await expect(postgres.query('select 1')).rejects.toThrow(/ECONNREFUSED/)
  await postgres.resume()
  expect(await postgres.query('select count(*)::int as count from visits')).toEqual([{ count: 1000 }])
  await postgres.restart(100)
  expect(await postgres.query('select max(id) from visits')).toEqual([{ max: 1000 }])
})
