/** The handler: adds the country to each click. It runs on worker threads. */
import { deadLetter, defineHandler, done } from 'troupe'
import { clicks, clickTable, enrichedClicks, type EnrichedClick } from './flows.ts'
import { openGeo } from './geo.ts'

export default defineHandler({
  input: clicks,
  outputs: [enrichedClicks, clickTable],
  setup: ({ shared }) => openGeo(shared('geo')), // once per thread
  handle(click, { setup: geo }) {
    if (!geo.isAddress(click.ip)) return deadLetter(`not an address: ${click.ip}`)
    const enriched: EnrichedClick = { ...click, country: geo.country(click.ip) ?? 'UNKNOWN' }
    return done([enrichedClicks.record(enriched, { key: click.user_id }), clickTable.upsert(enriched)])
  },
})
