// What both services of the clicks share: an empty table, and what the database's processes cost.
import { readFileSync, readdirSync } from 'node:fs'
import pg from 'pg'

export async function emptyTable(url) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query('truncate enriched_clicks')
  await client.end()
}

/** Microseconds of CPU of the server and of all its processes, those that have ended included. */
export function databaseCpuUs(serverPid) {
  let ticks = 0
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const fields = statOf(name)
    if (fields === null) continue
    const [parent, user, system, endedUser, endedSystem] = [1, 11, 12, 13, 14].map((at) => Number(fields[at]))
    if (Number(name) === serverPid) ticks += user + system + endedUser + endedSystem
    else if (parent === serverPid) ticks += user + system
  }
  return ticks * 10_000
}

function statOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    // It has ended meanwhile.
    return null
  }
}

/** Notes the database's CPU a click, of all clicks since now. */
export function watchDatabase({ meter, settings, countHandled }) {
  const before = databaseCpuUs(settings.postgresPid)
  meter.noteAtEnd(() => ({
    databaseCpuUs: (databaseCpuUs(settings.postgresPid) - before) / Math.max(1, countHandled()),
  }))
}
