// One member of a group, in a process of its own: starts, says so, stops on SIGTERM, says how it ended.
// HANDLERS are files beside this one, an actor each. KAFKA_OPTIONS, ACTOR_OPTIONS and APP_OPTIONS (JSON) go over what
// stands here; with PG_URL there is a table as well.
import { startSupervisor } from 'troupe'

const given = (name) => JSON.parse(process.env[name] ?? '{}')

async function sinks() {
  if (process.env.PG_URL === undefined) return {}
  const { postgresSink } = await import('troupe/postgres')
  return { sinks: { postgres: postgresSink({ url: process.env.PG_URL }) } }
}

const supervisor = await startSupervisor({
  kafka: { brokers: process.env.BROKERS, groupId: process.env.GROUP, ...given('KAFKA_OPTIONS') },
  actors: (process.env.HANDLERS ?? 'copy.mjs').split(',').map((file) => ({
    handler: new URL(file, import.meta.url),
    runOn: process.env.RUN_ON ?? 'threads',
    order: 'key',
    idHeader: true,
    deadLetter: process.env.DEAD_LETTER_TOPIC ?? null,
    retry: { attempts: 3, backoffMs: 20 },
    ...given('ACTOR_OPTIONS'),
  })),
  ...(await sinks()),
  http: { port: null },
  log: { level: process.env.LOG_LEVEL ?? 'info' },
  ...given('APP_OPTIONS'),
})
process.on('SIGTERM', () => void supervisor.stop())
process.on('message', async (asked) => {
  if (asked === 'status') process.send?.({ type: 'status', status: supervisor.status() })
  if (asked === 'health') process.send?.({ type: 'health', health: supervisor.health() })
  if (asked === 'metrics') process.send?.({ type: 'metrics', text: await supervisor.registry.metrics() })
})
// Whoever started it is gone, and with it whoever would end it.
let hasEnded = false
process.on('disconnect', () => {
  if (!hasEnded) process.kill(process.pid, 'SIGKILL')
})
process.send?.({ type: 'started' })
const end = await supervisor.finished
hasEnded = true
process.send?.({ type: 'ended', reason: end.reason, error: end.error?.message }, () => process.disconnect())
