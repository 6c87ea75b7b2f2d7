/** What crosses to real threads and back, and what a pool leaves behind. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { loadShared } from '../../src/actors/handlers/shared-data.ts'
import { resolvedActor } from '../actors/actor-fixture.ts'
import {
  expectNoMoreThan,
  fixtureUrl,
  resources,
  scripts,
  startPool,
  textOf,
  until,
  type PoolSettings,
} from './pool-fixture.ts'

let directory = ''
let running: Awaited<ReturnType<typeof startPool>> | undefined

async function start(settings: PoolSettings = {}, url = fixtureUrl('scripted.js')) {
  running = await startPool(url, settings)
  return running
}

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'troupe-threads-'))
})

afterAll(() => {
  rmSync(directory, { recursive: true })
})

afterEach(async () => {
  await running?.pool.destroy()
  running = undefined
})

describe('records and outcomes cross', () => {
  test('value, key, headers, offset, partition and time reach the handler; its output comes back', async () => {
    const { send, finished, delivery, manifests } = await start()
    const [record] = scripts([{ do: 'echo', text: 'ünï \u{1F600}' }], { first: 2 ** 31 + 5 })
    send([record!])
    await finished()
    expect(manifests).toEqual([
      {
        actor: 'enrich',
        what: 'handler',
        isOperator: false,
        isFronted: false,
        input: 'scripts',
        inputs: ['scripts'],
        companions: [],
        globals: [],
        front: null,
        outputTopics: ['results'],
        latestTopics: [],
        destinations: [],
        schemas: [],
        call: null,
        contracts: [],
        states: [],
        timers: [],
      },
    ])
    expect(delivery.outputs).toHaveLength(1)
    const [output] = delivery.outputs
    expect(textOf(output!.key)).toBe('key 0')
    expect(JSON.parse(textOf(output!.value))).toMatchObject({
      id: 'scripts/0/2147483653',
      attempt: 1,
      text: 'ünï \u{1F600}',
    })
  })

  test('what crossing costs is noted beside the work, on both sides', async () => {
    const { send, finished, stats } = await start()
    send(scripts([{ do: 'echo' }, { do: 'echo' }, { do: 'echo' }]))
    await finished()
    const { cost } = stats.actor('enrich')
    expect(cost).toMatchObject({ crossed: 3, promises: 0, looked: 0 })
    // Both threads had nothing to do, so the first batches had to wake them, and what was posted has to arrive.
    for (const ms of [cost.mainMs, cost.threadMs, cost.wakeMs]) expect(ms).toBeGreaterThan(0)
  })

  test('a handler that waits is told from one that is merely asynchronous', async () => {
    for (const [script, waited] of [
      [{ do: 'wait', ms: 5 }, 1],
      [{ do: 'promise' }, 0],
    ] as const) {
      const { pool, send, finished, stats } = await start({ threads: { count: 1 } })
      send(scripts([script, script]))
      await finished()
      // The first of the two promises is looked at.
      expect(stats.actor('enrich').cost, script.do).toMatchObject({ promises: 2, looked: 1, waited })
      await pool.destroy()
    }
  })

  test('the original bytes stay: a record that is tried again reaches the handler whole', async () => {
    const { send, finished, delivery, deadLetters } = await start()
    const [record] = scripts([{ do: 'throw' }])
    const value = Buffer.from(record!.value!)
    send([record!])
    await finished()
    expect(delivery.outputs).toEqual([])
    expect(deadLetters().map(({ record: { value: bytes } }) => bytes)).toEqual([value])
  })

  test('each outcome and each kind of error has its effect', async () => {
    const { send, finished, deadLetters, stats } = await start()
    send(
      scripts([
        { do: 'skip' },
        { do: 'dead-letter' },
        { do: 'throw' },
        { do: 'throw-retryable' },
        { do: 'throw-terminal' },
        { do: 'retry', ms: 1 },
        { do: 'something that returns nothing' },
      ]),
    )
    await finished()
    const told = deadLetters()
      .map(({ headers }) => [headers['troupe.offset'], headers['troupe.attempts'], headers['troupe.error-message']])
      .sort()
    expect(told).toEqual([
      ['1', '1', 'as told'],
      ['2', '3', 'boom: the cause'],
      ['3', '3', 'later'],
      ['4', '1', 'never'],
      ['5', '3', 'the handler asked for a retry'],
      ['6', '1', 'handler scripted returned nothing instead of an outcome'],
    ])
    const thrown = deadLetters().find(({ headers }) => headers['troupe.offset'] === '2')
    expect(thrown?.headers).toMatchObject({ 'troupe.error-name': 'Error', 'troupe.error-code': 'E_BOOM' })
    expect(thrown?.headers['troupe.error-stack']).toContain('scripted.js')
    expect(stats.partition('enrich', 'scripts', 0).skipped).toBe(1)
  })

  test('records of a key keep their order over many batches and both threads', async () => {
    const { send, finished, results, stats } = await start({ threads: { maxBatchRecords: 50 } })
    const keys = 7
    send(
      scripts(
        Array.from({ length: 5_000 }, (_, index) => ({ do: 'echo', index })),
        { key: (index) => `key ${index % keys}` },
      ),
    )
    await finished()
    expect(results()).toHaveLength(5_000)
    for (let key = 0; key < keys; key += 1) {
      const ofKey = results().filter(({ index }) => (index as number) % keys === key)
      expect(ofKey.map(({ index }) => index)).toEqual(ofKey.map((_, position) => position * keys + key))
    }
    expect(new Set(results().map(({ threadId }) => threadId)).size).toBe(2)
    expect(stats.actor('enrich').batchRecords.count).toBeGreaterThan(50)
  })

  // Each reply makes room for a batch: while handlers are quicker than main, one turn of its loop would never end.
  test('what takes main long to take in is followed by others of its loop, before it hands out more', async () => {
    let mainMs = 0
    const clock = { ...systemClock, now: () => systemClock.now() + mainMs }
    const { delivery, finished, pool, results, send } = await start({ pool: { clock } })
    const deliver = delivery.deliver.bind(delivery)
    delivery.deliver = (...output) => {
      mainMs += 10
      return deliver(...output)
    }
    const room = pool.onRoom
    const freeSlots: number[] = []
    pool.onRoom = () => {
      freeSlots.push(pool.freeSlots)
      room()
    }
    send(
      scripts(
        Array.from({ length: 200 }, (_, index) => ({ do: 'echo', index })),
        { key: (index) => `key ${index}` },
      ),
    )
    await finished()
    expect(results()).toHaveLength(200)
    // The last reply has freed the last slot, but not for its turn.
    await expect.poll(() => freeSlots.slice(-2)).toEqual([0, 4])
  })

  test('an asynchronous handler that does not settle in time is an attempt that failed, and its signal is aborted', async () => {
    const { send, finished, deadLetters, stats } = await start({ actor: { handlerTimeoutMs: 30 } })
    send(scripts([{ do: 'wait', ms: 60_000 }]))
    await finished()
    expect(deadLetters().map(({ headers }) => [headers['troupe.error-code'], headers['troupe.attempts']])).toEqual([
      ['HANDLER_TIMEOUT', '3'],
    ])
    expect(stats.threadRestarts).toBe(0)
  })

  test('a batch ends at the byte limit; a larger record goes alone', async () => {
    const { send, finished, results, stats } = await start({ threads: { maxBatchBytes: 64 * 1024 } })
    const pad = 'x'.repeat(200 * 1024)
    send(scripts([{ do: 'echo' }, { do: 'echo', pad }, { do: 'echo', pad }, { do: 'echo' }], { key: () => 'one' }))
    await finished()
    expect(results()).toHaveLength(4)
    const { counts, bounds, count } = stats.actor('enrich').batchRecords
    expect(count).toBeGreaterThanOrEqual(3)
    // No batch of more than two records: one that fits, and one that fills it.
    expect(counts.slice(bounds.indexOf(2) + 1).every((times) => times === 0)).toBe(true)
  })
})

describe('asynchronous handlers', () => {
  /** Nothing here is about the time-out, which a busy machine must not reach. */
  const handlerTimeoutMs = 60_000
  /** Where the records of `meet` note themselves, and how many were in progress at once. */
  const meeting = () => {
    const file = join(directory, `meeting-${Math.random().toString(36).slice(2)}`)
    const mostAtOnce = () => {
      let now = 0
      let most = 0
      for (const mark of readFileSync(file, 'latin1')) {
        now += mark === '+' ? 1 : -1
        most = Math.max(most, now)
      }
      return most
    }
    return { file, mostAtOnce }
  }
  const many = (count: number, script: object) => Array.from({ length: count }, (_, index) => ({ ...script, index }))

  test('timers live in a thread, and its records wait side by side, more than its slots hold', async () => {
    const { send, finished, results } = await start({ threads: { count: 1, slots: 1 }, actor: { handlerTimeoutMs } })
    const { file, mostAtOnce } = meeting()
    send(scripts(many(64, { do: 'meet', file, count: 64 })))
    await finished()
    expect(results()).toHaveLength(64)
    expect(mostAtOnce()).toBe(64)
  })

  test('a slow record holds neither the outcomes of its batch mates nor the slot', async () => {
    const { send, results, actorOf, stats } = await start({
      threads: { count: 1, slots: 1 },
      actor: { handlerTimeoutMs },
    })
    const slow = { do: 'wait', ms: 60_000 }
    send(scripts([slow, ...many(8, { do: 'wait', ms: 1 }), ...many(4, { do: 'echo' })]))
    await until(() => results().length === 12)
    send(scripts([slow, ...many(8, { do: 'wait', ms: 1 })], { first: 13 }))
    await until(() => results().length === 20)
    expect(actorOf(0).heldRecords).toBe(2)
    expect(stats.threads).toEqual({ starting: 0, idle: 0, busy: 1 })
  })

  test('a slow record holds its own bytes, not those of its batch mates, which are finished', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const { send, results, actorOf } = await start({
      threads: { count: 1, slots: 1 },
      actor: { handlerTimeoutMs },
    })
    const sendAll = (): WeakRef<object>[] => {
      const records = scripts([{ do: 'wait', ms: 60_000 }, ...many(8, { do: 'echo' })])
      send(records)
      return records.slice(1).map((record) => new WeakRef(record))
    }
    const mates = sendAll()
    await until(() => results().length === 8)
    await until(() => {
      collect()
      return mates.every((mate) => mate.deref() === undefined)
    })
    expect(actorOf(0).heldRecords).toBe(1)
  })

  test('each outcome that comes late has its effect, in the order of its key', async () => {
    const { send, finished, results, deadLetters } = await start({
      threads: { maxBatchRecords: 20 },
      actor: { handlerTimeoutMs },
    })
    const keys = 5
    send(
      scripts(
        Array.from({ length: 200 }, (_, index) => ({ do: 'wait', ms: (index * 7) % 4, index })),
        { key: (index) => `key ${index % keys}` },
      ),
    )
    send(scripts([{ do: 'wait-then-throw' }], { first: 200 }))
    await finished()
    expect(results()).toHaveLength(200)
    for (let key = 0; key < keys; key += 1) {
      const ofKey = results().filter(({ index }) => (index as number) % keys === key)
      expect(ofKey.map(({ index }) => index)).toEqual(ofKey.map((_, position) => position * keys + key))
    }
    expect(deadLetters().map(({ headers }) => [headers['troupe.offset'], headers['troupe.attempts']])).toEqual([
      ['200', '3'],
    ])
  })

  test('no more of them than `concurrency` says are in progress at once, on all threads together', async () => {
    const { send, finished, results } = await start({ actor: { handlerTimeoutMs, concurrency: 3 } })
    const { file, mostAtOnce } = meeting()
    send(scripts(many(60, { do: 'meet', file, count: 3 })))
    await finished()
    expect(results()).toHaveLength(60)
    expect(mostAtOnce()).toBe(3)
  })

  test('a handler that returned no promise before keeps to it too', async () => {
    const { send, finished, results } = await start({
      threads: { count: 1 },
      actor: { handlerTimeoutMs, concurrency: 3 },
    })
    const { file, mostAtOnce } = meeting()
    send(scripts(many(200, { do: 'echo' })))
    await finished()
    send(scripts(many(200, { do: 'meet', file, count: 3 }), { first: 200 }))
    await finished()
    expect(results()).toHaveLength(400)
    expect(mostAtOnce()).toBe(3)
  })

  test.each([
    ['values only', []],
    ['a promise, and values since', [{ do: 'promise' }]],
  ])('a handler that returned %s keeps to it on all threads together', async (_, first) => {
    const { send, finished, results } = await start({
      threads: { count: 4 },
      actor: { handlerTimeoutMs, concurrency: 5 },
    })
    const { file, mostAtOnce } = meeting()
    send(scripts(first))
    await finished()
    send(scripts(many(200, { do: 'echo' }), { first: first.length }))
    await finished()
    send(scripts(many(80, { do: 'meet', file, count: 4 }), { first: 200 + first.length }))
    await finished()
    expect(results()).toHaveLength(280 + first.length)
    expect(mostAtOnce()).toBeLessThanOrEqual(5)
  })

  test('one that ignores its signal takes its room of all threads until it ends; its outputs are discarded', async () => {
    const { pool, send, finished, results, deadLetters } = await start({
      actor: {
        handlerTimeoutMs: 30,
        concurrency: 3,
        retry: { attempts: 1, backoffMs: 1, maxBackoffMs: 1, jitter: 0 },
      },
    })
    const { file } = meeting()
    send(scripts(many(3, { do: 'ignore', file })))
    await finished()
    expect(deadLetters().map(({ headers }) => headers['troupe.error-code'])).toEqual([
      'HANDLER_TIMEOUT',
      'HANDLER_TIMEOUT',
      'HANDLER_TIMEOUT',
    ])
    const [room, slots] = [pool.roomOf({ ...resolvedActor, name: 'enrich' }), pool.freeSlots]
    send(scripts([{ do: 'echo' }], { first: 3 }))
    appendFileSync(file, 'end')
    await finished()
    expect([room, slots]).toEqual([0, 4])
    expect(results().map(({ do: what }) => what)).toEqual(['echo'])
  })

  test('those that a thread leaves behind end with it', async () => {
    const { pool, send, finished, stats } = await start({
      threads: { count: 1 },
      actor: { handlerTimeoutMs: 30, concurrency: 3, retry: { attempts: 1, backoffMs: 1, maxBackoffMs: 1, jitter: 0 } },
    })
    send(scripts(many(2, { do: 'ignore', file: meeting().file })))
    await finished()
    expect(stats.actor('enrich')).toMatchObject({ attemptsGivenUp: 2, leftOverCalls: 2, leftOverHandler: 'scripted' })
    send(scripts([{ do: 'exit' }], { first: 2 }))
    await finished()
    await until(() => stats.threadRestarts === 1)
    expect(stats.actor('enrich')).toMatchObject({ attemptsGivenUp: 2, leftOverCalls: 0 })
    expect(pool.roomOf({ ...resolvedActor, name: 'enrich' })).toBe(3)
  })

  test('those that wait for nothing take one message a batch, as synchronous ones do', async () => {
    const { pool, send, finished, results, stats } = await start()
    send(scripts(many(500, { do: 'promise' })))
    await finished()
    expect(results()).toHaveLength(500)
    expect(pool.freeSlots).toBe(4)
    expect(stats.actor('enrich').batchRecords.sum).toBe(500)
  })
})

