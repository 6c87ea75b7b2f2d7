/**
 * A Kafka broker without installing any, **for trying out only**: librdkafka's own mock cluster in
 * a process of its own. It speaks the real protocol (produce, fetch, consumer groups), keeps
 * everything in memory, at most about 5 MiB a partition (then the oldest is dropped), and knows no
 * security and no real transactions.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { systemClock } from '../clock.ts'
import { TroupeError } from '../errors.ts'
import { ownProgram } from '../own-program.ts'
import type { BrokerReply } from './broker-process.ts'

export interface EmbeddedBrokerOptions {
  /** Number of brokers in the cluster; 1 unless given. */
  readonly brokers?: number
  /** Topics that are there from the start, with four partitions each. Troupe itself makes none. */
  readonly topics?: readonly string[]
}

export interface EmbeddedBroker {
  /** `127.0.0.1:port`, several separated by commas; for `kafka.brokers`. */
  readonly bootstrapServers: string
  /** Ends the broker; what it kept is gone. Idempotent. */
  stop(): Promise<void>
}

/** Partitions of a topic on the embedded broker. Topics are there from the start, or come into being when a client asks for them. */
export const EMBEDDED_PARTITIONS = 4

const START_TIMEOUT_MS = 30_000

/**
 * Starts a broker for this process: about half a second. It ends with this process, however that
 * ends. Rejects with BROKER_UNREACHABLE, and says why.
 *
 * It runs in a process of its own so that its memory and CPU are not the supervisor's.
 */
export async function startEmbeddedBroker(options: EmbeddedBrokerOptions = {}): Promise<EmbeddedBroker> {
  const child = forkBroker(options.brokers ?? 1, options.topics ?? [])
  const errors: string[] = []
  child.stderr?.setEncoding('utf8').on('data', (text: string) => errors.push(text))
  try {
    const reply = await awaitReply(child, errors)
    if (reply.type === 'failed') throw new TroupeError(reply.code, `the embedded broker did not start: ${reply.reason}`)
    // Nothing here keeps the process alive.
    child.unref()
    child.channel?.unref()
    child.stderr?.destroy()
    return { bootstrapServers: reply.bootstrapServers, stop: () => endProcess(child) }
  } catch (error) {
    await endProcess(child)
    throw error
  }
}

function forkBroker(brokers: number, topics: readonly string[]): ChildProcess {
  const entry = ownProgram('./embedded/broker-process')
  const isSource = entry.pathname.endsWith('.ts')
  // Run from its TypeScript source (in this package's own tests) it needs what compiles on the fly.
  const tsx = (): string => pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
  return fork(fileURLToPath(entry), [String(brokers), ...topics], {
    // A session of its own: the terminal's Ctrl-C goes to our group, not to the broker.
    detached: true,
    execArgv: isSource ? ['--import', tsx()] : [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
}

async function awaitReply(child: ChildProcess, errors: readonly string[]): Promise<BrokerReply> {
  return await new Promise((resolve, reject) => {
    const fail = (reason: string): void => {
      reject(new TroupeError('BROKER_UNREACHABLE', `the embedded broker did not start: ${reason}`))
    }
    const cancelTimer = systemClock.after(START_TIMEOUT_MS, () => fail(`no answer within ${START_TIMEOUT_MS / 1000} s`))
    child.once('message', (message) => {
      cancelTimer()
      resolve(message as BrokerReply)
    })
    child.once('error', (error) => {
      cancelTimer()
      fail(error.message)
    })
    child.once('exit', (code, signal) => {
      cancelTimer()
      fail(`its process ended (${signal ?? String(code)}): ${errors.join('').trim().split('\n').slice(-5).join('; ')}`)
    })
  })
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  await new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.ref()
    child.kill('SIGKILL')
  })
}
