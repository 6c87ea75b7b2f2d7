/** Where an actor that keeps state begins when its input is not what it was. */
import { describe, expect, test } from 'vitest'
import { silentLog } from '../../src/log.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import type { BrokerConsumer } from '../../src/streams/broker-port.ts'
import { Beginnings } from '../../src/supervisor/beginnings.ts'
import { resolvedActor } from '../actors/actor-fixture.ts'

const at = { topic: 'clicks', partition: 0 }

/** Of a log that reaches from 10 to 20. */
async function beginAt(position: number, outOfRange: 'earliest' | 'latest', keepsState: boolean) {
  const consumer = {
    describeTopics: () => Promise.resolve(new Map()),
    committed: () => Promise.resolve([{ ...at, position, metadata: '' }]),
    watermarks: () => Promise.resolve({ low: 10, high: 20 }),
  } as unknown as BrokerConsumer
  const actors = new Map([['clicks', { ...resolvedActor, outOfRange }]])
  const beginnings = new Beginnings({
    ...{ consumer, actors, log: silentLog, stats: new EngineStats(), foreignMetadata: 'ignore' },
    keepsState: (actor) => keepsState && actor === resolvedActor.name,
  })
  return await beginnings.of([at])
}

describe('an input that is shorter than what its actor has counted', () => {
  test('is not counted twice: from the earliest it is refused, with what to do', async () => {
    await expect(beginAt(21, 'earliest', true)).rejects.toMatchObject({
      code: 'STATE_AHEAD',
      action: expect.stringMatching(/outOfRange: latest.*troupe reset/) as string,
    })
  })

  test('begins at its end with latest: nothing there has been counted', async () => {
    expect(await beginAt(21, 'latest', true)).toMatchObject([{ from: 'latest' }])
  })

  test('is read from the earliest by an actor that keeps nothing', async () => {
    expect(await beginAt(21, 'earliest', false)).toMatchObject([{ from: 'earliest' }])
  })
})

test('an input whose oldest records are gone is read from the earliest: nothing there has been counted', async () => {
  expect(await beginAt(5, 'earliest', true)).toMatchObject([{ from: 'earliest' }])
})
