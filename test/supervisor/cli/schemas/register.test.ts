/** `troupe schemas register`, and `check --against registry`, with a registry that answers over HTTP. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  startEmbeddedSchemaRegistry,
  type EmbeddedSchemaRegistry,
} from '../../../../src/embedded/schema-registry/embedded-schema-registry.ts'
import { loadHandler } from '../../../../src/actors/handlers/handler-module.ts'
import { tryHandler } from '../../../../src/actors/handlers/handler-trial.ts'
import type { TryModule } from '../../../../src/actors/threads/trial.ts'
import { silentLog } from '../../../../src/log.ts'
import { TroupeError, toWireError } from '../../../../src/errors.ts'
import { runCommandLine } from '../../../../src/supervisor/cli/command-line.ts'

let folder: string
let registry: EmbeddedSchemaRegistry

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'troupe-register-'))
  registry = await startEmbeddedSchemaRegistry()
})

afterEach(async () => {
  await registry.stop()
  await rm(folder, { recursive: true })
})

async function troupe(
  args: readonly string[],
  env: Readonly<Record<string, string>> = { SCHEMA_REGISTRY_URL: registry.url },
  tryModule: TryModule = ({ actor, shared, url }) => tryHandler(actor, () => loadHandler(url), shared, silentLog),
) {
  let stdout = ''
  let stderr = ''
  const exitCode = await runCommandLine(['schemas', ...args], {
    env,
    stdout: (text) => (stdout += text),
    stderr: (text) => (stderr += text),
    startSupervisor: () => Promise.reject(new Error('nothing starts here')),
    startInstances: () => Promise.reject(new Error('nothing starts here')),
    tryModule,
  })
  return { exitCode, stdout, stderr }
}

async function put(name: string, schema: object): Promise<void> {
  await writeFile(join(folder, name), JSON.stringify(schema))
}

const subjects = async (): Promise<unknown> => await (await fetch(`${registry.url}/subjects`)).json()
const record = (name: string, ...fields: readonly object[]) => ({ type: 'record', name: `com.acme.${name}`, fields })
const id = { name: 'id', type: 'long' }

describe('schema files', () => {
  const order = ['--subject', 'order.avsc=orders-value']

  test('are registered only when it is asked for, once, and only those that have a subject', async () => {
    await put('order.avsc', record('Order', id))
    await put('item.avsc', record('Item', id))
    const dry = await troupe(['register', folder, ...order])
    expect(dry).toMatchObject({ exitCode: 0, stderr: '' })
    expect(dry.stdout).toContain('a dry run, nothing is written')
    expect(dry.stdout).toMatch(/^new subject +orders-value$/m)
    expect(await subjects()).toEqual([])
    const written = await troupe(['register', folder, ...order, '--yes'])
    expect(written.stdout).toMatch(/^registered +orders-value: id \d+$/m)
    expect(await subjects()).toEqual(['orders-value'])
    expect((await troupe(['register', folder, ...order])).stdout).toMatch(/^same +orders-value: version 1, id \d+$/m)
    await put('order.avsc', record('Order', id, { name: 'note', type: 'string', default: '' }))
    expect((await troupe(['register', folder, ...order])).stdout).toMatch(/^new version +orders-value$/m)
  })

  test("where one is refused none is registered, and the registry's reason is told", async () => {
    await put('order.avsc', record('Order', id))
    await troupe(['register', folder, ...order, '--yes'])
    await put('order.avsc', record('Order', id, { name: 'note', type: 'string' }))
    await put('item.avsc', record('Item', id))
    const { exitCode, stderr, stdout } = await troupe([
      'register',
      folder,
      ...order,
      '--subject',
      'item.avsc=items-value',
      '--yes',
    ])
    expect(exitCode).toBe(1)
    expect(stdout).toMatch(/^REFUSED +orders-value: .*note/m)
    expect(stderr).toContain('SCHEMA_INCOMPATIBLE')
    expect(await subjects()).toEqual(['orders-value'])
  })

  test('what they refer to is registered before them, under its name', async () => {
    await put('item.avsc', record('Item', id))
    await put('order.avsc', record('Order', { name: 'item', type: 'com.acme.Item' }))
    const { stdout } = await troupe(['register', folder, ...order, '--yes'])
    expect(stdout).toMatch(/new subject +com\.acme\.Item\nnew subject +orders-value\n/)
    expect(await subjects()).toEqual(['com.acme.Item', 'orders-value'])
    const latest = (await (await fetch(`${registry.url}/subjects/orders-value/versions/latest`)).json()) as object
    expect(latest).toMatchObject({ references: [{ name: 'com.acme.Item', subject: 'com.acme.Item', version: 1 }] })
    expect((await troupe(['register', folder, ...order])).stdout).toContain('nothing to register')
  })

  test('are compared with what the registry has', async () => {
    await put('order.avsc', record('Order'))
    await troupe(['register', folder, ...order, '--yes'])
    await put('order.avsc', record('Order', { ...id, default: 0 }))
    await troupe(['register', folder, ...order, '--yes'])
    await put('order.avsc', record('Order', { ...id, type: 'string', default: '' }))
    await put('item.avsc', record('Item', id))
    const against = ['check', folder, '--against', 'registry', ...order]
    const { exitCode, stdout } = await troupe(against)
    expect(exitCode).toBe(1)
    expect(stdout).toMatch(/order\.avsc: not BACKWARD to version 2 of orders-value: .*LONG/)
    expect(stdout).toMatch(/item\.avsc: no samples, not compared: no --subject names it/)
    await put('order.avsc', record('Order', id))
    expect(await troupe(against)).toMatchObject({ exitCode: 0 })
    const all = await troupe([...against, '--level', 'BACKWARD_TRANSITIVE'])
    expect(all.stdout).toMatch(/not BACKWARD_TRANSITIVE to version 1 of orders-value: .*'id'/)
  })

  test.each<[string, readonly string[]]>([
    ['without a subject', ['register', '.']],
    ['with a subject of another file', ['register', '.', '--subject', 'ordre.avsc=orders-value']],
    ['with a pair that is none', ['register', '.', '--subject', 'orders-value']],
    ['with what is for apps', ['register', '.', '--inputs', ...order]],
    ['with a subject and no registry', ['check', '.', ...order]],
  ])('is used wrongly %s', async (_, [command, , ...rest]) => {
    await put('order.avsc', record('Order', id))
    expect(await troupe([command!, folder, ...rest])).toMatchObject({ exitCode: 2 })
  })

  test('without a registry, or one that does not answer, that is the error', async () => {
    await put('order.avsc', record('Order', id))
    const unnamed = await troupe(['register', folder, ...order], {})
    expect(unnamed.exitCode).toBe(1)
    expect(unnamed.stderr).toContain('SCHEMA_REGISTRY_MISSING')
    await registry.interrupt()
    const away = await troupe(['register', folder, ...order, '--schema-registry-url', registry.url], {})
    expect(away.exitCode).toBe(1)
    expect(away.stderr).toContain('SCHEMA_REGISTRY_UNREACHABLE')
  })
})

describe('an app', () => {
  const app = fileURLToPath(new URL('../fixtures/contracts/app.ts', import.meta.url))

  test('has the subjects of the topics that it writes, and of those it reads where they are asked for', async () => {
    const { exitCode, stdout } = await troupe(['register', app, '--yes'])
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/^registered +orders-key: id \d+$/m)
    expect(await subjects()).toEqual(['com.acme.Item', 'orders-key', 'orders-value'])
    await troupe(['register', app, '--yes', '--inputs'])
    expect(await subjects()).toEqual(['clicks-value', 'com.acme.Item', 'orders-key', 'orders-value'])
  })

  test('has its handlers loaded where they can do no harm, and none set up', async () => {
    const asked: unknown[] = []
    const refuse: TryModule = ({ shared, url }) => {
      asked.push([url.endsWith('/contracts/handler.ts'), shared])
      const error = toWireError(new TroupeError('HANDLER_NOT_LOADED', 'it ended its thread'))
      return Promise.resolve({ manifest: null, errors: [error] })
    }
    const { exitCode, stderr } = await troupe(['register', app, '--yes'], undefined, refuse)
    expect([exitCode, asked]).toEqual([1, [[true, null]]])
    expect(stderr).toContain('HANDLER_NOT_LOADED')
    expect(await subjects()).toEqual([])
  })

  test('says its subjects itself', async () => {
    expect(await troupe(['register', app, '--subject', 'a.avsc=b'])).toMatchObject({ exitCode: 2 })
  })
})
