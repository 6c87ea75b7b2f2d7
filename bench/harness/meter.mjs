// Counts records and measures what they cost, from the end of the warm-up to the last one.
import { existsSync, readFileSync } from 'node:fs'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'

const delayResolutionMs = 5
/** Threads count in memory that all of them share. */
const pollMs = 5

export class Meter {
  /** Threads add here, with Atomics; `watch` looks at it. */
  shared = new Int32Array(new SharedArrayBuffer(4))
  #count = 0
  #next
  #warmUp
  #last
  #brokerPids
  #start
  #notes = {}
  #notesAtEnd = () => ({})
  #delay = monitorEventLoopDelay({ resolution: delayResolutionMs })
  #resolve
  finished = new Promise((resolve) => (this.#resolve = resolve))

  constructor({ records, warmUp, brokerPids }) {
    this.#warmUp = warmUp
    this.#next = warmUp
    this.#last = warmUp + records
    this.#brokerPids = brokerPids
  }

  /** So many more records are handled. Called for each, or for a batch. */
  count(records = 1) {
    this.#count += records
    if (this.#count >= this.#next) this.#reach()
  }

  /** For records counted in `shared`. */
  watch() {
    setInterval(() => {
      const counted = Atomics.load(this.shared, 0)
      if (counted > this.#count) this.count(counted - this.#count)
    }, pollMs)
  }

  /** A figure of the contender's own. */
  note(name, value) {
    this.#notes[name] = value
  }

  /** Such figures, asked for at the end. */
  noteAtEnd(notes) {
    this.#notesAtEnd = notes
  }

  #reach() {
    if (this.#start === undefined) {
      this.#start = this.#look()
      this.#delay.enable()
      this.#next = this.#last
      return
    }
    this.#next = Infinity
    this.#delay.disable()
    const end = this.#look()
    const records = end.count - this.#start.count
    const seconds = (end.atMs - this.#start.atMs) / 1000
    const delayMs = (ns) => Math.max(0, ns / 1e6 - delayResolutionMs)
    const hasDelay = this.#delay.count > 0
    this.#resolve({
      seconds,
      clockUs: [this.#start.clockUs, end.clockUs],
      recordsPerSecond: records / seconds,
      cpuUs: (end.cpuUs - this.#start.cpuUs) / records,
      brokerCpuUs: end.brokerUs === null ? null : (end.brokerUs - this.#start.brokerUs) / records,
      loopDelayP99Ms: hasDelay ? delayMs(this.#delay.percentile(99)) : seconds * 1000,
      loopDelayMaxMs: hasDelay ? delayMs(this.#delay.max) : seconds * 1000,
      peakRssMb: peakRssMb(),
      notes: { ...mainThread(this.#start, end, records), ...this.#notes, ...this.#notesAtEnd() },
    })
  }

  #look() {
    const { user, system } = process.cpuUsage()
    const brokerUs = this.#brokerPids.length === 0 ? null : this.#brokerPids.reduce((sum, pid) => sum + cpuOf(pid), 0)
    const clockUs = Number(process.hrtime.bigint() / 1000n)
    return {
      atMs: performance.now(),
      clockUs,
      count: this.#count,
      cpuUs: user + system,
      brokerUs,
      main: mainThreadNs(),
    }
  }
}

/** Nanoseconds that the main thread has run, and that it has waited for a core; null where nobody counts them. */
function mainThreadNs() {
  const file = `/proc/self/task/${process.pid}/schedstat`
  return existsSync(file) ? readFileSync(file, 'utf8').split(' ').map(Number) : null
}

/** Microseconds a record that the main thread ran, and that it was ready to while others had the cores. */
function mainThread(start, end, records) {
  if (start.main === null) return {}
  const [mainRunsUs, mainWaitsForCoreUs] = [0, 1].map((at) => (end.main[at] - start.main[at]) / 1000 / records)
  return { mainRunsUs, mainWaitsForCoreUs }
}

/** Of this program alone: what `resourceUsage` tells begins with the process that it was forked from. */
function peakRssMb() {
  // Other systems have nothing better.
  if (!existsSync('/proc/self/status')) return process.resourceUsage().maxRSS / 1024
  const [, kib] = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))
  return Number(kib) / 1024
}

/** User and system time of a process, in microseconds. */
function cpuOf(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The command's name, in parentheses, may contain anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  // In hundredths of a second on every Linux that Node.js runs on.
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}
