/** `troupe reset`: what it says, what it forgets, and what it leaves alone. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { silentLog } from '../../../src/log.ts'
import { DiskStores } from '../../../src/state/stores/disk/disk-stores.ts'
import { runCommandLine } from '../../../src/supervisor/cli/command-line.ts'
import { markOf, placeOf, quickClock, set } from '../../contract/store-contract.ts'
import { FakeAdmin } from '../../support/fake-admin.ts'

const app = fileURLToPath(new URL('fixtures/app.ts', import.meta.url))
const changelog = 'enricher-handler-changelog'
let parent = ''
let admin = new FakeAdmin()

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'troupe-reset-'))
  admin = new FakeAdmin()
  for (const topic of ['orders', changelog, 'other-handler-changelog'])
    admin.topics.set(topic, { id: null, partitions: 1 })
})

afterEach(() => {
  rmSync(parent, { recursive: true, force: true })
})

async function reset(...args: string[]): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  let [stdout, stderr] = ['', '']
  const nobody = (): Promise<never> => Promise.reject(new Error('nothing is started here'))
  const exitCode = await runCommandLine(['reset', app, '--log-format', 'pretty', ...args], {
    env: {},
    stdout: (text) => (stdout += text),
    stderr: (text) => (stderr += text),
    startSupervisor: nobody,
    startInstances: nobody,
    openBroker: () => Promise.resolve({ admin: () => admin }),
  })
  return { exitCode, stdout, stderr }
}

const onDisk = (directory: string): string[] => ['--state-store', 'disk', '--state-directory', directory]

function openDisk(directory: string): Promise<DiskStores> {
  return DiskStores.open({ directory, clock: quickClock(), log: silentLog, bootId: 'boot 1' })
}

/** What a process has left there. */
async function leave(directory: string): Promise<string> {
  const stores = await openDisk(directory)
  await (await stores.open(placeOf(0))).write([set('a', '1')], markOf(1))
  await stores.close()
  return directory
}

describe('troupe reset', () => {
  test('without --yes lists what would be forgotten, and forgets nothing', async () => {
    const { exitCode, stdout } = await reset()
    expect([exitCode, admin.done, admin.isOpen]).toEqual([0, [], false])
    expect(stdout).toBe(`to be forgotten (--yes does it):\n  positions of group enricher\n  topic ${changelog}\n`)
  })

  test('with --yes forgets positions and changelogs of its own, and says so', async () => {
    const { exitCode, stdout } = await reset('--yes')
    expect([exitCode, admin.done]).toEqual([0, ['delete group enricher', `delete ${changelog}`]])
    expect(stdout).toBe(`forgotten:\n  positions of group enricher\n  topic ${changelog}\n`)
  })

  test('says what it waits for while members live, and with --yes refuses, and leaves everything', async () => {
    const directory = await leave(join(parent, 'state'))
    admin.members = ['app-1-c0ffee']
    expect((await reset()).stdout).toContain('not before its 1 live members have stopped')
    const { exitCode, stderr, stdout } = await reset('--yes', ...onDisk(directory))
    expect([exitCode, stdout, admin.done]).toEqual([1, '', []])
    expect(stderr).toMatch(/GROUP_ACTIVE.*app-1-c0ffee/)
    expect(existsSync(join(directory, 'data', 'data.mdb'))).toBe(true)
  })

  test('takes away the stores on this disk, those of its instances too, and nothing beside them', async () => {
    const own = await leave(join(parent, 'state'))
    const instances = [await leave(join(parent, 'state-1')), await leave(join(parent, 'state-2'))]
    const other = await leave(join(parent, 'state-3'))
    writeFileSync(join(own, 'notes.txt'), 'of somebody')
    const dry = await reset('--instances', '2', ...onDisk(own))
    for (const directory of [own, ...instances]) expect(dry.stdout).toContain(`  state on disk in ${directory}\n`)
    expect(existsSync(join(own, 'data'))).toBe(true)
    const { exitCode, stdout } = await reset('--yes', '--instances', '2', ...onDisk(own))
    expect(exitCode).toBe(0)
    for (const directory of [own, ...instances]) expect(stdout).toContain(`  state on disk in ${directory}\n`)
    expect(instances.map((directory) => existsSync(directory))).toEqual([false, false])
    expect(['data', 'lock', 'process.json', 'notes.txt'].map((name) => existsSync(join(own, name)))).toEqual([
      ...[false, false, false],
      true,
    ])
    expect(existsSync(join(other, 'data', 'data.mdb'))).toBe(true)
  })

  test('refuses, and leaves everything, while a process has the stores on this disk open', async () => {
    const directory = join(parent, 'state')
    const stores = await openDisk(directory)
    const { exitCode, stderr } = await reset('--yes', ...onDisk(directory))
    expect([exitCode, admin.done]).toEqual([1, []])
    expect(stderr).toMatch(/STORE_FAILED.* in use/)
    await stores.close()
  })
})
