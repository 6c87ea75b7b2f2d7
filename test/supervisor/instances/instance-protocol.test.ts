import { expect, test } from 'vitest'
import { defineHandler, done } from '../../../src/actors/handlers/handler.ts'
import type { AppDefinition } from '../../../src/app.ts'
import { resolveOptions } from '../../../src/options/resolve.ts'
import { topic } from '../../../src/streams/flows/flow.ts'
import { instanceOptions } from '../../../src/supervisor/instances/instance-protocol.ts'

const app: AppDefinition = {
  kafka: { brokers: 'a:1', groupId: 'g', clientId: 'clicks', groupInstanceId: 'host-7' },
  actors: [{ handler: defineHandler({ input: topic<object>('clicks'), handle: () => done() }) }],
  instances: 3,
  threads: { count: 4 },
  http: { port: 9464 },
}

test('an instance is a member of its own, with its share of the threads and no port', () => {
  const options = resolveOptions(app, { isCli: true })
  const second = resolveOptions(app, { isCli: true, flags: instanceOptions(options, 2) })
  expect(second).toEqual({
    ...options,
    instances: 1,
    kafka: { ...options.kafka, clientId: 'clicks-2', groupInstanceId: 'host-7-2' },
    http: { ...options.http, port: null },
  })
})

test('a member that is not static stays so', () => {
  const options = resolveOptions({ ...app, kafka: { brokers: 'a:1', groupId: 'g' } }, { isCli: true })
  expect(instanceOptions(options, 1)).not.toHaveProperty(['kafka.groupInstanceId'])
})
