/** What a directory of state is worth after whatever has happened to it: kept, or wiped with a reason, never believed wrongly. */
import { fork, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import { silentLog, type Log } from '../../../src/log.ts'
import { openStores } from '../../../src/state/stores/open-stores.ts'
import { DiskStores, type DiskStoresOptions } from '../../../src/state/stores/disk/disk-stores.ts'
import type { StorePlace } from '../../../src/state/store.ts'
import { bytes, markOf, numberKey, placeOf, quickClock, set, textOf } from '../../contract/store-contract.ts'

const HOUR_MS = 3_600_000
let directory = ''
let lines: string[] = []
const log: Log = { ...silentLog, info: (_, line) => lines.push(line), warn: (_, line) => lines.push(line) }
let wallMs = 1_700_000_000_000
const clock = { ...quickClock(), wallNow: () => wallMs }

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'troupe-state-'))
  lines = []
  wallMs = 1_700_000_000_000
})

afterEach(() => {
  rmSync(directory, { recursive: true, force: true })
})

const open = (options: Partial<DiskStoresOptions> = {}): Promise<DiskStores> =>
  DiskStores.open({ directory, clock, log, bootId: 'boot 1', ...options })

/** What a process has left that ended as it should. */
async function leave(): Promise<void> {
  const stores = await open()
  const store = await stores.open(placeOf(0))
  await store.write([set('a', '1')], markOf(1))
  await stores.close()
}

async function found(options: Partial<DiskStoresOptions> = {}, place: Partial<StorePlace> = {}): Promise<unknown> {
  const stores = await open(options)
  const store = await stores.open({ ...placeOf(0), ...place })
  const state = [store.mark, textOf(store.get(bytes('a')))]
  await stores.close()
  return state
}

/** As a process leaves it that was killed. */
function withoutClose(): void {
  changeNote({ isClean: false })
}

function changeNote(fields: object): void {
  const file = join(directory, 'process.json')
  writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, 'utf8')) as object), ...fields }))
}

describe('what a store on disk has', () => {
  const kept = [markOf(1), '1']
  const wiped = [null, null]

  it.each<[string, () => void, Partial<DiskStoresOptions>, Partial<StorePlace>]>([
    ['a clean end', () => undefined, {}, {}],
    ['a clean end and another boot of the machine', () => undefined, { bootId: 'boot 2' }, {}],
    ['a clean end on a machine that tells no boot', () => undefined, { bootId: null }, {}],
    ['a kill', withoutClose, {}, {}],
    ['a little less than half of the time that deletions are kept', () => (wallMs += 12 * HOUR_MS - 1), {}, {}],
    ['a correction of the clock', () => (wallMs -= 30_000), {}, {}],
    ['brokers that do not tell ids', () => undefined, {}, { changelogId: null }],
  ])('is there after %s', async (_, happens, options, place) => {
    await leave()
    happens()
    expect(await found(options, place)).toEqual(kept)
    expect(lines).toEqual([])
  })

  it.each<[string, () => void, Partial<DiskStoresOptions>, Partial<StorePlace>, string]>([
    ['a kill and another boot', withoutClose, { bootId: 'boot 2' }, {}, 'before the machine started anew'],
    ['a kill on a machine that tells no boot', withoutClose, { bootId: null }, {}, 'cannot be told'],
    [
      'a newer version',
      () => {
        changeNote({ version: 2 })
      },
      {},
      {},
      'version 2 of its files',
    ],
    [
      'the loss of its note',
      () => {
        rmSync(join(directory, 'process.json'))
      },
      {},
      {},
      'does not say which version',
    ],
    [
      'damage at its beginning',
      () => {
        writeFileSync(join(directory, 'data', 'data.mdb'), 'x'.repeat(10_000))
      },
      {},
      {},
      'its file is damaged',
    ],
    [
      'the loss of its end',
      () => {
        truncateSync(join(directory, 'data', 'data.mdb'), 9_000)
      },
      {},
      {},
      'cannot be opened',
    ],
    [
      'more than half of the time that deletions are kept',
      () => (wallMs += 12 * HOUR_MS + 1),
      {},
      {},
      'keeps deletions for 1440 minutes',
    ],
    ['a clock that was set back', () => (wallMs -= HOUR_MS), {}, {}, 'a clock that was set back'],
    [
      'a changelog that was made anew',
      () => undefined,
      {},
      { changelogId: 'second' },
      'changelog topic first, which was made anew as second',
    ],
  ])('is wiped after %s, and one line says why', async (_, happens, options, place, why) => {
    await leave()
    happens()
    expect(await found(options, place)).toEqual(wiped)
    expect(lines).toEqual([expect.stringContaining(why)])
    lines = []
    expect(await found(options, place)).toEqual(wiped)
    expect(lines).toEqual([])
  })

  it('is wiped wholly though the wipe was cut short', async () => {
    const stores = await open()
    const store = await stores.open(placeOf(0))
    await store.write([set('a', '1')], markOf(1))
    await stores.close()
    // Its row in the ledger goes first.
    const { open: openLmdb } = await import('lmdb')
    const asBytes = { encoding: 'binary', keyEncoding: 'binary' } as const
    const data = openLmdb({ ...asBytes, path: join(directory, 'data'), noSync: true, maxDbs: 10 })
    data.openDB({ ...asBytes, name: 'ledger' }).removeSync(bytes('shop/totals/0'))
    await data.close()
    expect(await found()).toEqual(wiped)
  })
})

