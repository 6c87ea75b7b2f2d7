import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { deadLetter, done, retry } from 'troupe'
import { createHarness } from 'troupe/testing'
import { afterEach, expect, test, vi } from 'vitest'
import nameOrders from './name-orders.ts'
import postOrders from './post-orders.ts'
import { namedOrders, type Order } from './flows.ts'

let server: Server | undefined

/** A service, and how often it was asked. */
async function serve(answer: (request: IncomingMessage, body: string) => unknown, variable: string) {
  const asked: string[] = []
  server = createServer((request, response) => {
    void text(request).then((body) => {
      asked.push(request.method ?? '')
      const said = answer(request, body)
      response.statusCode = typeof said === 'number' ? said : 200
      response.end(JSON.stringify(said))
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  vi.stubEnv(variable, `http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  return asked
}

afterEach(() => {
  vi.unstubAllEnvs()
  server?.closeAllConnections()
  server?.close()
})

const order = (id: string, customer = 'c1'): Order => ({ id, customer })

test('a bulk request: one call for all, and an outcome for each', async () => {
  const asked = await serve((_, body) => {
    const sent = JSON.parse(body) as (Order & { idempotencyKey: string })[]
    expect(sent.map(({ idempotencyKey }) => idempotencyKey)).toEqual(['orders/0/0', 'orders/0/1', 'orders/0/2'])
    return sent.map(({ id }) => ({ status: id, reason: 'over the limit' }))
  }, 'ORDER_SERVICE')
  const harness = createHarness(postOrders)
  expect(await harness.sendAll([order('stored'), order('busy'), order('refused')])).toEqual([
    done(),
    retry(),
    deadLetter('over the limit'),
  ])
  expect(asked).toEqual(['POST'])
})

test.each([
  [503, { name: 'RetryableError', message: 'the order service says 503' }],
  [400, { name: 'Error', message: 'the order service says 400' }],
])('a bulk request that is answered by %i fails as a whole', async (status, error) => {
  await serve(() => status, 'ORDER_SERVICE')
  await expect(createHarness(postOrders).sendAll([order('a'), order('b')])).rejects.toMatchObject(error)
})

test("a service that cannot be reached is nobody's fault", async () => {
  vi.stubEnv('ORDER_SERVICE', 'http://127.0.0.1:1/')
  await expect(createHarness(postOrders).sendAll([order('a')])).rejects.toMatchObject({ name: 'RetryableError' })
})

test("a bulk look-up: each customer is asked for once, and what is not found is its order's alone", async () => {
  const asked = await serve(({ url }) => {
    expect(new URL(url!, 'http://any').searchParams.get('ids')).toBe('c1,c2,c9')
    return { c2: 'Bo', c1: 'Al' }
  }, 'CUSTOMER_SERVICE')
  const harness = createHarness(nameOrders)
  const sent = [order('1', 'c1'), order('2', 'c2'), order('3', 'c9'), order('4', 'c1')]
  expect(await harness.sendAll(sent, [{ key: 'c1' }])).toEqual([
    done([namedOrders.record({ ...sent[0]!, name: 'Al' }, { key: Buffer.from('c1') })]),
    done([namedOrders.record({ ...sent[1]!, name: 'Bo' }, { key: null })]),
    deadLetter('no customer c9'),
    done([namedOrders.record({ ...sent[3]!, name: 'Al' }, { key: null })]),
  ])
  expect(asked).toEqual(['GET'])
})
