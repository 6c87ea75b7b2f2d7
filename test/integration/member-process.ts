/** Starts and ends `members/member.mjs`: a real process, so that it can really be killed. */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Health, SupervisorStatus } from '../../src/index.ts'

const program = fileURLToPath(new URL('./members/member.mjs', import.meta.url))

export interface MemberEnd {
  readonly reason: string
  readonly error?: string
  readonly code: number | null
}

export interface LogLine {
  readonly level: string
  readonly msg: string
  readonly [field: string]: unknown
}

export class MemberProcess {
  /** What it has logged, from `LOG_LEVEL` (default info) on. `SHOW_MEMBERS=1` prints it as well. */
  readonly log: LogLine[] = []
  /** Resolves with how it said that it ended; rejects when it was killed. */
  readonly ended: Promise<MemberEnd>
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
    createInterface({ input: child.stderr! }).on('line', (line) => {
      this.#noteLine(line)
    })
    // Not 'exit': its last lines may come after that.
    const closed = once(child, 'close') as Promise<[number | null]>
    this.ended = this.#message<{ reason: string; error?: string }>('ended').then(async ({ reason, error }) => {
      const [code] = await closed
      return { reason, code, ...(error === undefined ? {} : { error }) }
    })
    // Most are killed, and nobody asks.
    this.ended.catch(() => undefined)
  }

  /** Resolves when the member has joined its group. */
  static async start(env: Readonly<Record<string, string>>): Promise<MemberProcess> {
    const child = fork(program, [], { env: { ...process.env, ...env }, stdio: ['ignore', 'inherit', 'pipe', 'ipc'] })
    const member = new MemberProcess(child)
    await member.#message('started')
    return member
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  async status(): Promise<SupervisorStatus> {
    return (await this.#ask<{ status: SupervisorStatus }>('status')).status
  }

  async health(): Promise<Health> {
    return (await this.#ask<{ health: Health }>('health')).health
  }

  /** A metric's value, summed over the series whose labels contain these. 0: there is none. */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const { text } = await this.#ask<{ text: string }>('metrics')
    const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`)
    const series = text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    const found = series.filter((line) => wanted.every((label) => line.includes(label)))
    return found.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
  }

  /** The lines logged so far that match. */
  logged(pattern: RegExp): LogLine[] {
    return this.log.filter(({ msg }) => pattern.test(msg))
  }

  /** SIGTERM; resolves with how it said it ended, and its exit code. */
  async stop(): Promise<MemberEnd> {
    this.#child.kill('SIGTERM')
    return await this.ended
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    if (!this.isRunning) return
    const closed = once(this.#child, 'close')
    this.#child.kill('SIGKILL')
    await closed
  }

  freeze(): void {
    this.#child.kill('SIGSTOP')
  }

  wake(): void {
    this.#child.kill('SIGCONT')
  }

  async #ask<Answer>(question: string): Promise<Answer> {
    const answer = this.#message<Answer>(question)
    this.#child.send(question)
    return await answer
  }

  #noteLine(line: string): void {
    if (process.env['SHOW_MEMBERS'] === '1') console.error(line)
    try {
      this.log.push(JSON.parse(line) as LogLine)
    } catch {
      // Not the log's: a warning of Node's, a crash.
      this.log.push({ level: 'none', msg: line })
    }
  }

  #message<Message>(type: string): Promise<Message> {
    return new Promise((resolve, reject) => {
      const onClose = (code: number | null, signal: string | null): void => {
        const last = this.log.slice(-5).map(({ msg }) => `\n  ${msg}`)
        reject(new Error(`the member ended (${code ?? signal ?? '?'}) before it said "${type}"${last.join('')}`))
      }
      const onMessage = (message: { type: string }): void => {
        if (message.type !== type) return
        this.#child.off('close', onClose)
        this.#child.off('message', onMessage)
        resolve(message as Message)
      }
      this.#child.on('message', onMessage)
      this.#child.once('close', onClose)
    })
  }
}