describe('the directory of a process', () => {
  it('is for one app of a process', async () => {
    const stores = await open()
    await expect(open()).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringContaining(
        `${directory} of state.directory is in use by another app of this process`,
      ) as string,
    })
    await stores.close()
    await (await open()).close()
  })

  it('is for one process, and free as soon as that is killed', async () => {
    const other = await startWriter(directory, 10, 10)
    await expect(open()).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringContaining(`in use by process ${other.pid!}`) as string,
    })
    await kill(other)
    await (await open()).close()
  })

  it('that cannot be made is told of', async () => {
    writeFileSync(join(directory, 'file'), '')
    await expect(open({ directory: join(directory, 'file', 'state') })).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringMatching(/file\/state of state.directory: ENOTDIR/) as string,
    })
  })

  it('may have a name like that of a file, and be deep in what is not there yet', async () => {
    await (await open({ directory: join(directory, 'a', 'state.d') })).close()
    expect(existsSync(join(directory, 'a', 'state.d', 'data', 'data.mdb'))).toBe(true)
  })

  it('is asked for with what to install, where lmdb is not', async () => {
    vi.resetModules()
    vi.doMock('lmdb', () => {
      throw new Error("Cannot find package 'lmdb'")
    })
    const { openStores: fresh } = await import('../../../src/state/stores/open-stores.ts')
    const asked = fresh({ state: { store: 'disk', directory }, clock, log })
    await expect(asked).rejects.toMatchObject({
      code: 'OPTIONS_INVALID',
      message: 'state.store disk needs the package lmdb: run `npm install lmdb`',
    })
    vi.doUnmock('lmdb')
  })

  it('is opened where the option says disk, and memory needs none', async () => {
    const disk = await openStores({ state: { store: 'disk', directory }, clock, log })
    await disk.close()
    const memory = await openStores({ state: { store: 'memory', directory: null }, clock, log })
    expect([disk.kind, memory.kind]).toEqual(['disk', 'memory'])
  })

  it('loses what has long been of others, and nothing else', async () => {
    const stores = await open()
    for (const partition of [0, 1, 2]) {
      const store = await stores.open(placeOf(partition))
      await store.write([set('a', String(partition))], markOf(1))
      if (partition !== 2) await store.close()
    }
    await stores.sweep([])
    expect(lines).toEqual([])
    wallMs += 12 * HOUR_MS + 1
    await stores.sweep([placeOf(1)])
    expect(lines).toEqual([expect.stringContaining('state of shop/totals/0 on disk has long been')])
    wallMs -= 12 * HOUR_MS + 1
    const marks = [0, 1].map(async (partition) => (await stores.open(placeOf(partition))).mark)
    expect(await Promise.all(marks)).toEqual([null, markOf(1)])
    await stores.close()
  })
})

describe('what is thrown away because it has long been of others', () => {
  it('is not what is opened at the same moment', async () => {
    await leave()
    wallMs += 12 * HOUR_MS + 1
    const stores = await open()
    const opening = stores.open(placeOf(0))
    await stores.sweep([])
    const store = await opening
    await store.write([set('a', '2')], markOf(2))
    expect([store.mark, textOf(store.get(bytes('a')))]).toEqual([markOf(2), '2'])
    await stores.close()
    expect(await found()).toEqual([markOf(2), '2'])
  })

  it('may come back, and begins empty', async () => {
    await leave()
    wallMs += 12 * HOUR_MS + 1
    const stores = await open()
    await stores.sweep([])
    const store = await stores.open(placeOf(0))
    expect([store.mark, store.keyCount]).toEqual([null, 0])
    await store.write([set('b', '2')], markOf(2))
    await stores.close()
    expect(await found()).toEqual([markOf(2), null])
  })
})

