/** T43, T45 and T47 of the cases, and what else can come between a changelog and its store. */
import { describe, expect, test } from 'vitest'
import { TroupeError } from '../../../src/errors.ts'
import { silentLog } from '../../../src/log.ts'
import { Restorer } from '../../../src/state/restore/restorer.ts'
import { MapStore } from '../../support/map-store.ts'
import { at, changelog, keyOf, RestoreWorld, totals } from './restore-world.ts'

describe('a restore', () => {
  test('brings the last value of each key into the store, and says of which checkpoint it is', async () => {
    const world = new RestoreWorld()
    world.set('a', '1')
    world.set('b', '1')
    world.set('a', '2')
    world.meta({ checkpoint: 7, streamTime: 1_000, inputId: 3, changelogId: 4 })
    const store = new MapStore()
    const { outcome, progress } = await world.restore(store)
    expect(outcome).toEqual({
      restored: { position: 4, meta: { checkpoint: 7, streamTime: 1_000, inputId: 3, changelogId: 4 } },
    })
    expect(totals(store)).toEqual({ a: '2', b: '1' })
    expect(store.mark).toEqual({ changelogPosition: 4, checkpoint: 7, streamTime: 1_000 })
    expect(progress).toMatchObject({ records: 4, from: 0, position: 4, end: 4 })
  })
})

// T43
describe('a restore ends where the changelog does:', () => {
  test('no record', async () => {
    const world = new RestoreWorld()
    const { outcome, progress } = await world.restore(new MapStore())
    expect(outcome).toEqual({ restored: { position: 0, meta: null } })
    expect(progress.records).toBe(0)
  })

  test('exactly one', async () => {
    const world = new RestoreWorld()
    world.set('a', '1')
    const store = new MapStore()
    expect((await world.restore(store)).outcome).toMatchObject({ restored: { position: 1 } })
    expect(totals(store)).toEqual({ a: '1' })
  })

  test('only aborted data', async () => {
    const world = new RestoreWorld()
    const transaction = world.broker.beginTransaction(at())
    transaction.append({ key: null, value: null, headers: [], timestamp: 0 })
    transaction.abort()
    const store = new MapStore()
    expect((await world.restore(store)).outcome).toEqual({ restored: { position: 2, meta: null } })
    expect(store.keyCount).toBe(0)
  })

  test('a trailing marker', async () => {
    const world = new RestoreWorld()
    world.set('a', '1')
    world.meta({ checkpoint: 3 })
    world.broker.appendMarkers(at())
    const store = new MapStore()
    expect((await world.restore(store)).outcome).toMatchObject({ restored: { position: 3, meta: { checkpoint: 3 } } })
    // The next restore begins behind the marker: it has nothing to read.
    expect(store.mark?.changelogPosition).toBe(3)
  })

  test('compaction holes at the end', async () => {
    const world = new RestoreWorld()
    for (const value of ['1', '2', '3']) world.set('a', value)
    for (const value of ['1', '2', '3']) world.set('b', value)
    world.broker.compact(at(), ({ offset }) => offset < 3)
    const store = new MapStore()
    expect((await world.restore(store)).outcome).toMatchObject({ restored: { position: 6 } })
    expect(totals(store)).toEqual({ a: '3' })
  })

  test('log start above the local offset: all that the store has is dropped, and the log is read from its beginning', async () => {
    const world = new RestoreWorld()
    world.fill(10)
    world.broker.deleteBefore(at(), 8)
    const store = new MapStore()
    await store.write([[Buffer.from([1, 5]), Buffer.from('old')]], {
      changelogPosition: 5,
      checkpoint: 1,
      streamTime: null,
    })
    expect((await world.restore(store)).outcome).toMatchObject({ restored: { position: 10 } })
    expect(store.wipes).toBe(1)
    expect(totals(store)).toEqual({ k8: 'v8', k9: 'v9' })
    expect(store.keyCount).toBe(2)
  })

  test('end below the local offset: the same', async () => {
    const world = new RestoreWorld()
    world.fill(3)
    const store = new MapStore()
    await store.write([], { changelogPosition: 50, checkpoint: 9, streamTime: null })
    expect((await world.restore(store)).outcome).toEqual({ restored: { position: 3, meta: null } })
    expect(store.wipes).toBe(1)
    expect(totals(store)).toEqual({ k0: 'v0', k1: 'v1', k2: 'v2' })
  })
})

