/** The pipeline's table. An existing one is used as it is. */
import { compareRows, createMissingTable, type RowNumbers } from '../pipeline/database.ts'

const CREATE = `
  create table if not exists processed_events (
    event_id text primary key,
    event_type text,
    user_id bigint,
    plan text,
    original_timestamp timestamptz,
    processed_at timestamptz,
    data jsonb
  )`

// Not processed_at: after a crash an event may be processed again, at another time.
const COMPARE = `
  select
    count(*) filter (where row.event_id is not null)::int as found,
    count(*) filter (where row.processed_at is null
      or (row.event_type, row.user_id, row.plan, row.original_timestamp, row.data)
      is distinct from (expected.event_type, expected.user_id, expected.plan, expected.original_timestamp, expected.data)
    )::int as wrong
  from jsonb_to_recordset($1) as expected
    (event_id text, event_type text, user_id bigint, plan text, original_timestamp timestamptz, data jsonb)
  left join processed_events as row using (event_id)`

/** Returns whether it had to be created. */
export async function createEventTable(url: string): Promise<boolean> {
  return await createMissingTable(url, 'processed_events', CREATE)
}

/** Looks up each row in the table. `expected`: the processed events as JSON. */
export async function countRows(url: string, expected: Iterable<string>): Promise<RowNumbers> {
  return await compareRows(url, COMPARE, expected)
}
