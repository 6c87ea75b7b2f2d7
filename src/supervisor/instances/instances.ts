/**
 * Several processes of one app, in one group: starts them, starts one again that has ended, stops
 * them all. Who reads which partitions the brokers decide, as between hosts.
 *
 * An instance is
 * - starting    its process loads, connects and joins. → running, restarting, ended.
 * - running     it has joined. → restarting, ended.
 * - restarting  its process has ended; another one follows after a back-off. → starting, ended.
 * - ended       for good: all of them stop.
 */
import type { Clock } from '../../clock.ts'
import { TroupeError, describeError, isTroupeError, type ErrorCode } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { ResolvedApp } from '../../options/options.ts'
import type { EngineEnd } from '../engine.ts'
import type { InstanceEnd, InstanceProcess } from './instance-process.ts'
import type { MergedMetrics } from './merged-metrics.ts'
import { RestartPolicy } from '../restart-policy.ts'

export interface InstancesParts {
  readonly count: number
  /** Instances are counted from 1 on. */
  readonly launch: (instance: number) => InstanceProcess
  readonly restart: ResolvedApp['restart']
  /** A process that takes longer to stop is ended. */
  readonly stopTimeoutMs: number
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Pick<MergedMetrics, 'note' | 'retire'>
}

export type InstanceState = 'starting' | 'running' | 'restarting' | 'ended'
export const instanceStates: readonly InstanceState[] = ['starting', 'running', 'restarting', 'ended']

export interface Instance {
  readonly number: number
  readonly state: InstanceState
  /** Null: there is none for now. */
  readonly process: InstanceProcess | null
  readonly restarts: number
  /** How its process before this one ended; null: it is the first. */
  readonly lastEnd: string | null
}

type Slot = { -readonly [Field in keyof Instance]: Instance[Field] } & {
  /** Whether any process of it has ever joined. */
  hasJoined: boolean
  /** When a process of it ended without having left its group. */
  crashedAtMs: number
  cancelRestart: () => void
}

/** A crash costs the totals at most what was counted since the last look. */
const LOOK_INTERVAL_MS = 5000

/** A server that is away keeps a process from its start, and the next one as well: others would only end with it. */
const outages: ReadonlySet<string> = new Set([
  'BROKER_UNREACHABLE',
  'DATABASE_UNREACHABLE',
  'SCHEMA_REGISTRY_REFUSED',
  'SCHEMA_REGISTRY_UNREACHABLE',
  'SINK_UNAVAILABLE',
] satisfies ErrorCode[])

/**
 * With the KIP-848 protocol brokers refuse a static member while the one of its crashed process is in the group, which
 * is until its session has ended: after 45 s by default, 60 s at most unless a broker allows more.
 */
const CRASHED_MEMBER_MS = 90_000
const CRASHED_MEMBER_RETRY_MS = 5000

export class Instances {
  /** Resolves when all have ended, and says how. Never rejects. */
  readonly finished: Promise<EngineEnd>
  readonly #parts: InstancesParts
  readonly #slots: readonly Slot[]
  readonly #restarts: RestartPolicy
  #isStopping = false
  #failure: Error | null = null
  #asked = 0
  #cancelLook: () => void = () => undefined
  #cancelKill: () => void = () => undefined
  #resolveFinished: (end: EngineEnd) => void = () => undefined

