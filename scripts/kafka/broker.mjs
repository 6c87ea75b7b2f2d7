// One broker process of a cluster.
import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { lastLines } from '../java.mjs'
import { notePid } from './leftovers.mjs'
import { countKnownBrokers } from './metadata-probe.mjs'

/**
 * @typedef {import('./settings.mjs').BrokerPlace} BrokerPlace
 * @typedef {{ command: string, options: string[], classPath: string }} Java
 */

const startTimeoutMs = 90_000
const stopTimeoutMs = 30_000

export const logOptions = [
  // Else each JVM leaves a folder in the temporary folder.
  '-XX:-UsePerfData',
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=info',
  '-Dorg.slf4j.simpleLogger.showDateTime=true',
  '-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS',
]

export class BrokerStartError extends Error {
  /**
   * @param {string} message
   * @param {string} brokerLog
   */
  constructor(message, brokerLog) {
    super(`${message}. The end of its log:\n${lastLines(brokerLog, 25)}`)
    this.name = 'BrokerStartError'
    this.brokerLog = brokerLog
  }
}

export class Broker {
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #process
  /** @type {Promise<void>} */
  #ended = Promise.resolve()
  #endIsExpected = false
  #java
  #place
  #folder
  #log

  /**
   * @param {Java} java
   * @param {BrokerPlace} place
   * @param {string} folder the cluster's
   * @param {(line: string) => void} log
   */
  constructor(java, place, folder, log) {
    this.#java = java
    this.#place = place
    this.#folder = folder
    this.#log = log
    this.id = place.id
    this.port = place.port
    this.logFile = join(place.folder, 'broker.log')
  }

  get pid() {
    return this.#process?.pid
  }

  /** Starts it (again, on the same port with the same data) and resolves when it answers. */
  async start() {
    if (this.#process !== undefined) return
    const logStart = existsSync(this.logFile) ? statSync(this.logFile).size : 0
    const logFile = openSync(this.logFile, 'a')
    const args = [...this.#java.options, ...logOptions, '-cp', this.#java.classPath, 'kafka.Kafka']
    // In a session of its own, Ctrl-C in a terminal reaches only us, and we decide what ends when.
    const child = spawn(this.#java.command, [...args, join(this.#place.folder, 'server.properties')], {
      stdio: ['ignore', logFile, logFile],
      detached: true,
      cwd: this.#place.folder,
    })
    closeSync(logFile)
    child.unref()
    this.#process = child
    this.#endIsExpected = false
    if (child.pid !== undefined) notePid(this.#folder, `broker-${this.id}`, child.pid)
    this.#ended = new Promise((resolve) => {
      child.once('error', resolve)
      child.once('exit', resolve)
    }).then(() => {
      if (this.#process === child) this.#process = undefined
      if (!this.#endIsExpected) this.#log(`broker ${this.id} ended by itself (${child.signalCode ?? child.exitCode})`)
    })

    const deadline = Date.now() + startTimeoutMs
    const readLog = () => readFileSync(this.logFile).subarray(logStart).toString('utf8')
    while (!readLog().includes('Kafka Server started')) {
      if (this.#process === undefined)
        throw new BrokerStartError(`Kafka broker ${this.id} ended while starting`, readLog())
      if (Date.now() > deadline) {
        await this.kill()
        throw new BrokerStartError(`Kafka broker ${this.id} was not up after ${startTimeoutMs / 1000} s`, readLog())
      }
      await sleep(25)
    }
    await this.waitUntilItKnows(1)
  }

  /** @param {number} count */
  async waitUntilItKnows(count) {
    const deadline = Date.now() + startTimeoutMs
    while ((await countKnownBrokers(this.#place.host, this.#place.internalPort)) < count) {
      if (Date.now() > deadline || this.#process === undefined) {
        throw new BrokerStartError(
          `Kafka broker ${this.id} does not answer, or not all brokers are known to it`,
          readFileSync(this.logFile, 'utf8'),
        )
      }
      await sleep(25)
    }
  }

  /** Ends it in order: it hands its partitions over first. */
  async stop() {
    this.#signal('SIGCONT')
    this.#signal('SIGTERM')
    const timer = setTimeout(() => this.#signal('SIGKILL'), stopTimeoutMs)
    await this.#ended
    clearTimeout(timer)
  }

  async kill() {
    this.#signal('SIGKILL')
    await this.#ended
  }

  /** Freezes it: connections stay open, nothing answers. */
  pause() {
    this.#signal('SIGSTOP')
  }

  resume() {
    this.#signal('SIGCONT')
  }

  /** @param {NodeJS.Signals} name */
  #signal(name) {
    if (name === 'SIGTERM' || name === 'SIGKILL') {
      this.#endIsExpected = true
      // Somebody waits for its end: that alone must keep this process alive.
      this.#process?.ref()
    }
    // ChildProcess.kill does nothing once the process has been reaped: it can never hit a stranger with the same pid.
    this.#process?.kill(name)
  }
}
