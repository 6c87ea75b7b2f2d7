/** The pipeline's table. An existing one is used as it is. */
import { compareRows, createMissingTable, type RowNumbers } from '../pipeline/database.ts'

const CREATE = `
  create table if not exists fraud_alerts (
    payment_id text primary key,
    card text,
    at timestamptz,
    cents bigint,
    merchant text,
    country text,
    usual_cents double precision,
    payments integer,
    reasons text,
    score double precision
  )`

const COMPARE = `
  select
    count(*) filter (where row.payment_id is not null)::int as found,
    count(*) filter (where
      (row.card, row.at, row.cents, row.merchant, row.country, row.usual_cents, row.payments, row.reasons, row.score)
      is distinct from
      (expected.card, to_timestamp(expected.at / 1000.0), expected.cents, expected.merchant, expected.country,
        expected.usual_cents, expected.payments, expected.reasons, expected.score))::int as wrong
  from jsonb_to_recordset($1) as expected
    (payment_id text, card text, at bigint, cents bigint, merchant text, country text, usual_cents double precision,
      payments integer, reasons text, score double precision)
  left join fraud_alerts as row using (payment_id)`

/** Returns whether it had to be created. */
export async function createAlertTable(url: string): Promise<boolean> {
  return await createMissingTable(url, 'fraud_alerts', CREATE)
}

/** Looks up each row in the table. `expected`: the alerts as JSON. */
export async function countRows(url: string, expected: Iterable<string>): Promise<RowNumbers> {
  return await compareRows(url, COMPARE, expected)
}
