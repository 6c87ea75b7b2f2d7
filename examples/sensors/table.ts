/** The pipeline's table. An existing one is used as it is. */
import { compareRows, createMissingTable, type RowNumbers } from '../pipeline/database.ts'

const CREATE = `
  create table if not exists sensors (
    sensor_id integer primary key,
    temperature double precision,
    humidity double precision,
    timestamp timestamptz
  )`

const COMPARE = `
  select
    count(*) filter (where row.sensor_id is not null)::int as found,
    count(*) filter (where (row.temperature, row.humidity, row.timestamp)
      is distinct from (expected.temperature, expected.humidity, to_timestamp(expected.timestamp / 1000.0)))::int as wrong
  from jsonb_to_recordset($1) as expected
    (sensor_id integer, temperature double precision, humidity double precision, timestamp bigint)
  left join sensors as row using (sensor_id)`

/** Returns whether it had to be created. */
export async function createSensorTable(url: string): Promise<boolean> {
  return await createMissingTable(url, 'sensors', CREATE)
}

/** Looks up each row in the table. `expected`: the last reading of each sensor as JSON. */
export async function countRows(url: string, expected: Iterable<string>): Promise<RowNumbers> {
  return await compareRows(url, COMPARE, expected)
}
