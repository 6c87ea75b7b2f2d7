/** What a handler may send, and how a table may be declared: told by the compiler, before anything runs. */
import { expectTypeOf, test } from 'vitest'
import {
  compose,
  defineHandler,
  done,
  json,
  skip,
  table,
  text,
  topic,
  type Effect,
  type Handler,
  type Outcome,
} from '../../src/index.ts'

interface Click {
  readonly user: number
}

interface EnrichedClick extends Click {
  readonly country: string
}

const clicks = topic<Click>('clicks')
const enriched = topic<EnrichedClick>('enriched')
const audited = topic('audited', { value: json<Click>() })
const archived = topic('archived', { value: json<Click>() })
const rows = table<EnrichedClick>('clicks', { columns: { user: 'bigint', country: 'text' }, key: ['user'] })
const counts = table<Click>('counts', { columns: { user: 'bigint' }, key: ['user'] })
const click: Click = { user: 1 }
const enrichedClick: EnrichedClick = { user: 1, country: 'FR' }

test('what a handler lists it may send', () => {
  defineHandler({
    input: clicks,
    outputs: [enriched, rows, audited],
    handle(value, { attempt }) {
      if (attempt > 1) return skip()
      if (value.user === 0) return done()
      if (value.user === 1) return done([audited.record(value)])
      return done([enriched.record(enrichedClick, { key: value.user }), rows.upsert(enrichedClick)])
    },
  })
  defineHandler({
    input: clicks,
    outputs: [enriched],
    handle: async (value) => {
      await Promise.resolve()
      const sent = [enriched.record({ ...value, country: 'FR' })]
      sent.push(enriched.record(enrichedClick))
      return done(sent)
    },
  })
})

test('an output that is not declared does not compile', () => {
  // @ts-expect-error -- nothing is declared
  defineHandler({ input: clicks, handle: () => done([clicks.record(click)]) })
  // @ts-expect-error -- another topic, whose values are others
  defineHandler({ input: clicks, outputs: [enriched], handle: () => done([clicks.record(click)]) })
  // @ts-expect-error -- another topic, whose values would do for the one that is declared
  defineHandler({ input: clicks, outputs: [clicks], handle: () => done([enriched.record(enrichedClick)]) })
  // @ts-expect-error -- another topic of the same values, known by its name
  defineHandler({ input: clicks, outputs: [audited], handle: () => done([archived.record(click)]) })
  // @ts-expect-error -- a table is none of the topics
  defineHandler({ input: clicks, outputs: [clicks], handle: () => done([counts.upsert(click)]) })
  const both = [rows.upsert(enrichedClick), counts.upsert(click)]
  // @ts-expect-error -- one of two
  defineHandler({ input: clicks, outputs: [rows], handle: () => done(both) })
  defineHandler({
    input: clicks,
    outputs: [enriched],
    // @ts-expect-error -- on one of its ways
    handle: async (value) => {
      if (value.user > 0) return done([enriched.record(enrichedClick)])
      return await Promise.resolve(done([clicks.record(value)]))
    },
  })
})

test('a chain sends what its steps send', () => {
  const validate = (value: Click) => (value.user > 0 ? value : skip())
  const audit = (value: Click) => (value.user > 9 ? value : done([audited.record(value)]))
  const publish = (value: Click) => done([enriched.record({ ...value, country: 'FR' })])
  defineHandler({ input: clicks, outputs: [enriched, audited], handle: compose(validate, audit, publish) })
  defineHandler({ input: clicks, outputs: [enriched], handle: compose(validate, publish) })
  // @ts-expect-error -- the second step sends to another topic
  defineHandler({ input: clicks, outputs: [enriched], handle: compose(validate, audit, publish) })
  // @ts-expect-error -- and the last to one more
  defineHandler({ input: clicks, outputs: [audited], handle: compose(validate, audit, publish) })
})

test('where nothing is known of an output, nothing is refused', () => {
  const collect = (): Effect[] => [clicks.record(click), rows.upsert(enrichedClick)]
  const decide = (): Outcome => done([clicks.record(click)])
  defineHandler({ input: clicks, outputs: [clicks, rows], handle: () => done(collect()) })
  defineHandler({ input: clicks, outputs: [clicks], handle: decide })
  const handlers: Handler<Click, undefined>[] = [
    defineHandler({ input: clicks, outputs: [clicks], handle: () => done([clicks.record(click)]) }),
    defineHandler({ input: clicks, handle: () => skip() }),
  ]
  expectTypeOf(handlers[0]?.handle).not.toBeAny()
})