  constructor(parts: InstancesParts) {
    this.#parts = parts
    this.#restarts = new RestartPolicy(parts.restart)
    this.finished = new Promise((resolve) => {
      this.#resolveFinished = resolve
    })
    this.#slots = Array.from({ length: parts.count }, (_, index) => ({
      number: index + 1,
      state: 'starting',
      process: null,
      restarts: 0,
      lastEnd: null,
      hasJoined: false,
      crashedAtMs: Number.NEGATIVE_INFINITY,
      cancelRestart: () => undefined,
    }))
  }

  /** Call it once. */
  start(): void {
    if (this.#isStopping) return
    for (const slot of this.#slots) this.#launch(slot)
    this.#lookLater()
  }

  get all(): readonly Instance[] {
    return this.#slots
  }

  get isStopping(): boolean {
    return this.#isStopping
  }

  /** Drains and ends all of them. Idempotent. */
  stop(): void {
    if (this.#isStopping) return
    this.#isStopping = true
    this.#cancelLook()
    const { clock, log, stopTimeoutMs } = this.#parts
    for (const slot of this.#slots) {
      slot.cancelRestart()
      if (slot.process === null) slot.state = 'ended'
      else slot.process.stop()
    }
    this.#cancelKill = clock.after(stopTimeoutMs, () => {
      for (const { number, process } of this.#slots) {
        if (process === null) continue
        log.error({ instance: number }, `instance ${number} has not stopped within ${stopTimeoutMs} ms and is ended`)
        process.kill()
      }
    })
    this.#finishIfAllEnded()
  }

  /** Ends all of them at once; what they had in flight is handled again. */
  kill(): void {
    this.stop()
    for (const { process } of this.#slots) process?.kill()
  }

  /** Asks all that run for their metrics. One that does not answer keeps what it said last. */
  async refreshMetrics(): Promise<void> {
    const asked = ++this.#asked
    await Promise.all(
      this.#slots.map(async (slot) => {
        const { process, state } = slot
        if (process === null || state !== 'running') return
        try {
          const metrics = await process.ask('metrics')
          // Its last answer stands already for one that has ended meanwhile.
          if (slot.process === process) this.#parts.metrics.note(String(slot.number), asked, metrics)
        } catch (error) {
          this.#parts.log.debug({ instance: slot.number, error: describeError(error) }, 'no metrics from an instance')
        }
      }),
    )
  }

  #launch(slot: Slot): void {
    const process = this.#parts.launch(slot.number)
    slot.process = process
    slot.state = 'starting'
    void process.started.then(() => {
      if (slot.process !== process) return
      slot.state = 'running'
      slot.hasJoined = true
    })
    void process.ended.then((end) => {
      this.#noteEnd(slot, end)
    })
  }

  #noteEnd(slot: Slot, end: InstanceEnd): void {
    const { clock, log, metrics, restart } = this.#parts
    const hadStarted = slot.state !== 'starting'
    slot.process = null
    slot.lastEnd = describeEnd(end)
    metrics.retire(String(slot.number))
    const what = `instance ${slot.number} ${slot.lastEnd}`
    if (this.#isStopping) {
      slot.state = 'ended'
      if (!isClean(end, hadStarted))
        this.#failure ??= end.error ?? new TroupeError('INSTANCE_FAILED', `${what} while it stopped`)
      this.#finishIfAllEnded()
      return
    }
    if (end.error !== null && !slot.hasJoined) {
      // As one process would end at its start; the others would say the same.
      this.#fail(slot, end.error)
      return
    }
    const delayMs = this.#restartDelayMs(slot, end.error)
    if (delayMs === null) {
      const message = `instances ended more than ${restart.max} times within ${restart.windowMs} ms; the last: ${what}`
      this.#fail(slot, new TroupeError('RESTARTS_EXHAUSTED', message, { cause: end.error ?? undefined }))
      return
    }
    slot.state = 'restarting'
    slot.cancelRestart = clock.after(delayMs, () => {
      slot.restarts += 1
      this.#launch(slot)
    })
    log.error({ instance: slot.number, delayMs }, `${what}; it is started again`)
  }

  /** How long to wait before the next process; null: it happens too often. Waiting for others is nobody's failure. */
  #restartDelayMs(slot: Slot, error: Error | null): number | null {
    const nowMs = this.#parts.clock.now()
    if (error === null) slot.crashedAtMs = nowMs
    const code = isTroupeError(error) ? error.code : null
    if (code !== null && outages.has(code)) return this.#restarts.outageDelayMs
    const mayBeItself = nowMs - slot.crashedAtMs < CRASHED_MEMBER_MS
    if (code === 'FENCED' && mayBeItself) return Math.max(CRASHED_MEMBER_RETRY_MS, this.#restarts.outageDelayMs)
    return this.#restarts.noteFailure(nowMs)
  }

  #fail(slot: Slot, error: Error): void {
    slot.state = 'ended'
    this.#failure = error
    this.stop()
  }

  #finishIfAllEnded(): void {
    if (this.#slots.some(({ process }) => process !== null)) return
    this.#cancelKill()
    this.#resolveFinished(this.#failure === null ? { reason: 'stopped' } : { reason: 'failed', error: this.#failure })
  }

  #lookLater(): void {
    this.#cancelLook = this.#parts.clock.after(LOOK_INTERVAL_MS, () => {
      void this.refreshMetrics().then(() => {
        if (!this.#isStopping) this.#lookLater()
      })
    })
  }
}

function isClean({ code, error, signal }: InstanceEnd, hadStarted: boolean): boolean {
  // Ctrl-C and a terminal that closes reach every process, and one that is still loading does not listen yet.
  const isStopSignal = signal === 'SIGINT' || signal === 'SIGTERM' || signal === 'SIGHUP'
  return error === null && (code === 0 || (isStopSignal && !hadStarted))
}

function describeEnd({ code, error, signal }: InstanceEnd): string {
  if (error !== null) return `has failed: ${describeError(error)}`
  return signal === null ? `has ended with exit code ${code ?? '?'}` : `was ended by ${signal}`
}
