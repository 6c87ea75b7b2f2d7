import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { deadLetter, done, TroupeError } from 'troupe'
import { createHarness } from 'troupe/testing'
import charge, { BillingAway, type Order } from './charge.ts'

const order: Order = { id: 'o-1', cents: 1_250 }
let billing: Server
let status = 200
let asked: string[] = []

beforeEach(async () => {
  asked = []
  billing = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    response.writeHead(status, { connection: 'close' }).end('because')
  })
  await new Promise<void>((resolve) => billing.listen(0, '127.0.0.1', resolve))
  process.env['BILLING_URL'] = `http://127.0.0.1:${(billing.address() as AddressInfo).port}`
})

const close = (): Promise<unknown> => new Promise((resolve) => billing.close(resolve))

afterEach(async () => {
  delete process.env['BILLING_URL']
  await close()
})

const decide = (error: unknown): unknown => charge.onError?.(error, {} as never)

test('an order that billing takes is done', async () => {
  status = 201
  expect(await createHarness(charge).send(order)).toEqual(done())
  expect(asked).toEqual(['PUT /charges/o-1'])
})

test('one that it refuses is a dead letter', async () => {
  status = 422
  expect(await createHarness(charge).send(order)).toEqual(deadLetter('billing refuses it: 422 because'))
})

test('one that it fails at waits for it, without limit', async () => {
  status = 503
  const error: unknown = await createHarness(charge)
    .send(order)
    .catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(BillingAway)
  expect(decide(error)).toEqual({ retry: 'unlimited' })
})

test('so does one that it does not answer in time', () => {
  expect(decide(new TroupeError('HANDLER_TIMEOUT', 'not within 60000 ms'))).toEqual({ retry: 'unlimited' })
})

test('so does one that finds nobody there; any other error does not', async () => {
  await close()
  const error: unknown = await createHarness(charge)
    .send(order)
    .catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(BillingAway)
  expect([decide(error), decide(new TypeError('a mistake of ours'))]).toEqual([{ retry: 'unlimited' }, undefined])
})