describe('handlers on threads', () => {
  test('setup runs once per thread', async () => {
    const { send, finished, results, lines } = await start()
    send(scripts(Array.from({ length: 500 }, (_, index) => ({ do: 'echo', index }))))
    await finished()
    expect(new Set(results().map(({ setups }) => setups))).toEqual(new Set([1]))
    expect(lines.filter(({ message }) => message === 'set up')).toHaveLength(2)
  })

  test('what the app shares is one copy for all threads', async () => {
    const shared = await loadShared({ counts: () => new Uint8Array(4) })
    const { send, finished, results } = await start({ pool: { shared } }, fixtureUrl('counts-in-shared.js'))
    send(scripts(Array.from({ length: 200 }, () => ({}))))
    await finished()
    expect(new Set(results().map(({ threadId }) => threadId)).size).toBe(2)
    expect(
      results()
        .map(({ before }) => before as number)
        .sort((a, b) => a - b),
    ).toEqual(Array.from({ length: 200 }, (_, index) => index))
  })

  test('may post messages of their own, which mean nothing to main', async () => {
    const { send, finished, results, fatal } = await start()
    send(scripts([{ do: 'post' }, { do: 'echo' }]))
    await finished()
    expect([results().length, fatal]).toEqual([2, []])
  })

  test('a name that nobody shares fails its setup', async () => {
    await expect(start({}, fixtureUrl('counts-in-shared.js'))).rejects.toMatchObject({
      code: 'SETUP_FAILED',
      message: 'setup of handler enrich failed: no shared data is named counts; the app shares nothing',
    })
  })

  test('lines of a handler arrive, errors as errors, and what cannot be cloned as text', async () => {
    const { send, finished, lines } = await start()
    send(scripts([{ do: 'log' }]))
    await finished()
    await until(() => lines.some(({ message }) => message === 'odd fields'))
    const line = lines.find(({ message }) => message === 'odd fields')
    expect(line).toMatchObject({
      level: 'warn',
      fields: { handler: 'scripted', count: 3n, open: 'function open' },
    })
    const error = line?.fields['error']
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({ message: 'boom', code: 'E_BOOM' })
    expect((error as Error).stack).toContain('scripted.js')
  })

  test.each(['typed.ts', 'typed.js'])('TypeScript that is not compiled loads by the URL %s', async (module) => {
    const { send, finished, results } = await start({}, fixtureUrl(module))
    send(scripts([{ n: 1 }]))
    await finished()
    expect(results()).toEqual([{ n: 2 }])
  })

  test('a module that imports troupe brings neither the native client nor what main alone needs', async () => {
    const { send, finished, results } = await start({}, fixtureUrl('native-client.js'))
    send(scripts([{}]))
    await finished()
    expect(results()).toEqual([{ addons: [], heavy: [], hasPool: true }])
  })
})

