/** One store, measured from its first key on: `stores-process.ts memory|disk|map KEYS`. Prints StoreFigures as JSON. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { systemClock } from '../../src/clock.ts'
import { silentLog } from '../../src/log.ts'
import { openStores } from '../../src/state/stores/open-stores.ts'
import type { Change, StateStore, StoreMark, Stores } from '../../src/state/store.ts'
import type { StoreFigures } from '../stores.ts'

const [kind, keys] = [process.argv[2]!, Number(process.argv[3])]
const directory = mkdtempSync(join(tmpdir(), 'troupe-bench-'))
const place = { groupId: 'bench', actor: 'a', partition: 0, changelogId: null, deleteRetentionMs: 86_400_000 }
const mark: StoreMark = { changelogPosition: 1, streamTime: null, checkpoint: 1 }
const value = Buffer.alloc(100, 'v')

function open(): Promise<Stores> {
  const store = kind === 'disk' ? 'disk' : 'memory'
  return openStores({ state: { store, directory }, clock: systemClock, log: silentLog })
}

/** What people write first. */
class MapStore implements Pick<StateStore, 'get' | 'write'> {
  readonly #map = new Map<string, Uint8Array>()

  get(key: Buffer): Uint8Array | undefined {
    const found = this.#map.get(key.toString('latin1'))
    return found === undefined ? undefined : Buffer.from(found)
  }

  write(changes: Iterable<Change>): Promise<void> {
    for (const [key, bytes] of changes) this.#map.set(Buffer.from(key).toString('latin1'), Buffer.from(bytes!))
    return Promise.resolve()
  }
}

function keyOf(index: number): Buffer {
  const key = Buffer.allocUnsafe(16)
  key.writeUInt32LE(Math.imul(index, 2_654_435_761) >>> 0, 0)
  key.writeUInt32LE(index, 4)
  key.writeUInt32LE(index ^ 0x5bd1_e995, 8)
  key.writeUInt32LE(7, 12)
  return key
}

const cpuUs = (): number => {
  const { system, user } = process.cpuUsage()
  return user + system
}

async function costOf(units: number, work: () => Promise<void>): Promise<number> {
  const began = cpuUs()
  await work()
  return (cpuUs() - began) / units
}

let longestBlockMs = 0
let lastTurnMs = performance.now()
let longestWorkMs = 0
let cpuAtTurnUs = cpuUs()
let isWatched = true
function watch(): void {
  const now = performance.now()
  longestBlockMs = Math.max(longestBlockMs, now - lastTurnMs)
  lastTurnMs = now
  const cpu = cpuUs()
  longestWorkMs = Math.max(longestWorkMs, (cpu - cpuAtTurnUs) / 1000)
  cpuAtTurnUs = cpu
  if (isWatched) setImmediate(watch)
}
watch()

let stores = await open()
const store = kind === 'map' ? new MapStore() : await stores.open(place)
const anyKey = (): Buffer => keyOf(Math.floor(Math.random() * keys))

const loadUs = await costOf(keys, async () => {
  for (let first = 0; first < keys; first += 1_000) {
    const count = Math.min(1_000, keys - first)
    await store.write(
      Array.from({ length: count }, (_, index): Change => [keyOf(first + index), value]),
      mark,
    )
    if (first % 10_000 === 0) await turn()
  }
})
const rssAfterLoad = process.memoryUsage.rss()

const getUs = await costOf(500_000, async () => {
  for (let round = 0; round < 500; round++) {
    for (let index = 0; index < 1_000; index++) store.get(anyKey())
    await turn()
  }
})

const batches: number[] = []
const changeUs = await costOf(500_000, async () => {
  for (let round = 0; round < 500; round++) {
    const beganMs = performance.now()
    const changes: Change[] = []
    for (let index = 0; index < 1_000; index++) {
      const key = anyKey()
      const next = store.get(key)!
      next[0] = round & 255
      changes.push([key, next])
    }
    await store.write(changes, mark)
    batches.push(performance.now() - beganMs)
    await turn()
  }
})
isWatched = false
const rssMb = Math.max(rssAfterLoad, process.memoryUsage.rss()) / 1e6

let [inOrderUs, rangeUs] = [NaN, NaN]
if (!(store instanceof MapStore)) {
  const ordered = await stores.open({ ...place, partition: 1 })
  const prefix = Buffer.from('w/')
  const orderedKey = (index: number): Buffer => Buffer.concat([prefix, keyOf(index)])
  ordered.order(prefix)
  inOrderUs = await costOf(keys, async () => {
    for (let first = 0; first < keys; first += 1_000) {
      const count = Math.min(1_000, keys - first)
      await ordered.write(
        Array.from({ length: count }, (_, index): Change => [orderedKey(first + index), value]),
        mark,
      )
    }
  })
  rangeUs = await costOf(5_000, () => {
    for (let round = 0; round < 5_000; round++) {
      ordered.scan({ from: orderedKey(Math.floor(Math.random() * keys)), to: Buffer.from('w0') }, 100)
    }
    return Promise.resolve()
  })
}

let reopenMs = NaN
if (kind === 'disk') {
  await stores.close()
  const beganMs = performance.now()
  stores = await open()
  const again = await stores.open(place)
  if (again.get(keyOf(1)) === undefined || again.mark === null) throw new Error('it is not what was written')
  reopenMs = performance.now() - beganMs
}
await stores.close()
rmSync(directory, { recursive: true })
batches.sort((one, other) => one - other)
const figures: StoreFigures = {
  loadUs,
  getUs,
  changeUs,
  batchP99Ms: batches[Math.floor(batches.length * 0.99)]!,
  longestBlockMs,
  longestWorkMs,
  rssMb,
  reopenMs,
  inOrderUs,
  rangeUs,
}
console.log(JSON.stringify(figures))
