/** What an app under test waits for in real time, and what it says of a test that uses it wrongly. */
import { readFile } from 'node:fs/promises'
import { expect, expectTypeOf, test } from 'vitest'
import { defineHandler, done } from '../../../src/actors/handlers/handler.ts'
import { state } from '../../../src/state/declared-state.ts'
import { avro } from '../../../src/streams/avro/avro.ts'
import { json, text } from '../../../src/streams/flows/codec.ts'
import { topic } from '../../../src/streams/flows/flow.ts'
import { startTestApp } from '../../../src/testing/app/start-test-app.ts'

const words = topic('words', { key: text, value: text })
const out = topic('out', { value: json<string>() })
const file = new URL(import.meta.url)

const count = defineHandler({
  input: words,
  outputs: [out],
  state: { count: state<number>({ initial: () => 0 }) },
  handle: (word, { state: own }) => done([out.record(`${word} ${own.count.update((before) => before + 1)}`)]),
})

test('set-up, shared data and handlers may take real time; all that was set up is torn down', async () => {
  const log: string[] = []
  const app = await startTestApp(
    defineHandler({
      input: words,
      outputs: [out],
      state: { count: state<number>({ initial: () => 0 }) },
      setup: async ({ shared }) => {
        const own = await readFile(file, 'utf8')
        log.push('set up')
        return own.length === shared('file').length
      },
      teardown: async (setup) => {
        await readFile(file)
        log.push(`torn down ${setup}`)
      },
      handle: async (word, { setup, state: own }) => {
        await readFile(file)
        return done([out.record(`${word} ${own.count.update((before) => before + 1)} ${setup}`)])
      },
    }),
    { shared: { file: () => readFile(file) } },
  )
  await app.send('one', { key: 'ann' })
  app.append('two', { key: 'ann' })
  await app.crash({ at: 'before-commit' })
  await app.rebalance()
  await app.send('three', { key: 'ann' })
  expect(app.read(out).map(({ value }) => value)).toEqual(['one 1 true', 'two 2 true', 'three 3 true'])
  await app.close()
  expect(log.toSorted()).toEqual(['set up', 'set up', 'set up', 'torn down true', 'torn down true', 'torn down true'])
})

test('topics with schemas need no registry', async () => {
  const readings = topic('readings', {
    value: avro({ type: 'record', name: 'Reading', fields: [{ name: 'celsius', type: 'double' }] } as const),
  })
  const alarms = topic('alarms', {
    value: avro({ type: 'record', name: 'Alarm', fields: [{ name: 'sum', type: 'double' }] } as const),
  })
  const app = await startTestApp(
    defineHandler({
      input: readings,
      outputs: [alarms],
      state: { sum: state<number>({ initial: () => 0 }) },
      handle: ({ celsius }, { state: { sum } }) =>
        done([alarms.record({ sum: sum.update((before) => before + celsius) })]),
    }),
  )
  await app.send({ celsius: 20 }, { key: 'cellar' })
  await app.crash()
  await app.send({ celsius: 1.5 }, { key: 'cellar' })
  expect(app.read(alarms)).toEqual([alarms.record({ sum: 20 }), alarms.record({ sum: 21.5 })])
  await app.close()
})

test('values, keys, states and topics have their types', async () => {
  const app = await startTestApp(count)
  expectTypeOf(app.state('count').get('ann')).toEqualTypeOf<number | undefined>()
  expectTypeOf(() => app.read(out)[0]!.value).returns.toEqualTypeOf<string>()
  // @ts-expect-error -- the handler declares no such state
  expect(() => app.state('sum')).toThrow('the handler declares no state sum; there are count')
  // @ts-expect-error -- the topic has text
  app.append.bind(null, 5)
  // @ts-expect-error -- keys of the topic are text
  app.append.bind(null, 'word', { key: 5 })
  await app.close()
})

test('a crash at a point needs something that waits for a checkpoint', async () => {
  const app = await startTestApp(count)
  await app.send('one', { key: 'ann' })
  await expect(app.crash({ at: 'before-commit' })).rejects.toThrow(
    'no checkpoint came to before-commit, since nothing waited for one: append a record before the crash',
  )
  // It goes on as if nothing had been asked.
  await app.send('two', { key: 'ann' })
  expect(app.state('count').get('ann')).toBe(2)
  // @ts-expect-error -- there is no such point
  await expect(app.crash({ at: 'before-lunch' })).rejects.toThrow(
    'a checkpoint has no point before-lunch; there are before-freeze, before-rows,',
  )
  await app.close()
})

test('an app that is at least once has no checkpoint to crash in; what it has not committed comes again', async () => {
  const app = await startTestApp(
    defineHandler({ input: words, outputs: [out], handle: (word) => done([out.record(word)]) }),
  )
  await app.send('one')
  app.append('two')
  await expect(app.crash({ at: 'before-commit' })).rejects.toThrow("set guarantee: 'exactly-once'")
  await app.crash()
  expect(app.read(out)).toEqual([out.record('one'), out.record('two')])
  await app.close()
})

test('what never ends is told, with what it waits for', async () => {
  const app = await startTestApp(
    defineHandler({
      input: words,
      handle: () => {
        throw new Error('the service is down')
      },
    }),
    { actor: { retry: { attempts: 'unlimited' } } },
  )
  await expect(app.send('one')).rejects.toThrow(
    /^the app does not come to rest: words\/0\/0: attempt \d+ begins in .* the service is down/,
  )
  await app.close()
})

test('what a start refuses rejects the start of the test, and what ends the app rejects the call', async () => {
  await expect(startTestApp(count, { actor: { order: 'unordered' } })).rejects.toMatchObject({
    code: 'OPTIONS_INVALID',
  })
  // @ts-expect-error -- under test there are no threads
  await expect(startTestApp(count, { actor: { runOn: 'threads' } })).rejects.toThrow('leave it out')
  // @ts-expect-error -- no option of an app
  await expect(startTestApp(count, { partition: 3 })).rejects.toThrow('partition')
  const app = await startTestApp(
    defineHandler({
      input: words,
      handle: () => {
        throw new Error('enough')
      },
    }),
    { actor: { failedRecords: 'escalate', retry: { attempts: 1 } } },
  )
  await expect(app.send('one')).rejects.toMatchObject({ code: 'ESCALATED' })
  await app.close()
})

test('one call at a time, and none after the end', async () => {
  const app = await startTestApp(count)
  const first = app.send('one', { key: 'ann' })
  await expect(app.send('two', { key: 'ann' })).rejects.toThrow('await the call before this one')
  await first
  await app.close()
  await app.close()
  await expect(app.send('three', { key: 'ann' })).rejects.toThrow('the app was closed')
  await expect(app.idle(1)).rejects.toThrow('the app was closed')
  expect(() => app.state('count').get('ann')).toThrow('the app was closed')
})
