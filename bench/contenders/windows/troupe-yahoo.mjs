// Yahoo's streaming benchmark on Troupe with its defaults: views are kept, each is given the campaign of its ad, and the views of each
// campaign are counted in windows of ten seconds. From a backlog, or live at a rate.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import * as troupe from 'troupe'
import { count, defineAggregation, defineHandler, done, json, skip, startSupervisor, text, tumbling } from 'troupe'
import { outputOf, Written } from '../state/written.mjs'
import { checkYahoo } from './checks.mjs'

const reader = fileURLToPath(new URL('finals-reader.mjs', import.meta.url))
const generator = fileURLToPath(new URL('../../windows/yahoo-generator.ts', import.meta.url))
/** A third of the events is views. */
const eventsAView = 3

export async function run(task) {
  const { brokers, topic, group, settings, meter } = task
  const { ads, isKeyed, partitions, rate, warmUpWindows, windowMs } = settings
  const viewsTopic = `${group}-views`
  const written = await Written.begin(task, { others: [viewsTopic], isFromEnd: rate !== null })
  const events = troupe.topic(topic, { value: json(), time: (event) => Number(event.event_time) })
  const campaigns = troupe.topic(ads, { key: text, value: text })
  const views = troupe.topic(viewsTopic, { value: json(), time: (view) => view.time })
  const finals = troupe.topic(outputOf(group), { value: json() })
  const campaignOf = isKeyed ? (table) => table.get() : (table, ad) => table.get(ad)
  const keep = defineHandler({
    name: 'views',
    input: events,
    tables: { campaigns: isKeyed ? troupe.tableOf(campaigns) : troupe.globalTableOf(campaigns) },
    outputs: [views],
    handle(event, { record, tables }) {
      if (event.event_type !== 'view') return skip()
      const campaign = campaignOf(tables.campaigns, event.ad_id)
      if (campaign === undefined) return skip()
      return done([views.record({ campaign, time: Number(event.event_time) }, { partition: record.partition })])
    },
  })
  const counted = defineAggregation({
    name: 'campaigns',
    input: views,
    by: (view) => view.campaign,
    window: tumbling({ sizeMs: windowMs, graceMs: 0 }),
    values: { total: count() },
    outputs: [finals],
    result: ({ key, window, values: { total } }) => [finals.record({ startMs: window.startMs, total }, { key })],
  })
  const child = fork(reader, [], { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  child.send({ brokers, topic: outputOf(group), partitions })
  await once(child, 'message')
  const startFrom = rate === null ? {} : { startFrom: 'latest' }
  const supervisor = await startSupervisor({
    kafka: { brokers, groupId: group },
    actors: [
      { handler: keep, runOn: 'main', order: 'partition', ...startFrom },
      { handler: counted, runOn: 'main' },
    ],
    log: { level: 'error' },
  })
  const times = []
  let newest = 0
  let firstMs = null
  child.on('message', ({ seen }) => {
    for (const { startMs, total, atMs } of seen) {
      firstMs ??= startMs
      newest = Math.max(newest, startMs)
      if (startMs >= firstMs + warmUpWindows * windowMs) times.push(atMs - (startMs + windowMs))
      meter.count(total * eventsAView)
    }
  })
  let stopSending = () => undefined
  if (rate !== null) {
    const isReady = () => supervisor.status().partitions.length >= partitions
    while (!isReady()) await new Promise((resolve) => setTimeout(resolve, 10))
    const sender = fork(generator, [], {
      execArgv: ['--import', 'tsx'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    sender.send({ brokers, topic, rate, partitions, isKeyed })
    stopSending = () => sender.kill('SIGKILL')
  }
  meter.noteAtEnd(async () => {
    stopSending()
    child.kill('SIGKILL')
    await supervisor.stop()
    const quantile = (share) => times.sort((a, b) => a - b)[Math.floor(share * times.length)]
    const latencies = { p50: quantile(0.5), p95: quantile(0.95), p99: quantile(0.99), greatest: quantile(1 - 1e-9) }
    const notes = { ...(await written.perInput()), finals: times.length }
    return rate === null ? { ...notes, ...(await checkYahoo(task)) } : { ...notes, ...latencies }
  })
}
