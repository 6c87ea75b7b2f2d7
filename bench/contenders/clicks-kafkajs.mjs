// The same clicks by a good service written by hand: a batch of a partition at a time is checked, looked up, written to
// Kafka and PostgreSQL in one request each, and only then committed. Checks and countries are the example's own.
import { readFileSync } from 'node:fs'
import pg from 'pg'
import { register } from 'tsx/esm/api'
import { emptyTable, watchDatabase } from './clicks-database.mjs'
import { connectKafkajs, subscribeKafkajs } from './kafkajs.mjs'

const upsert = `
  insert into enriched_clicks (user_id, session_id, timestamp, url, ip, country)
  select * from unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::text[], $5::inet[], $6::text[])
  on conflict (user_id, timestamp) do update
  set session_id = excluded.session_id, url = excluded.url, ip = excluded.ip, country = excluded.country`

const columns = ['user_id', 'session_id', 'timestamp', 'url', 'ip', 'country']

/**
 * Half of the default. All of a batch goes to one partition again, as one batch of the producer, with a country more to
 * each click; beyond 1 MB the broker refuses it, each time.
 */
const maxBytesPerPartition = 512 * 1024

export async function run({ brokers, topic, group, settings, meter }) {
  register()
  const { checkClick } = await import('../../examples/clicks/flows.ts')
  const { geoFile, openGeo } = await import('../../examples/clicks/geo.ts')
  const geo = openGeo(readFileSync(geoFile))
  await emptyTable(settings.postgresUrl)
  const pool = new pg.Pool({ connectionString: settings.postgresUrl, max: settings.concurrency })
  const kafka = connectKafkajs(brokers)
  const producer = kafka.producer()
  await producer.connect()
  const consumer = await subscribeKafkajs({ kafka, topic, group, maxBytesPerPartition })
  let finished = 0
  watchDatabase({ meter, settings, countHandled: () => finished })

  function enrich(message) {
    try {
      const click = checkClick(JSON.parse(message.value))
      if (!geo.isAddress(click.ip)) return null
      return { ...click, country: geo.country(click.ip) ?? 'UNKNOWN' }
    } catch {
      return null
    }
  }

  await consumer.run({
    partitionsConsumedConcurrently: settings.concurrency,
    eachBatch: async ({ batch, heartbeat }) => {
      const good = []
      const broken = []
      // The last click of a key is the one that stays; twice in one statement it would be refused.
      const rows = new Map()
      for (const message of batch.messages) {
        const click = enrich(message)
        if (click === null) {
          broken.push({ key: message.key, value: message.value, headers: message.headers })
          continue
        }
        good.push({ key: String(click.user_id), value: JSON.stringify(click) })
        rows.set(`${click.user_id} ${click.timestamp}`, click)
      }
      const topicMessages = [{ topic: 'enriched_clicks', messages: good }]
      if (broken.length > 0) topicMessages.push({ topic: 'user_clicks_dlq', messages: broken })
      const values = columns.map((name) => Array.from(rows.values(), (row) => row[name]))
      await Promise.all([producer.sendBatch({ topicMessages }), pool.query({ name: 'upsert', text: upsert, values })])
      finished += batch.messages.length
      meter.count(batch.messages.length)
      await heartbeat()
    },
  })
}
