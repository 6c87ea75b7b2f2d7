import { errorTable } from '../../../src/error-table.ts'
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadHandler } from '../../../src/actors/handlers/handler-module.ts'
import { tryHandler } from '../../../src/actors/handlers/handler-trial.ts'
import { silentLog } from '../../../src/log.ts'
import { TroupeError } from '../../../src/errors.ts'
import { listFlags } from '../../../src/options/docs.ts'
import { flagName } from '../../../src/options/names.ts'
import { runCommandLine, type CommandContext } from '../../../src/supervisor/cli/command-line.ts'
import { onStopSignal } from '../../../src/supervisor/cli/signals.ts'
import type { InstancesRun } from '../../../src/supervisor/instances/instance-parent.ts'
import type { StartOptions, SupervisorEnd } from '../../../src/supervisor/supervisor.ts'

const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))
const app = fixture('app.ts')

interface Ended {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
  readonly started: readonly StartOptions[]
  /** Runs of several processes. */
  readonly runs: readonly InstancesRun[]
}

/** Runs one command line in this process; the supervisor ends at once, or as `end` says. */
async function troupe(
  args: readonly string[],
  { env = {}, end }: { env?: CommandContext['env']; end?: TroupeError } = {},
): Promise<Ended> {
  let stdout = ''
  let stderr = ''
  const started: StartOptions[] = []
  const runs: InstancesRun[] = []
  const ended = (): Promise<SupervisorEnd> =>
    Promise.resolve(end === undefined ? { reason: 'stopped' } : { reason: 'failed', error: end })
  const exitCode = await runCommandLine(args, {
    env,
    stdout: (text) => (stdout += text),
    stderr: (text) => (stderr += text),
    startSupervisor: (_app, options) => {
      started.push(options)
      return Promise.resolve({ finished: ended(), stop: () => Promise.resolve() })
    },
    startInstances: (run) => {
      runs.push(run)
      return Promise.resolve({ finished: ended(), kill: () => undefined })
    },
    // A thread loads what is built.
    tryModule: ({ actor, url, shared }) => tryHandler(actor, () => loadHandler(url), shared, silentLog),
  })
  return { exitCode, stdout, stderr, started, runs }
}

/** As on a terminal. */
const forPeople = ['--log-format', 'pretty']
const quiet = ['--log-level', 'silent', ...forPeople]

describe('help', () => {
  test('troupe --help says what there is, with examples', async () => {
    const { exitCode, stdout } = await troupe(['--help'])
    expect(exitCode).toBe(0)
    for (const part of ['run [options] <module>', 'check [options] <module>', 'Examples:', 'TROUPE_HTTP_PORT']) {
      expect(stdout).toContain(part)
    }
  })

  test('troupe run --help has every flag of the table', async () => {
    const { exitCode, stdout } = await troupe(['run', '--help'])
    expect(exitCode).toBe(0)
    for (const { path } of listFlags()) expect(stdout).toContain(`${flagName(path)} <`)
    expect(stdout).toContain('--kafka-client <key=value>')
    expect(stdout).toContain('--actor <name.option=value>')
  })

  test('--version is the version of the package', async () => {
    const { version } = createRequire(import.meta.url)('../../../package.json') as { version: string }
    expect(await troupe(['--version'])).toMatchObject({ exitCode: 0, stdout: `${version}\n` })
  })
})

describe('usage', () => {
  test.each([
    [['run'], "missing required argument 'module'"],
    [['rnu', app], "unknown command 'rnu'\n(Did you mean run?)"],
    [['run', app, '--http-prot', '80'], "unknown option '--http-prot'\n(Did you mean --http-port?)"],
    [['run', app, '--actor', 'enrich'], 'It has to be name=value.'],
    [['run', app, '--http-port'], "option '--http-port <port>' argument missing"],
    [[], 'Usage: troupe'],
  ])('%j ends with 2 and says %s', async (args, text) => {
    const { exitCode, stderr, started } = await troupe(args)
    expect(exitCode).toBe(2)
    expect(stderr).toContain(text)
    expect(stderr).not.toContain('    at ')
    expect(started).toEqual([])
  })
})

