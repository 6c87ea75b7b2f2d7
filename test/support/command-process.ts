/** A command as a user starts it: a process of its own, with what it says and how it ends. */
import { spawn, type ChildProcess } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const cli = `${root}dist/supervisor/cli/cli.js`

export interface CommandEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>
  /** An ordinary user, for tests that run as root. */
  readonly uid?: number | undefined
}

export class CommandProcess {
  /** Resolves when it has ended and everything it said was read. */
  readonly ended: Promise<CommandEnd>
  readonly #child: ChildProcess
  #stdout = ''
  #stderr = ''

  private constructor(child: ChildProcess) {
    this.#child = child
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text))
    this.ended = once(child, 'close').then(([code, signal]: unknown[]) => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
      stdout: this.#stdout,
      stderr: this.#stderr,
    }))
  }

  /** `node program …args`, in the repository's root, with nothing of Troupe's in its environment but `env`. */
  static node(program: string, args: readonly string[], { env = {}, uid }: CommandOptions = {}): CommandProcess {
    const inherited = Object.entries(process.env).filter(([name]) => !/^(TROUPE|KAFKA|PG|VITEST)/.test(name))
    const child = spawn(process.execPath, [program, ...args], {
      cwd: root,
      env: { ...Object.fromEntries(inherited), NODE_ENV: 'production', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(uid === undefined ? {} : { uid, gid: uid }),
    })
    return new CommandProcess(child)
  }

  /** `troupe …args`, as built. */
  static troupe(args: readonly string[], options: CommandOptions = {}): CommandProcess {
    return CommandProcess.node(cli, args, options)
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  /** What it has said on standard error so far. */
  get stderr(): string {
    return this.#stderr
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  /** SIGTERM; resolves when it has ended. */
  async stop(): Promise<CommandEnd> {
    this.signal('SIGTERM')
    return await this.ended
  }

  /** SIGKILL, also when it has ended already. */
  async kill(): Promise<void> {
    if (this.isRunning) this.signal('SIGKILL')
    await this.ended
  }
}

/** One that nobody listens on now, below the range from which outgoing connections take theirs meanwhile. */
export async function findFreePort(): Promise<number> {
  for (;;) {
    const port = randomInt(12_000, 32_000)
    const server = createServer().listen(port, '127.0.0.1')
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
}