describe('the end of a pool', () => {
  /** Nothing here is about the time-out, unless it says so. */
  const patient = { pool: { teardownTimeoutMs: 60_000 } }
  const careful = (then = '') => {
    const marker = join(directory, `torn-${Math.random().toString(36).slice(2)}`)
    return { marker, url: fixtureUrl('teardown.js', { marker, then }) }
  }

  test('each thread tears down what its handlers have set up, and is waited for', async () => {
    const { marker, url } = careful()
    const { pool } = await start(patient, url)
    await pool.destroy()
    expect(new Set(readFileSync(marker, 'utf8').trim().split('\n')).size).toBe(2)
  })

  test('a teardown that fails is told, and ends nothing else', async () => {
    const { url } = careful('throw')
    const { pool, lines } = await start(patient, url)
    await pool.destroy()
    expect(lines.filter(({ level }) => level === 'warn').map(({ message }) => message)).toEqual([
      'stopping: teardown of handler careful failed: the file is busy',
      'stopping: teardown of handler careful failed: the file is busy',
    ])
  })

  test.each([
    { name: 'a teardown that never returns', then: 'hang', script: { do: 'echo' } },
    { name: 'a thread in an endless loop', then: '', script: { do: 'loop' } },
  ])('$name is not waited for beyond the limit', async ({ then, script }) => {
    const { marker, url } = careful(then)
    const { pool, send, lines } = await start({ threads: { count: 1 }, pool: { teardownTimeoutMs: 100 } }, url)
    send(scripts([script]))
    await pool.destroy()
    expect(existsSync(marker)).toBe(false)
    expect(lines.map(({ message }) => message)).toEqual(['stopping: 1 threads were not torn down within 100 ms'])
  })

  // Case 48.
  test('batches in flight end without a word, and nothing comes back late', async () => {
    const { pool, send, results, deadLetters, fatal, stats } = await start()
    const unhandled: unknown[] = []
    const note = (reason: unknown) => unhandled.push(reason)
    process.on('unhandledRejection', note)
    send(scripts(Array.from({ length: 100 }, () => ({ do: 'wait', ms: 60_000 }))))
    expect(pool.freeSlots).toBeLessThan(4)
    const [first, second] = [pool.destroy(), pool.destroy()]
    expect(first).toBe(second)
    await first
    await new Promise((resolve) => setImmediate(resolve))
    process.off('unhandledRejection', note)
    expect(unhandled).toEqual([])
    expect([results(), deadLetters(), fatal, stats.threadRestarts]).toEqual([[], [], [], 0])
    expect(pool.freeSlots).toBe(0)
  })

  test('pools that come and go leave no thread, timer or port behind', async () => {
    const cycle = async () => {
      const { pool, send, finished } = await startPool(fixtureUrl('scripted.js'))
      send(scripts([{ do: 'echo' }]))
      await finished()
      await pool.destroy()
    }
    await cycle()
    const before = resources()
    for (let round = 0; round < 10; round += 1) await cycle()
    await expectNoMoreThan(before)
  })
})
