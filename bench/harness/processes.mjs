// What the system tells of processes: CPU and memory, of one or of all that it has started.
import { existsSync, readFileSync, readdirSync } from 'node:fs'

/** User and system time of a process, in microseconds. */
export function cpuOf(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The command's name, in parentheses, may contain anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  // In hundredths of a second on every Linux that Node.js runs on.
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}

/** Its own, and that of all it has started; null where there is no /proc. */
export function cpuOfFamily(pid) {
  return existsSync('/proc/self/stat') ? family(pid).reduce((sum, each) => sum + cpuOf(each), 0) : null
}

export function peakRssMbOfFamily(pid) {
  return existsSync('/proc/self/status') ? family(pid).reduce((sum, each) => sum + peakRssMbOf(each), 0) : null
}

/** The greatest that it ever was, MB. */
export function peakRssMbOf(pid) {
  const [, kib = 0] = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kib) / 1024
}

function family(pid) {
  const tasks = existsSync(`/proc/${pid}/task`) ? readdirSync(`/proc/${pid}/task`) : []
  const children = tasks.flatMap((task) => {
    const file = `/proc/${pid}/task/${task}/children`
    return existsSync(file) ? readFileSync(file, 'utf8').split(' ').filter(Boolean).map(Number) : []
  })
  return tasks.length === 0 ? [] : [pid, ...children.flatMap(family)]
}