describe('a store that is there already', () => {
  test('goes on behind its mark: of what was written after it, exactly that is read', async () => {
    const world = new RestoreWorld()
    world.fill(10)
    world.meta({ checkpoint: 4, inputId: 3, changelogId: 4 })
    const store = new MapStore()
    await world.restore(store)
    world.set('k0', 'new')
    world.set('k1', null)
    world.meta({ checkpoint: 5, inputId: 3, changelogId: 4 })
    const { outcome, progress } = await world.restore(store)
    expect(progress.records).toBe(3)
    expect(outcome).toMatchObject({ restored: { meta: { checkpoint: 5, inputId: 3, changelogId: 4 } } })
    expect(totals(store)).toMatchObject({ k0: 'new', k2: 'v2' })
    expect(totals(store)).not.toHaveProperty('k1')
    expect(store.wipes).toBe(0)
  })

  test('and has all of it reads nothing, and knows of which checkpoint it is', async () => {
    const world = new RestoreWorld()
    world.set('a', '1')
    world.meta({ checkpoint: 4, inputId: 3, changelogId: 9, streamTime: 5 })
    const store = new MapStore()
    await world.restore(store)
    // As its owner writes it with the next checkpoints, whose meta records only the changelog has.
    world.meta({ checkpoint: 6, inputId: 3, changelogId: 9, streamTime: 8 })
    await store.write([], { changelogPosition: 3, checkpoint: 6, streamTime: 8 })
    const { outcome, progress } = await world.restore(store)
    expect(progress.records).toBe(0)
    expect(outcome).toEqual({
      restored: { position: 3, meta: { checkpoint: 6, inputId: 3, changelogId: 9, streamTime: 8 } },
    })
  })

  test('whose log begins behind it by the time that it is read is begun anew', async () => {
    const world = new RestoreWorld()
    world.fill(2_000)
    const store = new MapStore()
    let isCut = false
    store.onWrite = () => {
      if (!isCut) world.broker.deleteBefore(at(), 1_990)
      isCut = true
      return Promise.resolve()
    }
    expect((await world.restore(store)).outcome).toMatchObject({ restored: { position: 2_000 } })
    expect(Object.keys(totals(store))).toEqual(Array.from({ length: 10 }, (_, i) => `k${1_990 + i}`))
  })
})

// T47
test('what was deleted is absent after a full restore, whether its tombstone is still there or not', async () => {
  const world = new RestoreWorld()
  world.set('a', '1')
  world.set('b', '1')
  world.set('c', '1')
  world.set('a', null)
  world.set('b', null)
  // The cleaner keeps a tombstone for a while only.
  world.broker.compact(at(), ({ offset }) => offset === 2 || offset === 3)
  const store = new MapStore()
  await world.restore(store)
  expect(totals(store)).toEqual({ c: '1' })
})