describe('run', () => {
  test('hands flags, environment and the place of the module to the supervisor', async () => {
    const env = { TROUPE_DRAIN_TIMEOUT_MS: '1000' }
    const args = ['--http-port', '0', '--kafka-client', 'sasl.username=a=b', '--actor', 'handler.order=partition']
    const { exitCode, stderr, started } = await troupe(['run', app, ...quiet, ...args], { env })
    expect(stderr).toBe('')
    expect(exitCode).toBe(0)
    expect(started[0]?.sources).toEqual({
      flags: {
        'log.level': 'silent',
        'log.format': 'pretty',
        'http.port': '0',
        'kafka.client.sasl.username': 'a=b',
        'actors.handler.order': 'partition',
      },
      env,
      baseUrl: pathToFileURL(app),
      isCli: true,
    })
  })

  test('several instances are started instead of one supervisor, with the same flags', async () => {
    const args = ['run', app, ...quiet, '--instances', '3', '--http-port', '9100']
    const { exitCode, runs, started } = await troupe(args)
    expect(exitCode).toBe(0)
    expect(started).toEqual([])
    expect(runs).toHaveLength(1)
    const flags = { 'log.level': 'silent', 'log.format': 'pretty', instances: '3', 'http.port': '9100' }
    expect(runs[0]).toMatchObject({ module: app, flags, options: { instances: 3, http: { port: 9100 } } })
    const end = new TroupeError('TOPIC_MISSING', 'topic clicks does not exist')
    expect(await troupe(args, { end })).toMatchObject({ exitCode: 1 })
  })

  test('one instance is one supervisor', async () => {
    const { runs, started } = await troupe(['run', app, ...quiet, '--instances', '1'])
    expect(runs).toEqual([])
    expect(started).toHaveLength(1)
  })

  test('scrapes show the process beside the supervisor', async () => {
    const { started } = await troupe(['run', app, ...quiet])
    expect(await started[0]?.registry?.metrics()).toContain('process_resident_memory_bytes')
  })

  test('a .js that is not there stands for the .ts beside it', async () => {
    const { exitCode } = await troupe(['run', app.replace(/\.ts$/, '.js'), ...quiet])
    expect(exitCode).toBe(0)
  })

  test('wrong options end with 2, all problems at once, before anything starts', async () => {
    const args = ['run', app, ...quiet, '--commit-interval-ms', '5s', '--actor', 'enrich.order=key']
    const { exitCode, stderr, started } = await troupe(args, { env: { TROUPE_HTTP_PROT: '1' } })
    expect(exitCode).toBe(2)
    expect(stderr).toMatch(/^error OPTIONS_INVALID: 3 options are wrong:\n/)
    expect(stderr).toContain("commitIntervalMs: '5s' is not a whole number of milliseconds")
    expect(stderr).toContain('--actor enrich.order: unknown option')
    expect(stderr).toContain('TROUPE_HTTP_PROT: unknown option, did you mean TROUPE_HTTP_PORT?')
    expect(stderr).toContain(`\nwhat to do: ${errorTable.OPTIONS_INVALID.action}\n`)
    expect(started).toEqual([])
  })

  test('a failure ends with 1, in two lines: what and where, and what to do', async () => {
    const end = new TroupeError('TOPIC_MISSING', 'topic clicks does not exist', { cause: new Error('inner') })
    const { exitCode, stderr } = await troupe(['run', app, ...quiet], { end })
    expect(exitCode).toBe(1)
    expect(stderr).toBe(
      'error TOPIC_MISSING: topic clicks does not exist\n' + `what to do: ${errorTable.TOPIC_MISSING.action}\n`,
    )
  })

  test('where no terminal reads it, all that a run says is JSON, why it ends included, at any level', async () => {
    const end = new TroupeError('TOPIC_MISSING', 'topic clicks does not exist')
    const silent = ['--log-level', 'silent']
    const line = { level: 'error', code: 'TOPIC_MISSING', action: errorTable.TOPIC_MISSING.action, msg: end.message }
    const failed = await troupe(['run', app, ...silent], { end })
    expect(JSON.parse(failed.stderr)).toMatchObject(line)
    const wrong = await troupe(['run', app, ...silent, '--commit-interval-ms', '5s'])
    expect(JSON.parse(wrong.stderr)).toMatchObject({ level: 'error', code: 'OPTIONS_INVALID' })
    const gone = await troupe(['run', fixture('none.ts')])
    expect(JSON.parse(gone.stderr)).toMatchObject({ level: 'error', code: 'APP_NOT_LOADED' })
    const bug = await troupe(['run', app, ...silent], { end: new TroupeError('INTERNAL', 'impossible') })
    expect(JSON.parse(bug.stderr)).toMatchObject({
      error: { stack: expect.stringContaining('cli.test.ts') as unknown },
    })
  })

  // Case 58.
  test('a stop that comes before the start has ended is a stop: 0, and no message', async () => {
    let stderr = ''
    const exitCode = await runCommandLine(['run', app, ...quiet], {
      env: {},
      stdout: () => undefined,
      stderr: (text) => (stderr += text),
      startSupervisor: () => Promise.reject(new TroupeError('START_STOPPED', 'stopped before it had started')),
      startInstances: () => Promise.reject(new Error('one process only')),
    })
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
  })

  test('the stack is there on demand', async () => {
    const end = new TroupeError('TOPIC_MISSING', 'topic clicks does not exist')
    const { stderr } = await troupe(['run', app, '--log-level=silent', ...forPeople], {
      end,
      env: { TROUPE_LOG_LEVEL: 'debug' },
    })
    expect(stderr).not.toContain('    at ')
    const debug = await troupe(['run', fixture('none.ts'), '--log-level', 'debug', ...forPeople])
    expect(debug.stderr).toContain('    at ')
    const fromEnv = await troupe(['run', fixture('none.ts'), ...forPeople], { env: { TROUPE_LOG_LEVEL: 'debug' } })
    expect(fromEnv.stderr).toContain('    at ')
  })

  test('leaves no signal listeners behind', async () => {
    const count = (): number =>
      ['SIGTERM', 'SIGINT', 'SIGHUP'].reduce((sum, signal) => sum + process.listenerCount(signal), 0)
    const before = count()
    await troupe(['run', app, ...quiet])
    await troupe(['run', fixture('none.ts')])
    expect(count()).toBe(before)
    const remove = onStopSignal(
      () => undefined,
      () => undefined,
    )
    expect(count()).toBe(before + 3)
    remove()
    expect(count()).toBe(before)
  })
})

