/** What is refused before the first record: each problem by name, all at once. */
import type { HandlerManifest } from '../../src/actors/handlers/handler-manifest.ts'
import { expect, test } from 'vitest'
import type { ResolvedActor, ResolvedApp } from '../../src/options/options.ts'
import type { BrokerProducer } from '../../src/streams/broker-port.ts'
import { planTopology, verifyTopics } from '../../src/supervisor/topology.ts'
import { resolvedActor } from '../actors/actor-fixture.ts'

const app = (...actors: Partial<ResolvedActor>[]): ResolvedApp =>
  ({ actors: actors.map((actor) => ({ ...resolvedActor, ...actor })), sinks: {} }) as unknown as ResolvedApp

const manifest = (actor: string, input: string, others: Partial<HandlerManifest> = {}): HandlerManifest => ({
  actor,
  what: 'handler',
  input,
  inputs: [input],
  isOperator: false,
  outputTopics: [],
  latestTopics: [],
  destinations: [],
  schemas: [],
  call: null,
  contracts: [],
  states: [],
  timers: [],
  companions: [],
  ...others,
})

const brokerWith = (...topics: string[]): BrokerProducer =>
  ({
    partitionCounts: (asked: readonly string[]) =>
      Promise.resolve(new Map(asked.filter((topic) => topics.includes(topic)).map((topic) => [topic, 1]))),
  }) as unknown as BrokerProducer

// Case 38: a dead letter would be handled again, fail again, and come back for ever.
test('a dead-letter topic that is an input is refused, of the same actor or of another', () => {
  const own = app({ name: 'a', deadLetter: 'clicks' })
  expect(() => planTopology(own, [manifest('a', 'clicks')])).toThrow(/dead-letter topic clicks is also an input/)
  const two = app({ name: 'a', deadLetter: 'orders' }, { name: 'b', deadLetter: null })
  expect(() => planTopology(two, [manifest('a', 'clicks'), manifest('b', 'orders')])).toThrow(
    /actor a: dead-letter topic orders is also an input/,
  )
})

test('two actors of one topic are refused: in one group each record goes to one of them only', () => {
  const two = app({ name: 'a' }, { name: 'b' })
  expect(() => planTopology(two, [manifest('a', 'clicks'), manifest('b', 'clicks')])).toThrow(
    /actors a and b both read topic clicks/,
  )
})

test('a table of a sink that the app does not have is named', () => {
  const destination = { sink: 'postgres', table: 'rows', columns: {}, key: [] } as never
  const plan = () => planTopology(app({ name: 'a' }), [manifest('a', 'clicks', { destinations: [destination] })])
  expect(plan).toThrow(expect.objectContaining({ code: 'SINK_MISSING' }) as Error)
  expect(plan).toThrow(/actor a writes table rows to sink postgres; the app has no sinks/)
})

test('and so is a sink with a name that every object of JavaScript has', () => {
  const destination = { sink: 'constructor', table: 'rows', columns: {}, key: [] } as never
  const plan = () => planTopology(app({ name: 'a' }), [manifest('a', 'clicks', { destinations: [destination] })])
  expect(plan).toThrow(/actor a writes table rows to sink constructor/)
})

test('a topic that is the latest of a checkpoint for some of its writers only is refused: it is declared once', () => {
  const two = app({ name: 'a' }, { name: 'b' })
  const plan = (...ofB: string[]) =>
    planTopology(two, [
      manifest('a', 'clicks', { outputTopics: ['sums', 'out'], latestTopics: ['sums'] }),
      manifest('b', 'orders', { outputTopics: ['sums'], latestTopics: ofB }),
    ])
  expect(() => plan()).toThrow(/topic sums is declared with latestPerCheckpoint .* without by that of b/)
  expect([...plan('sums').latestTopics]).toEqual(['sums'])
})

test('every topic that is not there is named, with who needs it', async () => {
  const topology = planTopology(app({ name: 'a', deadLetter: 'dlq' }), [
    manifest('a', 'clicks', { outputTopics: ['out', 'more'] }),
  ])
  await verifyTopics(topology, brokerWith('clicks', 'out', 'more', 'dlq'))
  await expect(verifyTopics(topology, brokerWith('clicks', 'out'))).rejects.toMatchObject({
    code: 'TOPIC_MISSING',
    message: 'topic more does not exist (output of actor a); topic dlq does not exist (dead letters of actor a)',
  })
})
