/**
 * Who is measured: a module of `bench/contenders/`, run in a process of its own, so that each has a
 * clean heap, its own JIT, and CPU and memory that are nobody else's.
 */
import { fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import type { BenchKafka } from './bench-kafka.ts'

export interface Contender {
  /** As it is printed. */
  readonly name: string
  /** A file name in `bench/contenders/`. */
  readonly module: string
  /** Without one it needs no broker. */
  readonly topic?: string
  /** Records that are counted, after `warmUp` others. */
  readonly records: number
  readonly warmUp: number
  /** The module's own. */
  readonly settings?: Readonly<Record<string, unknown>>
  /** One of ours: what `--profile` looks at. */
  readonly isProfiled?: boolean
  /** Of Node.js, such as '--max-semi-space-size=64'. */
  readonly nodeOptions?: readonly string[]
  /** 60 unless given: then it is killed. */
  readonly limitSeconds?: number
}

export interface Measurement {
  /** From the end of the warm-up to the last record that counts. */
  readonly seconds: number
  /** The same as times of the machine's clock, which a CPU profile has too. */
  readonly clockUs: readonly [start: number, end: number]
  readonly recordsPerSecond: number
  /** CPU of the process, all its threads, microseconds a record. */
  readonly cpuUs: number
  /** The same of the brokers; null: they are not on this machine. */
  readonly brokerCpuUs: number | null
  /** null: a program in another language has no event loop. */
  readonly loopDelayP99Ms: number | null
  readonly loopDelayMaxMs: number | null
  readonly peakRssMb: number
  /** What the contender noted besides. */
  readonly notes: Readonly<Record<string, number>>
}

interface Answer {
  readonly type: 'measured' | 'failed'
  readonly measurement?: Measurement
  readonly error?: string
}

const program = fileURLToPath(new URL('./contender-process.mjs', import.meta.url))

/** Runs it once, in a group that nobody has used. Rejects when it fails, ends, or takes longer than its limit. */
export async function runContender(
  contender: Contender,
  kafka: BenchKafka | null,
  options: { readonly warmUpOnly?: boolean; readonly profileFolder?: string } = {},
): Promise<Measurement> {
  const profiling = options.profileFolder === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', options.profileFolder]
  const child = fork(program, [], {
    execArgv: [...profiling, ...(contender.nodeOptions ?? []), '--no-warnings'],
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    // A group of its own, so that it ends with all that it has started.
    detached: true,
  })
  const kill = (): void => {
    try {
      process.kill(-child.pid!, 'SIGKILL')
    } catch {
      // All have ended by themselves.
    }
  }
  let errors = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-4_000)
  })
  let exitReason: string | null = null
  const exited = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(exitReason ?? `it ended with ${code ?? signal ?? '?'}`))
  })
  const answered = new Promise<Answer>((resolve) => {
    child.once('message', (message) => resolve(message as Answer))
  })
  child.send({
    module: new URL(`../contenders/${contender.module}`, import.meta.url).href,
    brokers: kafka?.brokers ?? '',
    brokerPids: kafka?.brokerPids ?? [],
    brokerFolders: kafka?.brokerFolders ?? [],
    topic: contender.topic ?? '',
    group: `bench-${randomUUID().slice(0, 8)}`,
    // A tenth is enough for the broker to have warmed up.
    records: options.warmUpOnly === true ? Math.ceil(contender.records / 10) : contender.records,
    warmUp: contender.warmUp,
    settings: contender.settings ?? {},
    endsByItself: options.profileFolder !== undefined,
  })
  const { limitSeconds = 60 } = contender
  const limit = setTimeout(() => {
    exitReason = `not through after ${limitSeconds} s: killed`
    kill()
  }, limitSeconds * 1000)
  try {
    const answer = await Promise.race([answered, exited.then((error): Answer => ({ type: 'failed', error }))])
    if (answer.measurement === undefined) throw new Error(`${contender.name}: ${answer.error ?? '?'}\n${errors}`.trim())
    // The profile is written at a clean end only.
    if (options.profileFolder !== undefined) await exited
    return answer.measurement
  } finally {
    clearTimeout(limit)
    kill()
    await exited
  }
}