describe('a process that dies in the middle of a write', () => {
  it('leaves all of the last write or nothing of it, five times over', async () => {
    const keys = 3_000
    for (let death = 1; death <= 5; death++) {
      const writer = await startWriter(directory, keys, 100)
      writer.send('go')
      let written = 0
      while (written < death * 3) written = await nextMessage<number>(writer)
      await kill(writer)
      const stores = await open({ bootId: realBootId(), clock: systemClock })
      const store = await stores.open({ ...placeOf(0) })
      const numbers = new Set(
        store.scan({}, keys + 1).map(([, value]) => Number(Buffer.from(value).toString('latin1', 0, 10))),
      )
      expect([store.keyCount, [...numbers]]).toEqual([keys, [store.mark!.checkpoint]])
      expect(store.mark!.checkpoint).toBeGreaterThanOrEqual(written)
      await stores.close()
    }
    expect(lines).toEqual([])
  })
})

describe('a disk that is full', () => {
  it('is told of before anything is written to it, and what was there stays', async () => {
    let freeBytes = 2 ** 30
    const stores = await open({ readFreeBytes: () => freeBytes })
    const store = await stores.open(placeOf(0))
    await store.write([set('a', '1')], markOf(1))
    freeBytes = 19 * 2 ** 20
    const many = Array.from({ length: 1_000 }, (_, index) => [numberKey(index), Buffer.alloc(100)] as const)
    await expect(store.write(many, markOf(2))).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringContaining('is full: 19 MiB are free') as string,
    })
    expect([store.mark, store.keyCount]).toEqual([markOf(1), 1])
    freeBytes = 2 ** 30
    // A write has been left out: one behind it would have a gap before it.
    await expect(store.write([set('b', '1')], markOf(3))).rejects.toMatchObject({ code: 'STORE_FAILED' })
    await store.close()
    const again = await stores.open(placeOf(0))
    await again.write([set('b', '1')], markOf(3))
    expect([again.mark, again.keyCount]).toEqual([markOf(3), 2])
    await stores.close()
  })

  it.skipIf(!mayMount())(
    'ends no process, and is opened whole when there is room (needs the right to mount)',
    async () => {
      const small = join(directory, 'small')
      mkdirSync(small)
      spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', small])
      try {
        const state = join(small, 'state')
        const writer = await startWriter(state, 20_000, 500)
        writer.send('go')
        let told: number | string = 0
        while (typeof told === 'number') told = await nextMessage<number | string>(writer)
        expect(told).toMatch(/the disk of .*small\/state is full/)
        await kill(writer)
        const stores = await open({ directory: state, bootId: realBootId(), clock: systemClock })
        const store = await stores.open(placeOf(0))
        const { checkpoint } = store.mark ?? { checkpoint: 0 }
        expect(store.keyCount).toBe(checkpoint === 0 ? 0 : 20_000)
        await stores.close()
      } finally {
        spawnSync('umount', [small])
      }
    },
  )
})

function mayMount(): boolean {
  const place = mkdtempSync(join(tmpdir(), 'troupe-mount-'))
  const may = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', place]).status === 0
  if (may) spawnSync('umount', [place])
  rmSync(place, { recursive: true })
  return may
}

/** The writer asks the machine. */
const realBootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()

async function startWriter(path: string, keys: number, valueBytes: number): Promise<ChildProcess> {
  const file = fileURLToPath(new URL('fixtures/store-writer.ts', import.meta.url))
  const writer = fork(file, [path, String(keys), String(valueBytes)], { execArgv: ['--import', 'tsx'] })
  await nextMessage(writer)
  return writer
}

async function nextMessage<Message>(from: ChildProcess): Promise<Message> {
  const died = once(from, 'exit').then(([code, signal]) => {
    throw new Error(`the writer ended with ${String(code ?? signal)}`)
  })
  const [message] = (await Promise.race([once(from, 'message'), died])) as [Message]
  return message
}

async function kill(writer: ChildProcess): Promise<void> {
  const gone = once(writer, 'exit')
  writer.kill('SIGKILL')
  await gone
}
