/** The inference of a handler's input, set-up and outputs is API: users write no type of their own. */
import * as v from 'valibot'
import { expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import {
  around,
  bytes,
  compose,
  deadLetter,
  defineApp,
  defineBatchHandler,
  defineHandler,
  done,
  json,
  skip,
  state,
  table,
  globalTableOf,
  tableOf,
  text,
  ThrottledError,
  topic,
  type HandlerContext,
  type KeyedState,
  type Outcome,
  type Topic,
  type Wrapper,
} from '../../src/index.ts'
import { createHarness } from '../../src/testing.ts'

interface Click {
  readonly user: number
}

const clicks = topic<Click>('clicks')
const texts = topic('texts', { value: text })
const blobs = topic('blobs', { value: bytes })
const rows = table<Click>('clicks', { columns: { user: 'bigint' }, key: ['user'] })

test('the value has the type of the input topic', () => {
  defineHandler({
    input: clicks,
    handle(value) {
      expectTypeOf(value).toEqualTypeOf<Click>()
      return done()
    },
  })
  defineHandler({
    input: texts,
    handle(value) {
      expectTypeOf(value).toEqualTypeOf<string>()
      return skip()
    },
  })
  defineHandler({
    input: blobs,
    handle(value) {
      expectTypeOf(value).toEqualTypeOf<Uint8Array>()
      return skip()
    },
  })
})

test('a checked codec gives the type that its check returns', () => {
  const checked = topic('clicks', { value: json((parsed): Click => ({ user: Number(parsed) })) })
  expectTypeOf(checked).toEqualTypeOf<Topic<Click, 'clicks'>>()
})

test('the options of json are checked, and its check gives the type beside them too', () => {
  const check = (parsed: unknown): Click => ({ user: Number(parsed) })
  expectTypeOf(json({ check, unsafeIntegers: 'bigint' }).decode(new Uint8Array())).toEqualTypeOf<Click>()
  expectTypeOf(topic<Click>('clicks', { value: json({ unsafeIntegers: 'round' }) })).toEqualTypeOf<Topic<Click>>()
  // @ts-expect-error -- no such way
  json({ unsafeIntegers: 'keep' })
})

test('a schema gives the type that comes out of it, alone and as the check', () => {
  const zodClick = z.object({ user: z.number(), at: z.string().transform((at) => new Date(at)) })
  type ZodClick = z.output<typeof zodClick>
  expectTypeOf(topic('clicks', { value: json(zodClick) })).toEqualTypeOf<Topic<ZodClick, 'clicks'>>()
  expectTypeOf(json({ check: zodClick, unsafeIntegers: 'bigint' }).decode(new Uint8Array())).toEqualTypeOf<ZodClick>()
  const valibotClick = v.object({ user: v.pipe(v.string(), v.transform(Number)) })
  expectTypeOf(json(valibotClick).decode(new Uint8Array())).toEqualTypeOf<{ user: number }>()
  expectTypeOf(json({ check: valibotClick }).decode(new Uint8Array())).toEqualTypeOf<{ user: number }>()
  // @ts-expect-error -- the topic's type is another one
  topic<{ readonly user: Date }>('clicks', { value: json(valibotClick) })
})

test('null reaches a handler only by the type of its topic', () => {
  const withTombstones = topic<Click>('clicks', { tombstones: true })
  defineHandler({
    input: withTombstones,
    handle(value) {
      expectTypeOf(value).toEqualTypeOf<Click | null>()
      return done()
    },
  })
})

test('set-up gets shared data as a Buffer', () => {
  defineHandler({
    input: clicks,
    setup: ({ shared }) => shared('geo'),
    handle(_value, { setup }) {
      expectTypeOf(setup).toEqualTypeOf<Buffer>()
      return done()
    },
  })
})

test('ctx.setup is what setup resolves to', () => {
  defineHandler({
    input: clicks,
    setup: () => Promise.resolve({ country: (ip: string) => ip }),
    handle(_value, { setup }) {
      expectTypeOf(setup).toEqualTypeOf<{ country: (ip: string) => string }>()
      return done()
    },
  })
})

test('outputs are checked against their topic and their table', () => {
  clicks.record({ user: 1 }, { key: 7 })
  rows.upsert({ user: 1 })
  // @ts-expect-error -- a click has a user
  clicks.record({ name: 'x' })
  // @ts-expect-error -- a tombstone needs a topic that carries them
  clicks.record(null)
  // @ts-expect-error -- a row has a user
  rows.upsert({ name: 'x' })
})

test('topics and tables of any type may be listed as outputs', () => {
  defineHandler({ input: clicks, outputs: [texts, blobs, clicks, rows], handle: () => done() })
})

test('a handler has to return an outcome', () => {
  // @ts-expect-error -- nothing is no outcome
  defineHandler({ input: clicks, handle: () => undefined })
  defineHandler({ input: clicks, handle: () => Promise.resolve(deadLetter('x')) })
})

test('compose hands each step what the one before returned', () => {
  const handle = compose(
    (value: Click) => (value.user > 0 ? String(value.user) : skip()),
    (name) => {
      expectTypeOf(name).toEqualTypeOf<string>()
      return done()
    },
  )
  expectTypeOf(handle).parameter(0).toEqualTypeOf<Click>()
})

test('around keeps the types of what it is around, with set-up', () => {
  const timed =
    <In, Out>(): Wrapper<In, Out> =>
    (value, { log }, next) => {
      log.info({}, 'called')
      return next(value)
    }
  const checked: Wrapper<Click, string, { country: string }> = (value, { setup }, next) => {
    expectTypeOf(setup.country).toEqualTypeOf<string>()
    return value.user > 0 ? next(value) : skip()
  }
  defineHandler({
    input: clicks,
    setup: () => ({ country: 'IS' }),
    handle: compose(
      around((value: Click) => String(value.user), timed(), checked),
      around((name: string) => {
        expectTypeOf(name).toEqualTypeOf<string>()
        return done()
      }, timed()),
    ),
  })
  const handle = around((value: Click) => (value.user > 0 ? done() : skip()), timed())
  expectTypeOf(handle).parameter(0).toEqualTypeOf<Click>()
  const user = (value: Click): string => String(value.user)
  const ofNumbers: Wrapper<number, string> = (value, _context, next) => next(value)
  // @ts-expect-error -- a wrapper of another value
  around(user, ofNumbers)
  // @ts-expect-error -- says something that is neither a value of the step nor an outcome
  around(user, () => 5)
})

test('a rate, adaptive concurrency and a throttle', () => {
  const handler = new URL('file:///h.js')
  defineApp({ actors: [{ handler, rate: { perSecond: 0.5 }, concurrency: { min: 1, max: 9, target: 'latency' } }] })
  defineApp({ actors: [{ handler, rate: null, concurrency: 5 }] })
  // @ts-expect-error -- no such target
  defineApp({ actors: [{ handler, concurrency: { min: 1, max: 9, target: 'throughput' } }] })
  defineHandler({
    input: clicks,
    handle(_value, { throttle }) {
      expectTypeOf(throttle).parameter(0).toEqualTypeOf<number>()
      throw new ThrottledError('429', { retryAfterMs: 1_000 })
    },
  })
  // @ts-expect-error -- for how long?
  new ThrottledError('429')
})

test('the harness sends what the handler takes', () => {
  const harness = createHarness(defineHandler({ input: clicks, handle: () => done() }))
  expectTypeOf(harness.send({ user: 1 })).resolves.toEqualTypeOf<Outcome>()
  // @ts-expect-error -- a click has a user
  void harness.send({ name: 'x' })
})

test('onError decides by a word, or with how often and when to try again', () => {
  const handle = () => done()
  defineHandler({ input: clicks, handle, onError: () => 'park' })
  defineHandler({ input: clicks, handle, onError: (error) => (error ? { retry: 'unlimited', afterMs: 5 } : undefined) })
  // @ts-expect-error -- it is either limited or not
  defineHandler({ input: clicks, handle, onError: () => ({ retry: 20 }) })
})

test('the attempts of a record are a number, or unlimited', () => {
  const handler = new URL('file:///h.js')
  defineApp({ actors: [{ handler, retry: { attempts: 'unlimited' } }] })
  // @ts-expect-error -- no such word
  defineApp({ actors: [{ handler, retry: { attempts: 'forever' } }] })
})

test('an app knows its options by name', () => {
  defineApp({ kafka: { groupId: 'g' }, actors: [{ handler: new URL('file:///h.js'), order: 'partition' }] })
  // @ts-expect-error -- no such order
  defineApp({ actors: [{ handler: new URL('file:///h.js'), order: 'random' }] })
  // @ts-expect-error -- no such option
  defineApp({ actors: [{ handler: new URL('file:///h.js'), ordr: 'key' }] })
})

test('the key has the type of the codec for keys, and is bytes without one', () => {
  const keyed = topic('keyed', { key: text, value: json<Click>() })
  expectTypeOf(keyed).toEqualTypeOf<Topic<Click, 'keyed', string>>()
  defineHandler({
    input: keyed,
    outputs: [keyed],
    handle(value, { key }) {
      expectTypeOf(key).toEqualTypeOf<string | null>()
      return done([keyed.record(value, { key })])
    },
  })
  defineHandler({
    input: clicks,
    handle(_, { key }) {
      expectTypeOf(key).toEqualTypeOf<Uint8Array | null>()
      return done()
    },
  })
  defineBatchHandler({
    input: keyed,
    handle(records) {
      expectTypeOf(records[0]!.key).toEqualTypeOf<string | null>()
      return done()
    },
  })
})

test('the steps of compose, and what is around them, see the key with its type', () => {
  const keyed = topic('keyed', { key: text, value: json<Click>() })
  const check = (value: Click, { key }: HandlerContext<unknown, string>) => (key === '' ? deadLetter('no key') : value)
  const ofAnyKey = (value: Click, { key }: HandlerContext<unknown>) => (key === null ? skip() : value)
  const logged: Wrapper<Click, Click, unknown, string> = (value, { key, log }, next) => {
    expectTypeOf(key).toEqualTypeOf<string | null>()
    log.info({}, 'called')
    return next(value)
  }
  const timed =
    <In, Out>(): Wrapper<In, Out> =>
    (value, _context, next) =>
      next(value)
  defineHandler({
    input: keyed,
    outputs: [keyed],
    handle: compose(ofAnyKey, around(check, logged, timed()), (value, { key }) => {
      expectTypeOf(key).toEqualTypeOf<string | null>()
      return done([keyed.record(value, { key })])
    }),
  })
  defineHandler({
    input: keyed,
    setup: () => ({ country: 'IS' }),
    handle: compose(
      (value: Click, { key, setup }) => {
        expectTypeOf(key).toEqualTypeOf<string | null>()
        expectTypeOf(setup).toEqualTypeOf<{ country: string }>()
        return value.user
      },
      (user, { key }) => {
        expectTypeOf(user).toEqualTypeOf<number>()
        expectTypeOf(key).toEqualTypeOf<string | null>()
        return done()
      },
    ),
  })
  // The whole handle of one handler is a step of another.
  const whole = defineHandler({ input: keyed, handle: (_value, { key }) => (key === null ? skip() : done()) })
  defineHandler({
    input: keyed,
    handle: compose((value: Click) => value, around(whole.handle, timed())),
  })
  defineHandler({
    input: clicks,
    handle: compose((value: Click, { key }) => {
      expectTypeOf(key).toEqualTypeOf<Uint8Array | null>()
      return value.user > 0 ? done() : skip()
    }),
  })
  expectTypeOf(compose(check, () => done()))
    .parameter(1)
    .toEqualTypeOf<HandlerContext<unknown, string>>()
  // @ts-expect-error -- keys of this topic are bytes
  defineHandler({ input: clicks, handle: compose(check, () => done()) })
  // @ts-expect-error -- around a step of other keys
  around((value: Click, { key }: HandlerContext<unknown, number>) => ({ ...value, key }), logged)
})

test('a key is written as its codec takes it, and freely without one', () => {
  const keyed = topic('keyed', { key: text, value: json<Click>() })
  keyed.record({ user: 1 }, { key: 'a' })
  // @ts-expect-error -- a number is no text
  keyed.record({ user: 1 }, { key: 1 })
  clicks.record({ user: 1 }, { key: 1 })
  clicks.record({ user: 1 }, { key: 'a' })
})

test('handlers of topics with keys of any type belong to an app', () => {
  const keyed = topic('keyed', { key: json<{ readonly id: number }>(), value: json<Click>() })
  const handler = defineHandler({
    input: keyed,
    handle: compose(
      (click: Click) => click.user,
      () => done(),
    ),
  })
  defineApp({ kafka: { brokers: ['a:1'], groupId: 'g' }, actors: [{ name: 'a', handler }] })
  void createHarness(handler).send({ user: 1 }, { key: { id: 7 } })
  // @ts-expect-error -- no key of this topic
  void createHarness(handler).send({ user: 1 }, { key: 'x' })
})

test('a state has the type of its declaration, and is there at once where it says what comes first', () => {
  defineHandler({
    input: clicks,
    state: { last: state<Click>(), total: state<number>({ initial: () => 0 }), seen: state({ codec: text }) },
    handle(_, context) {
      expectTypeOf(context.state.last).toEqualTypeOf<KeyedState<Click>>()
      expectTypeOf(context.state.last.get()).toEqualTypeOf<Click | undefined>()
      expectTypeOf(context.state.total.get()).toEqualTypeOf<number>()
      expectTypeOf(context.state.seen.get()).toEqualTypeOf<string | undefined>()
      expectTypeOf(context.state.total.update((before) => before + 1)).toEqualTypeOf<number>()
      // @ts-expect-error -- it is a number
      context.state.total.set('1')
      expectTypeOf<keyof typeof context.state>().toEqualTypeOf<'last' | 'total' | 'seen'>()
      return done()
    },
  })
  defineHandler({
    input: clicks,
    handle(_, context) {
      expectTypeOf(context.state).not.toHaveProperty('total')
      return done()
    },
  })
})

test('each record of a call has the state of its key', () => {
  const counting = defineBatchHandler({
    input: clicks,
    state: { total: state<number>({ initial: () => 0 }) },
    handle(records) {
      expectTypeOf(records[0]!.state.total.get()).toEqualTypeOf<number>()
      return done()
    },
  })
  defineApp({ actors: [{ handler: counting }] })
  createHarness(counting)
})

test('steps of a chain, and what goes around them, have the state of their handler', () => {
  interface States {
    readonly total: KeyedStateOf
  }
  type KeyedStateOf = ReturnType<typeof totals>
  const totals = () => state<number>({ initial: () => 0 })
  type Context = HandlerContext<undefined, Uint8Array, States>
  const handler = defineHandler({
    input: clicks,
    state: { total: totals() },
    handle: compose(
      (click: Click, { state: { total } }: Context) => total.update((before) => before + click.user),
      (sum: number) => (sum > 100 ? skip() : done()),
    ),
  })
  createHarness(handler)
  defineApp({ actors: [{ handler }] })
})

test('a global table is asked by keys of its topic', () => {
  const campaigns = topic('campaigns', { key: text, value: json<{ name: string }>(), tombstones: true })
  defineHandler({
    input: clicks,
    tables: { campaigns: globalTableOf(campaigns), customers: tableOf(topic('customers', { value: text })) },
    handle: (_click, { tables }) => {
      expectTypeOf(tables.campaigns.get('c1')).toEqualTypeOf<{ name: string } | undefined>()
      expectTypeOf(tables.customers.get()).toEqualTypeOf<string | undefined>()
      // @ts-expect-error keys are texts
      void tables.campaigns.get(1)
      // @ts-expect-error of which key?
      void tables.campaigns.get()
      return done()
    },
  })
})

test('a table gives rows of its topic, without the null of tombstones', () => {
  const customers = topic('customers', { value: json<{ tier: string }>(), tombstones: true })
  defineHandler({
    input: clicks,
    tables: { customers: tableOf(customers) },
    handle: (_click, { tables }) => {
      expectTypeOf(tables.customers.get()).toEqualTypeOf<{ tier: string } | undefined>()
      expectTypeOf(tables).not.toHaveProperty('products')
      return done()
    },
  })
})
