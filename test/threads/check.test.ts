/** Whatever a handler module does while it is loaded and set up, `troupe check` says so and goes on. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tryInThread } from '../../src/actors/threads/trial.ts'
import { runCommandLine } from '../../src/supervisor/cli/command-line.ts'
import { fixtureUrl } from './pool-fixture.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'troupe-check-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

function write(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

async function check(path: string, ...flags: string[]) {
  let [stdout, stderr] = ['', '']
  const never = () => Promise.reject(new Error('nothing is started'))
  const exitCode = await runCommandLine(['check', path, ...flags], {
    env: {},
    stdout: (text) => (stdout += text),
    stderr: (text) => (stderr += text),
    startSupervisor: never,
    startInstances: never,
  })
  return { exitCode, stdout, stderr }
}

const app = (actors: string, more = ''): string =>
  `export default { kind: 'app', definition: { kafka: { brokers: 'a:1', groupId: 'g'${more} }, actors: [${actors}] } }`

test('an app with mistakes of many kinds: all are told, and the exit code is 1', async () => {
  write('syntax.mjs', 'export default {\n  handle( {\n')
  write('none.mjs', 'export const handler = 1')
  write('exits.mjs', 'process.exit(0)')
  const actors = ['syntax', 'none', 'exits', 'gone'].map((name) => `{ handler: './${name}.mjs' }`)
  const threads = `{ name: 'late', handler: ${JSON.stringify(fixtureUrl('setup-throws.js'))}, runOn: 'threads' }`
  const path = write('many.mjs', app([...actors, threads].join(), ", client: { 'no.such.key': 1 }"))
  const { exitCode, stderr } = await check(path)
  expect(exitCode).toBe(1)
  for (const text of [
    'error OPTIONS_INVALID: kafka.client is not usable: No such configuration property: "no.such.key"',
    'error HANDLER_NOT_LOADED: actor syntax: handler module',
    'SyntaxError: ',
    'exports no handler as default',
    'error HANDLER_NOT_LOADED: actor exits: handler module',
    'ended its thread while it was loaded or set up (process.exit(0))',
    'error HANDLER_NOT_LOADED: actor gone: handler module',
    'error SETUP_FAILED: actor late: setup of handler late failed: no database: ECONNREFUSED',
  ]) {
    expect(stderr).toContain(text)
  }
  expect(stderr.match(/^error /gm)).toHaveLength(6)
  const unloaded = await check(path, '--no-load')
  expect(unloaded.stderr.match(/^error \w+/gm)).toEqual(['error OPTIONS_INVALID', 'error HANDLER_NOT_LOADED'])
})

test('options alone end with 2', async () => {
  write('plain.mjs', "export default { kind: 'handler', input: { kind: 'topic', name: 'in', value: {} }, handle() {} }")
  const path = write('twice.mjs', app("{ name: 'a', handler: './plain.mjs' }, { name: 'b', handler: './plain.mjs' }"))
  const { exitCode, stderr } = await check(path)
  expect(exitCode).toBe(2)
  expect(stderr).toContain('actors a and b both read topic')
})

describe('a module', () => {
  const shared = {}
  test.each([
    ['that never ends', 'for (;;);'],
    ['that waits for ever', 'await new Promise(() => setInterval(() => undefined, 1000))'],
  ])('%s is given up', async (_, source) => {
    const url = pathToFileURL(write(`held-${source.length}.mjs`, source)).href
    const { manifest, errors } = await tryInThread({ actor: 'held', url, shared, maxHeapMb: null }, 1_000)
    expect(manifest).toBeNull()
    expect(errors[0]).toMatchObject({ code: 'HANDLER_NOT_LOADED' })
    expect(errors[0]?.message).toContain('was not loaded and set up within 1000 ms')
  })

  test('that posts messages of its own is tried like any other', async () => {
    const source = `import { parentPort } from 'node:worker_threads'
parentPort.postMessage('loading'); parentPort.postMessage({ manifest: null, errors: [] })
export default { kind: 'handler', input: { kind: 'topic', name: 'in', value: {} }, handle() {} }`
    const url = pathToFileURL(write('talks.mjs', source)).href
    const { errors, manifest } = await tryInThread({ actor: 'talks', url, shared, maxHeapMb: null })
    expect([errors, manifest?.actor]).toEqual([[], 'talks'])
  })

  test('that waits for what never comes is told so, though its thread ends by itself', async () => {
    const url = pathToFileURL(write('never.mjs', 'await new Promise(() => undefined)')).href
    const { errors } = await tryInThread({ actor: 'never', url, shared, maxHeapMb: null })
    expect(errors[0]?.message).toContain('waits for what never comes')
  })

  test('that only the main thread can load is tried there, if its actor runs there', async () => {
    const client = import.meta.resolve('@confluentinc/kafka-javascript')
    const source = `import ${JSON.stringify(client)}
      export default { kind: 'handler', input: { kind: 'topic', name: 'in', value: {} }, handle() {} }`
    write('native.mjs', source)
    const actor = (runOn: string): string => app(`{ name: 'native', handler: './native.mjs', runOn: '${runOn}' }`)
    expect(await check(write('native-main.mjs', actor('main')))).toMatchObject({ exitCode: 0, stderr: '' })
    expect((await check(write('native-threads.mjs', actor('threads')))).stderr).toContain('did not self-register')
  })

  test('that throws where nobody catches it is told', async () => {
    const source =
      "setTimeout(() => { throw new Error('later') })\nawait new Promise(() => setInterval(() => undefined, 1000))"
    const url = pathToFileURL(write('later.mjs', source)).href
    const { errors } = await tryInThread({ actor: 'late', url, shared, maxHeapMb: null })
    expect(errors[0]?.message).toContain('where nobody could catch it: later')
  })
})

test('a heap limit that a flag of Node lifts is told once, as a start would', () => {
  write('one.mjs', "export default { kind: 'handler', input: { kind: 'topic', name: 'one', value: {} }, handle() {} }")
  write('two.mjs', "export default { kind: 'handler', input: { kind: 'topic', name: 'two', value: {} }, handle() {} }")
  const actors = ['one', 'two'].map((name) => `{ name: '${name}', handler: './${name}.mjs', runOn: 'threads' }`)
  const path = write('heap.mjs', app(actors.join()))
  const cli = fileURLToPath(new URL('../../dist/supervisor/cli/cli.js', import.meta.url))
  const { status, stderr } = spawnSync(process.execPath, [cli, 'check', path, '--threads-max-heap-mb', '64'], {
    env: { ...process.env, NODE_OPTIONS: '--max-old-space-size=4096' },
    encoding: 'utf8',
  })
  expect(stderr.match(/threads\.maxHeapMb is 64 MiB/g)).toHaveLength(1)
  expect(status).toBe(2)
})
