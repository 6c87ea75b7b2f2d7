import { describe, expect, onTestFinished, test } from 'vitest'
import { table, type Sink, type SinkWrite, type EncodedRow } from 'troupe'
import { sinkContract, type SinkUnderTest } from 'troupe/testing'
import { clickhouse, elasticsearch, type BulkApi } from './bulk-api.ts'
import { BulkServer } from './bulk-server.ts'
import { httpBulkSink, type HttpBulkOptions } from './http-bulk-sink.ts'

const notes = table<{ key: string; value: string }>('notes', {
  sink: 'search',
  columns: { key: 'text', value: 'text' },
  key: ['key'],
})

interface BulkUnderTest extends SinkUnderTest {
  readonly server: BulkServer
}

async function start(api: BulkApi): Promise<BulkUnderTest> {
  const server = await BulkServer.start()
  server.indices.set('notes', new Map())
  server.tables.set('notes', [])
  server.refuse = ({ value }) => (value === 'refused' ? 400 : undefined)
  return {
    server,
    sink: () => httpBulkSink({ url: server.url, api }),
    destinations: [notes.destination],
    output: (key, value) => ({ table: 'notes', values: [key, value] }),
    read: () => {
      const rows = [...server.indices.get('notes')!.values(), ...server.tables.get('notes')!]
      return Promise.resolve(Object.fromEntries(rows.map(({ key, value }) => [key, value])))
    },
    end: () => server.stop(),
  }
}

describe.each([elasticsearch, clickhouse])('the contract of sinks: $name', (api) => {
  const cases = sinkContract({
    open: () => start(api),
    refused: ({ output }) => output('r', 'refused'),
    missing: { ...notes.destination, table: 'nowhere' },
    breakIt: async (under) => {
      const { server } = under as BulkUnderTest
      await server.stop()
      return () => server.listen()
    },
  })
  for (const { name, run } of cases) test(name, run)
})

async function opened(api: BulkApi, options: Partial<HttpBulkOptions> = {}) {
  const under = await start(api)
  const sink = httpBulkSink({ url: under.server.url, api, ...options })
  onTestFinished(async () => {
    await sink.close()
    await under.server.stop()
  })
  await sink.open({ log: { info: () => undefined, warn: () => undefined } })
  await sink.prepare(under.destinations)
  return { sink, server: under.server, read: () => under.read() }
}

const row = (key: string | null, value: string, at = 0): SinkWrite<EncodedRow> => ({
  id: `orders/0/${at}/0`,
  output: { table: 'notes', values: [key, value] },
})

async function codeOf(writing: ReturnType<Sink['write']>): Promise<unknown> {
  return await writing.then(
    () => 'written',
    (error: unknown) => Reflect.get(error as Error, 'code'),
  )
}

describe.each([elasticsearch, clickhouse])('$name', (api) => {
  test.each([429, 503, 500, 502, 401, 404])('%i is waited for, and refuses nothing', async (status) => {
    const { read, server, sink } = await opened(api)
    server.answer = (response) => void response.writeHead(status).end('<html>not now</html>')
    expect(await codeOf(sink.write([row('a', '1')]))).toBe('SINK_UNAVAILABLE')
    server.answer = undefined
    expect(await sink.write([row('a', '1')])).toEqual([null])
    expect(await read()).toEqual({ a: '1' })
  })

  test('no answer in time is waited for, and what was written all the same stands there once', async () => {
    const { read, server, sink } = await opened(api, { timeoutMs: 200 })
    const batch = [row('a', '1', 1), row('b', '2', 2)]
    await sink.write(batch)
    server.answer = () => undefined
    expect(await codeOf(sink.write(batch))).toBe('SINK_UNAVAILABLE')
    server.answer = undefined
    await sink.write(batch)
    expect(await read()).toEqual({ a: '1', b: '2' })
    expect(server.indices.get('notes')!.size + server.tables.get('notes')!.length).toBe(2)
  })

  test('what has no key is refused before it is sent', async () => {
    const { read, sink } = await opened(api)
    const results = await sink.write([row('a', '1'), row(null, '2')])
    expect(results.map((result) => result?.message ?? null)).toEqual([null, 'notes: a column of the key is null'])
    expect(await read()).toEqual({ a: '1' })
  })

  test('headers go with each request, and stand in no error', async () => {
    const { server, sink } = await opened(api, { headers: { authorization: 'ApiKey s3cret' } })
    await sink.write([row('a', '1')])
    expect(server.requests.every(({ headers }) => headers.authorization === 'ApiKey s3cret')).toBe(true)
    server.answer = (response) => void response.writeHead(403).end()
    const error = await sink.write([row('a', '1')]).catch((reason: unknown) => reason)
    expect(JSON.stringify([error, String(error)])).not.toContain('s3cret')
  })
})

test('one item that is too much for the moment sends the batch again', async () => {
  const { read, server, sink } = await opened(elasticsearch)
  server.refuse = ({ key }) => (key === 'b' ? 429 : undefined)
  expect(await codeOf(sink.write([row('a', '1'), row('b', '2')]))).toBe('SINK_UNAVAILABLE')
  server.refuse = () => undefined
  expect(await sink.write([row('a', '1'), row('b', '2')])).toEqual([null, null])
  expect(await read()).toEqual({ a: '1', b: '2' })
})

test('a page that is no answer of the API is waited for', async () => {
  const { server, sink } = await opened(elasticsearch)
  server.answer = (response) => void response.end('<html>welcome</html>')
  expect(await codeOf(sink.write([row('a', '1')]))).toBe('SINK_UNAVAILABLE')
})

test('integers of any size, booleans and documents arrive as what they are declared', async () => {
  const { server, sink } = await opened(elasticsearch)
  const typed = { ...notes.destination, columns: ['bigint', 'boolean', 'jsonb'].map((type) => ({ name: type, type })) }
  await sink.prepare([{ ...typed, key: ['bigint'] }])
  await sink.write([
    { id: 'orders/0/0/0', output: { table: 'notes', values: ['9223372036854775807', 'true', '{"a":[1]}'] } },
  ])
  expect(server.requests.at(-1)!.body.split('\n')).toEqual([
    '{"index":{"_index":"notes","_id":"9223372036854775807"}}',
    '{"bigint":9223372036854775807,"boolean":true,"jsonb":{"a":[1]}}',
    '',
  ])
})
