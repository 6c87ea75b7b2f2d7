/** The pipeline's table. An existing one is used as it is. */
import { compareRows, createMissingTable, type RowNumbers } from '../pipeline/database.ts'

const CREATE = `
  create table if not exists enriched_clicks (
    user_id bigint,
    session_id bigint,
    timestamp timestamptz,
    url text,
    ip inet,
    country text,
    primary key (user_id, timestamp)
  )`

const COMPARE = `
  select
    count(*) filter (where row.user_id is not null)::int as found,
    count(*) filter (where (row.session_id, row.url, row.ip, row.country)
      is distinct from (expected.session_id, expected.url, expected.ip, expected.country))::int as wrong
  from jsonb_to_recordset($1) as expected
    (user_id bigint, session_id bigint, timestamp timestamptz, url text, ip inet, country text)
  left join enriched_clicks as row using (user_id, timestamp)`

/** Returns whether it had to be created. */
export async function createClickTable(url: string): Promise<boolean> {
  return await createMissingTable(url, 'enriched_clicks', CREATE)
}

/** Looks up each row in the table. `expected`: the clicks as JSON. */
export async function countRows(url: string, expected: Iterable<string>): Promise<RowNumbers> {
  return await compareRows(url, COMPARE, expected)
}