// T45
describe('of several partitions that restore at once', () => {
  test('one that is revoked ends at once and writes nothing more; another that comes meanwhile, and the kept one, are restored whole', async () => {
    const world = new RestoreWorld(3)
    for (const partition of [0, 1, 2]) world.fill(3_000, partition)
    const [kept, gone, come] = [new MapStore(), new MapStore(), new MapStore()]
    const first = world.begin(kept, 0)
    const revoked = world.begin(gone, 1)
    await world.clock.runUntil(() => gone.keyCount > 0)
    revoked.revoke()
    await world.clock.settle()
    expect(revoked.outcome).toEqual({ restored: null })
    const writes = gone.written.length
    const late = world.begin(come, 2)
    await first.end()
    await late.end()
    expect(gone.written).toHaveLength(writes)
    expect(Object.keys(totals(kept))).toHaveLength(3_000)
    expect(Object.keys(totals(come))).toHaveLength(3_000)
    expect(world.readers).toBe(1)
  })

  test('one that comes back right after it was revoked is restored whole', async () => {
    const world = new RestoreWorld()
    world.fill(3_000)
    const before = new MapStore()
    const revoked = world.begin(before)
    await world.clock.runUntil(() => before.keyCount > 0)
    revoked.revoke()
    const store = new MapStore()
    const again = world.begin(store)
    await again.end()
    expect(again.outcome).toMatchObject({ restored: { position: 3_000 } })
    expect(Object.keys(totals(store))).toHaveLength(3_000)
  })

  test('one whose store fails does not hold up the others', async () => {
    const world = new RestoreWorld(2)
    world.fill(2_000, 0)
    world.fill(2_000, 1)
    const [good, bad] = [new MapStore(), new MapStore()]
    bad.onWrite = () => Promise.reject(new Error('the disk is full'))
    const failing = world.begin(bad, 1)
    const other = await world.restore(good, 0)
    expect(other.outcome).toMatchObject({ restored: { position: 2_000 } })
    expect(failing.outcome).toMatchObject({ error: { message: 'the disk is full' } })
  })

  test('one whose changelog cannot be read does not hold up the others', async () => {
    const world = new RestoreWorld(2)
    world.fill(10, 0)
    world.append({ key: Buffer.from([9, 1, 2]), value: 'of later', partition: 1 })
    const failing = world.begin(new MapStore(), 1)
    const other = await world.restore(new MapStore(), 0)
    await failing.end()
    expect(other.outcome).toMatchObject({ restored: { position: 10 } })
    expect(failing.outcome).toMatchObject({ error: { code: 'CHANGELOG_UNREADABLE' } })
  })
})