test('an instance of a class is a handler', () => {
  class Enrich {
    readonly input = clicks
    readonly outputs = [enriched] as const
    setup(): string {
      return 'FR'
    }
    handle(value: Click, { setup }: { readonly setup: string }) {
      return done([enriched.record({ ...value, country: setup })])
    }
  }
  defineHandler(new Enrich())
})

test('a key is text, a number, bytes or null', () => {
  clicks.record(click, { key: 'a' })
  clicks.record(click, { key: 7n })
  clicks.record(click, { key: Buffer.from('a') })
  clicks.record(click, { key: null })
  // @ts-expect-error -- an object is no key
  clicks.record(click, { key: click })
  // @ts-expect-error -- nor is a date
  clicks.record(click, { key: new Date(0) })
  // @ts-expect-error -- the key stands in the options
  clicks.record(click, 'a')
  // @ts-expect-error -- no such option
  clicks.record(click, { keys: 'a' })
  // @ts-expect-error -- headers hold text or bytes
  clicks.record(click, { headers: { trace: 7 } })
})

test('columns and key are fields of the row', () => {
  // @ts-expect-error -- a click has no country
  table<Click>('x', { columns: { user: 'bigint', country: 'text' }, key: ['user'] })
  // @ts-expect-error -- nor can that be its key
  table<Click>('x', { columns: { user: 'bigint' }, key: ['country'] })
  // @ts-expect-error -- so too in a sink of another database
  table<Click>('x', { sink: 'warehouse', columns: { country: 'String' }, key: ['user'] })
  // Fewer columns than fields are fine.
  table<EnrichedClick>('x', { columns: { user: 'bigint' }, key: ['user'] })
})

interface Everything {
  readonly id: string
  readonly count: number
  readonly exact: bigint
  readonly isNew: boolean
  readonly at: Date
  readonly raw: Buffer
  readonly tags: string[]
  readonly place: { lat: number } | null
  readonly note?: string | number
  readonly kind: 'a' | 'b'
  readonly odd: unknown
}

test('a column takes what its field is written as', () => {
  table<Everything>('x', {
    columns: {
      id: 'uuid',
      count: 'double precision',
      exact: 'numeric(20,0)',
      isNew: 'boolean',
      at: 'timestamp(3) with time zone',
      raw: 'bytea',
      tags: 'jsonb',
      place: 'JSONB',
      note: 'inet',
      kind: 'my_enum',
      odd: 'whatever',
    },
    key: ['id'],
  })
  table<Everything>('x', { columns: { count: 'public.positive', at: 'varchar(30)' }, key: ['id'] })
  // @ts-expect-error -- a number is no time
  table<Everything>('x', { columns: { count: 'timestamptz' }, key: ['id'] })
  // @ts-expect-error -- nor an address
  table<Everything>('x', { columns: { exact: 'inet' }, key: ['id'] })
  // @ts-expect-error -- a date is no number
  table<Everything>('x', { columns: { at: 'bigint' }, key: ['id'] })
  // @ts-expect-error -- a truth is no number
  table<Everything>('x', { columns: { isNew: 'integer' }, key: ['id'] })
  // @ts-expect-error -- a list is written as JSON, which is no array of PostgreSQL
  table<Everything>('x', { columns: { tags: 'text[]' }, key: ['id'] })
  // @ts-expect-error -- bytes are no JSON
  table<Everything>('x', { columns: { raw: 'jsonb' }, key: ['id'] })
  // @ts-expect-error -- a type has a name
  table<Everything>('x', { columns: { id: 5 }, key: ['id'] })
  // Other databases have other types.
  table<Everything>('x', { sink: 'warehouse', columns: { at: 'DateTime64(3)', count: 'UInt64' }, key: ['id'] })
})

test('without a type of its own, a row has the columns as fields', () => {
  const untyped = table('x', { columns: { id: 'uuid', n: 'bigint' }, key: ['id'] })
  untyped.upsert({ id: 'a', n: 7 })
  // @ts-expect-error -- n is missing
  untyped.upsert({ id: 'a' })
  // @ts-expect-error -- no such column
  table('x', { columns: { id: 'uuid' }, key: ['n'] })
})

test('a codec is called, where it is a function', () => {
  topic('x', { value: text })
  // @ts-expect-error -- json() is meant
  topic('x', { value: json })
})