describe('a module that is no app', () => {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'troupe-cli-'))
  })
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true })
  })

  test.each([
    ['missing.js', null, 'does not exist'],
    ['package.mjs', "import 'no-such-package'\n", "Cannot find package 'no-such-package'"],
    ['throws.mjs', "throw new Error('no database\\nand more')\n", 'does not load: Error: no database'],
    ['empty.mjs', 'export const app = 1\n', 'has no default export; it needs `export default defineApp({…})`'],
    ['object.mjs', 'export default { kafka: {} }\n', 'exports something else as default'],
    [
      'handler.mjs',
      "export default { kind: 'handler', handle() {} }\n",
      'exports a handler as default; run the app that lists it',
    ],
  ])('%s: %s', async (name, content, text) => {
    const path = join(folder, name)
    if (content !== null) await writeFile(path, content)
    const { exitCode, stderr } = await troupe(['run', path, ...forPeople])
    expect(exitCode).toBe(1)
    expect(stderr).toContain(`error APP_NOT_LOADED: ${path}`)
    expect(stderr).toContain(text)
    expect(stderr.trim().split('\n')).toHaveLength(2)
    expect(stderr).not.toContain('    at ')
  })
})

describe('check', () => {
  test('prints the options in force on standard output, without secrets', async () => {
    const { exitCode, stdout, stderr, started } = await troupe(['check', app, '--http-port', '9100'])
    expect(stderr).toBe('')
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/^http\.port +9100$/m)
    expect(stdout).toMatch(/^kafka\.client\.sasl\.password +\*\*\*$/m)
    expect(stdout).toContain(fixture('handler.ts'))
    expect(stdout).not.toContain('hunter2')
    expect(started).toEqual([])
  })

  test('names a handler module that is not there', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'troupe-cli-'))
    const path = join(folder, 'app.mjs')
    const definition = `{ kafka: { brokers: 'a:1', groupId: 'g' }, actors: [{ handler: './gone.js' }] }`
    await writeFile(path, `export default { kind: 'app', definition: ${definition} }\n`)
    const { exitCode, stderr } = await troupe(['check', path])
    expect(exitCode).toBe(1)
    expect(stderr).toContain(`error HANDLER_NOT_LOADED: actor gone: handler module ${join(folder, 'gone.js')}`)
    await rm(folder, { recursive: true })
  })
})

