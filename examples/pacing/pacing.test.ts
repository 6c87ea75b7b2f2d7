import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { around, compose, deadLetter, defineHandler, done, topic } from 'troupe'
import { createHarness } from 'troupe/testing'
import orderHandler from './orders.ts'
import { cached, timed } from './wrappers.ts'

const answers: { status: number; headers: Record<string, string> }[] = []
let server: Server

beforeAll(async () => {
  server = createServer((request, response) => {
    request.resume()
    const { headers, status } = answers.shift() ?? { status: 200, headers: {} }
    response.writeHead(status, headers).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  process.env['SHIPPING_URL'] = `http://127.0.0.1:${address.port}/orders`
})

afterAll(() => {
  server.closeAllConnections()
  server.close()
})

test('429 is an error that says how long the whole actor waits; a used-up quota is told without one', async () => {
  const harness = createHarness(orderHandler)
  answers.push({ status: 429, headers: { 'retry-after': '30' } })
  await expect(harness.send({ id: 1 })).rejects.toMatchObject({ name: 'ThrottledError', retryAfterMs: 30_000 })
  answers.push({ status: 200, headers: { 'x-ratelimit-remaining': '0' } })
  expect(await harness.send({ id: 1 })).toEqual(done())
  expect(harness.throttles).toEqual([60_000])
})

const kept = new Map<string, { name: string }>()
const asked: string[] = []

/** Somebody else's data base. */
function findCustomer(id: string): Promise<{ name: string } | ReturnType<typeof deadLetter>> {
  asked.push(id)
  return Promise.resolve(id === 'nobody' ? deadLetter('no such customer') : { name: `customer ${id}` })
}

const greetings = topic<string>('greetings')
const greet = defineHandler({
  input: topic<string>('customer_ids'),
  outputs: [greetings],
  handle: compose(around(findCustomer, timed('customer'), cached(kept)), (customer) =>
    done([greetings.record(`Hello, ${customer.name}`)]),
  ),
})

test('a step is looked up once and timed each time; an outcome ends the chain and is not kept', async () => {
  const lines: object[] = []
  const note = (fields: object) => lines.push(fields)
  const harness = createHarness(greet, { log: { debug: note, info: note, warn: note, error: note } })
  for (const id of ['7', '7', 'nobody', 'nobody']) await harness.send(id)
  expect(asked).toEqual(['7', 'nobody', 'nobody'])
  expect(await harness.send('7')).toEqual(done([greetings.record('Hello, customer 7')]))
  expect(await harness.send('nobody')).toEqual(deadLetter('no such customer'))
  expect(lines).toHaveLength(6)
  expect([...kept.keys()]).toEqual(['7'])
})
