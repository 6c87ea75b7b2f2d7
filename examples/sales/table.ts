/** The pipeline's table. An existing one is used as it is. */
import { compareRows, createMissingTable, type RowNumbers } from '../pipeline/database.ts'

const CREATE = `
  create table if not exists sales_aggregates (
    region text,
    minute timestamptz,
    currency text,
    orders bigint,
    total numeric(20, 2),
    largest numeric(14, 2),
    primary key (region, minute, currency)
  )`

const COMPARE = `
  select
    count(*) filter (where row.region is not null)::int as found,
    count(*) filter (where (row.orders, row.total, row.largest)
      is distinct from (expected.orders, expected.total, expected.largest))::int as wrong
  from jsonb_to_recordset($1) as expected
    (region text, minute bigint, currency text, orders bigint, total numeric, largest numeric)
  left join sales_aggregates as row
    on (row.region, row.minute, row.currency) = (expected.region, to_timestamp(expected.minute / 1000.0), expected.currency)`

/** Returns whether it had to be created. */
export async function createSalesTable(url: string): Promise<boolean> {
  return await createMissingTable(url, 'sales_aggregates', CREATE)
}

/** Looks up each row in the table. `expected`: the results as JSON. */
export async function countRows(url: string, expected: Iterable<string>): Promise<RowNumbers> {
  return await compareRows(url, COMPARE, expected)
}