// Each starts Node.js and compiles; a busy machine takes its time.
describe('graph', () => {
  test('draws the flow of an app without asking a server: for Mermaid, as text or as JSON', async () => {
    const drawn = await troupe(['graph', app])
    expect(drawn).toMatchObject({ exitCode: 0, stderr: '' })
    expect(drawn.stdout).toContain('flowchart LR')
    expect((await troupe(['graph', app, '--as', 'text'])).stdout).toContain('reads         ')
    const asJson = JSON.parse((await troupe(['graph', app, '--as', 'json'])).stdout) as unknown
    expect(asJson).toMatchObject([{ what: 'handler', keeps: [], changelog: null }])
  })

  test('ends with what an actor does not load for', async () => {
    const path = join(tmpdir(), `no-handler-${process.pid}.mjs`)
    const appText = readFileSync(app, 'utf8').replace('./handler.ts', './is-not-there.ts')
    await writeFile(path, appText.replace('../../../../src/app.ts', pathToFileURL('src/app.ts').href))
    const { exitCode, stderr } = await troupe(['graph', path])
    await rm(path)
    expect(exitCode).toBe(1)
    expect(stderr).toContain('HANDLER_NOT_LOADED')
  })
})

describe('the process', { timeout: 120_000 }, () => {
  interface Child {
    readonly child: ChildProcess
    readonly said: () => string
    /** Resolves when standard error contains the text. */
    readonly says: (text: string) => Promise<void>
    readonly ended: Promise<{ code: number | null; signal: string | null; afterMs: number }>
  }

  function launch(script: string, args: readonly string[], env: Record<string, string> = {}): Child {
    return follow([process.execPath, '--import', 'tsx', script, ...args], env)
  }

  function follow([program = '', ...args]: readonly string[], env: Record<string, string>): Child {
    const startedAt = performance.now()
    const child = spawn(program, args, { env: { ...process.env, ...env } })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    const ended = new Promise<Awaited<Child['ended']>>((resolve) => {
      child.once('close', (code, signal) => resolve({ code, signal, afterMs: performance.now() - startedAt }))
    })
    const says = async (text: string): Promise<void> =>
      await new Promise((resolve, reject) => {
        const look = (): void => {
          if (stderr.includes(text)) resolve()
        }
        child.stderr.on('data', look)
        child.once('close', () => reject(new Error(`ended without saying ${text}: ${stderr}`)))
        look()
      })
    return { child, said: () => stderr, says, ended }
  }

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('%s drains, then the process ends with 0', async (signal) => {
    const { child, said, says, ended } = launch(fixture('troupe.ts'), ['run', app, ...quiet], { DRAIN_MS: '50' })
    await says('started')
    child.kill(signal)
    expect(await ended).toMatchObject({ code: 0, signal: null })
    expect(said()).toContain(`${signal}: finishing what is in flight`)
    expect(said()).not.toContain('held open')
  })

  test('where no terminal reads it, what it says at its end is JSON too: of a signal, and of what keeps it alive', async () => {
    const { child, said, says, ended } = launch(fixture('troupe.ts'), ['run', app, '--log-level', 'silent'], {
      LEAK_MS: '60000',
    })
    await says('started')
    child.kill('SIGTERM')
    expect(await ended).toMatchObject({ code: 0 })
    const lines = said().trim().split('\n').slice(1)
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
      expect.stringContaining('SIGTERM: finishing what is in flight'),
      expect.stringContaining('still held open'),
    ])
  })

  test('an error that nobody has caught is one line of the log, and ends it with 1', async () => {
    const { said, says, ended } = launch(fixture('troupe.ts'), ['run', app, '--log-level', 'silent'], { CRASH: '1' })
    await says('nobody has caught')
    expect(await ended).toMatchObject({ code: 1 })
    const last = JSON.parse(said().trim().split('\n').at(-1) ?? '') as unknown
    expect(last).toMatchObject({ level: 'error', error: { message: 'astray' } })
  })

  test('a second signal ends it at once, by that signal', async () => {
    const { child, said, says, ended } = launch(fixture('troupe.ts'), ['run', app, ...quiet], { DRAIN_MS: '60000' })
    await says('started')
    child.kill('SIGTERM')
    await says('finishing')
    child.kill('SIGINT')
    expect(await ended).toMatchObject({ code: null, signal: 'SIGINT' })
    expect(said()).toContain('SIGINT again: ended at once')
  })

  test('the same signal twice at once is one: npm passes on a Ctrl-C that the terminal has sent already', async () => {
    const { child, says, ended } = launch(fixture('troupe.ts'), ['run', app, ...quiet], { DRAIN_MS: '50' })
    await says('started')
    child.kill('SIGINT')
    child.kill('SIGINT')
    expect(await ended).toMatchObject({ code: 0, signal: null })
  })

  test('what keeps it alive after the end is named, and ended', async () => {
    const { child, said, says, ended } = launch(fixture('troupe.ts'), ['run', app, ...quiet], { LEAK_MS: '60000' })
    await says('started')
    child.kill('SIGTERM')
    expect(await ended).toMatchObject({ code: 0 })
    expect(said()).toMatch(/still held open after 2000 ms by one of .*Timeout/)
  })

  const isolate = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc']
  const mayIsolate = spawnSync(isolate[0] ?? '', [...isolate.slice(1), 'true']).status === 0

  // Of PID 1 the kernel delivers no signal that it does not handle, its own included.
  describe.skipIf(!mayIsolate)('as the first process of a container', () => {
    async function start(env: Record<string, string>): Promise<Child & { readonly signal: (name: string) => void }> {
      const inside = [process.execPath, '--import', 'tsx', fixture('troupe.ts'), 'run', app, ...quiet]
      const started = follow([...isolate, ...inside], env)
      await started.says('started')
      const { pid } = started.child
      const first = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim())
      return { ...started, signal: (name) => process.kill(first, name) }
    }

    test.each(['SIGTERM', 'SIGINT', 'SIGHUP'])('%s drains, then it ends with 0', async (name) => {
      const { signal, ended } = await start({ DRAIN_MS: '50' })
      signal(name)
      expect(await ended).toMatchObject({ code: 0, signal: null })
    })

    test('a second signal ends it at once', async () => {
      const { said, says, signal, ended } = await start({ DRAIN_MS: '600000' })
      signal('SIGTERM')
      await says('finishing')
      signal('SIGINT')
      await ended
      expect(said()).toContain('SIGINT again: ended at once')
    })
  })

  const cli = fileURLToPath(new URL('../../../src/supervisor/cli/cli.ts', import.meta.url))

  test('`troupe check` as the package runs it', async () => {
    const { said, ended } = launch(cli, ['check', app, '--no-load'])
    expect(await ended).toMatchObject({ code: 0 })
    expect(said()).toBe('')
  })

  test('a syntax error is told in two lines', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'troupe-cli-'))
    const path = join(folder, 'app.mjs')
    await writeFile(path, 'export default {\n')
    const { said, ended } = launch(cli, ['run', path, ...forPeople])
    expect(await ended).toMatchObject({ code: 1 })
    expect(said()).toMatch(/^error APP_NOT_LOADED: .*app\.mjs does not load: \w*Error: .*\nwhat to do: .*\n$/)
    await rm(folder, { recursive: true })
  })
})