describe('what may come in between', () => {
  test('brokers that are away are waited for, before and while it reads, and it says so meanwhile', async () => {
    const world = new RestoreWorld()
    world.fill(3_000)
    world.broker.faults.areBrokersAway = true
    const store = new MapStore()
    const running = world.begin(store)
    await world.clock.advance(30_000)
    expect(running.progress.trouble?.reason).toContain('no broker answered')
    world.broker.faults.areBrokersAway = false
    await world.clock.runUntil(() => store.keyCount > 0)
    expect(running.progress.trouble).toBeNull()
    world.broker.faults.areBrokersAway = true
    await world.clock.advance(30_000)
    expect(running.isOver).toBe(false)
    world.broker.faults.areBrokersAway = false
    await running.end()
    expect(running.outcome).toMatchObject({ restored: { position: 3_000 } })
  })

  test('a transaction that is still open, of an owner that died: it is waited for, however it ends', async () => {
    for (const end of ['commit', 'abort'] as const) {
      const world = new RestoreWorld()
      world.set('a', '1')
      const transaction = world.broker.beginTransaction(at())
      transaction.append({ key: Buffer.from(keyOf('b')), value: Buffer.from('2'), headers: [], timestamp: 0 })
      const store = new MapStore()
      const running = world.begin(store)
      await world.clock.advance(10_000)
      expect(running.isOver).toBe(false)
      transaction[end]()
      await running.end()
      expect(totals(store)).toEqual(end === 'commit' ? { a: '1', b: '2' } : { a: '1' })
    }
  })

  test('brokers that go away while it reads, and a transaction that stays open, are told of after a while', async () => {
    const world = new RestoreWorld()
    world.fill(3_000)
    const transaction = world.broker.beginTransaction(at())
    transaction.append({ key: Buffer.from(keyOf('b')), value: Buffer.from('2'), headers: [], timestamp: 0 })
    const store = new MapStore()
    const running = world.begin(store)
    await world.clock.runUntil(() => store.keyCount > 0)
    world.broker.faults.areBrokersAway = true
    await world.clock.advance(20_000)
    expect(running.progress.trouble).toBeNull()
    await world.clock.advance(20_000)
    expect(running.progress.trouble?.reason).toMatch(/reading stands at offset \d+/)
    world.broker.faults.areBrokersAway = false
    await world.clock.runUntil(() => store.keyCount === 3_000)
    expect(running.progress.trouble).toBeNull()
    await world.clock.advance(40_000)
    expect(running.progress.trouble?.reason).toMatch(/stands at offset 3000 of 3001.*transaction/)
    transaction.commit()
    await running.end()
    expect(running.progress.trouble).toBeNull()
  })

  test('a reader that fails again and again is asked ever more seldom, and it is said once', async () => {
    const world = new RestoreWorld()
    world.fill(10)
    const lines: string[] = []
    const reader = world.broker.reader('failing')
    let polls = 0
    reader.poll = () => {
      polls += 1
      return Promise.reject(new TroupeError('BROKER_UNREACHABLE', 'as planned'))
    }
    const restorer = new Restorer({
      clock: world.clock,
      log: { ...silentLog, warn: (_, line) => lines.push(line) },
      openReader: () => reader,
    })
    const abort = new AbortController()
    const progress = world.stats.begin('count', 0, world.clock.now())
    const restoring = restorer.restore({ changelog: at(), store: new MapStore(), progress }, abort.signal)
    await world.clock.advance(60_000)
    expect(polls).toBeGreaterThan(5)
    expect(polls).toBeLessThan(30)
    expect(lines).toEqual([expect.stringContaining('as planned')])
    expect(progress.trouble?.reason).toContain('as planned')
    abort.abort()
    await restoring
  })

  test('what is written behind its end while it reads is no part of it, or all of it', async () => {
    const world = new RestoreWorld()
    world.fill(1_000)
    const store = new MapStore()
    const running = world.begin(store)
    await world.clock.runUntil(() => store.keyCount > 0)
    world.set('late', '1')
    await running.end()
    expect(store.mark?.changelogPosition).toBe('late' in totals(store) ? 1_001 : 1_000)
  })

  test('a changelog that is not there is waited for as long as brokers may take to hear of it, then it is lost', async () => {
    const world = new RestoreWorld()
    const running = world.begin(new MapStore(), 7)
    await world.clock.advance(5_000)
    expect(running.isOver).toBe(false)
    await running.end()
    expect(running.outcome).toMatchObject({ error: { code: 'CHANGELOG_LOST' } })
    expect((running.outcome as { error: Error }).error.message).toContain(`${changelog}/7`)
  })

  test('a slow store: no more than two batches are held, whatever the log has', async () => {
    const world = new RestoreWorld()
    world.fill(5_000)
    const store = new MapStore()
    let letGo: () => void = () => undefined
    store.onWrite = () => new Promise((resolve) => (letGo = resolve))
    const running = world.begin(store)
    await world.clock.advance(60_000)
    expect(running.progress.records).toBeLessThanOrEqual(1_000)
    store.onWrite = () => Promise.resolve()
    letGo()
    await running.end()
    expect(Object.keys(totals(store))).toHaveLength(5_000)
  })
})

test('its progress says how fast it is and how long it will take', async () => {
  const world = new RestoreWorld()
  world.fill(5_000)
  const store = new MapStore()
  store.onWrite = () => new Promise((resolve) => world.clock.after(100, resolve))
  const running = world.begin(store)
  await world.clock.runUntil(() => running.progress.position !== null && running.progress.position >= 2_500)
  const half = running.progress.describe(running.progress.startedAtMs + 1_000)
  expect(half).toMatchObject({
    records: 2_500,
    recordsPerSecond: 2_500,
    offsetsLeft: 2_500,
    leftMs: 1_000,
    forMs: 1_000,
  })
  expect([...world.stats.totals()]).toEqual([['count', { restores: 0, records: 2_500, bytes: running.progress.bytes }]])
  await running.end()
  world.stats.end(running.progress)
  expect(world.stats.totals().get('count')).toMatchObject({ restores: 1, records: 5_000 })
  expect([...world.stats.open()]).toEqual([])
})
