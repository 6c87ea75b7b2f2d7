// Counts records and measures what they cost, from the end of the warm-up to the last one.
import { existsSync, readFileSync } from 'node:fs'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { cpuOf, cpuOfFamily, peakRssMbOf, peakRssMbOfFamily } from './processes.mjs'

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
  /** Whose CPU and memory are taken; null: of this process. */
  #other = null
  #notes = {}
  #notesAtEnd = () => ({})
  #delay = monitorEventLoopDelay({ resolution: delayResolutionMs })
  #resolve
  #reject
  finished = new Promise((resolve, reject) => {
    this.#resolve = resolve
    this.#reject = reject
  })

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

  /** Another process does the work, with all that it starts: its CPU and memory count instead of ours. It has no event loop. */
  follow(pid) {
    this.#other = pid
  }

  /** Such figures, asked for at the end; they may take their time. */
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
    const isOwn = this.#other === null
    const loopDelay = (ns) => (!isOwn ? null : hasDelay ? delayMs(ns) : seconds * 1000)
    const peakRssMb = isOwn ? peakRssMbOfOurs() : peakRssMbOfFamily(this.#other)
    const main = isOwn ? mainThread(this.#start, end, records) : {}
    const resolve = (notes) =>
      this.#resolve({
        seconds,
        clockUs: [this.#start.clockUs, end.clockUs],
        recordsPerSecond: records / seconds,
        cpuUs: (end.cpuUs - this.#start.cpuUs) / records,
        brokerCpuUs: end.brokerUs === null ? null : (end.brokerUs - this.#start.brokerUs) / records,
        loopDelayP99Ms: loopDelay(this.#delay.percentile(99)),
        loopDelayMaxMs: loopDelay(this.#delay.max),
        peakRssMb,
        notes: { ...main, ...this.#notes, ...notes },
      })
    // What is asked at the end may end the contender: it is no part of what was measured.
    const asked = this.#notesAtEnd()
    if (asked instanceof Promise) asked.then(resolve, this.#reject)
    else resolve(asked)
  }

  #look() {
    const brokerUs = this.#brokerPids.length === 0 ? null : this.#brokerPids.reduce((sum, pid) => sum + cpuOf(pid), 0)
    const clockUs = Number(process.hrtime.bigint() / 1000n)
    return {
      atMs: performance.now(),
      clockUs,
      count: this.#count,
      cpuUs: this.#other === null ? cpuOfOurs() : cpuOfFamily(this.#other),
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

function cpuOfOurs() {
  const { user, system } = process.cpuUsage()
  return user + system
}

/** Of this program alone: what `resourceUsage` tells begins with the process that it was forked from. */
function peakRssMbOfOurs() {
  // Other systems have nothing better.
  return existsSync('/proc/self/status') ? peakRssMbOf('self') : process.resourceUsage().maxRSS / 1024
}
