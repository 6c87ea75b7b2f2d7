/**
 * The simulation against engines that break the guarantee: each break has to be found within some
 * hundred worlds, by the checker that knows the promise. A net that catches nothing proves nothing.
 */
import { expect, test } from 'vitest'
import type { Broker, BrokerConsumer, BrokerProducer } from '../../src/streams/broker-port.ts'
import { troupe, type EngineUnderTest } from './engine-under-test.ts'
import { play } from './play.ts'
import { makeWorld } from './world.ts'

const WORLDS = 300

interface Sabotage {
  readonly consumer?: (consumer: BrokerConsumer) => Partial<BrokerConsumer>
  readonly producer?: (producer: BrokerProducer) => Partial<BrokerProducer>
}

/** The engine, on a broker of which some calls do something else. */
function sabotaged({ consumer, producer }: Sabotage): EngineUnderTest {
  return {
    start: (parts) => {
      const { broker } = parts
      const spoilt: Broker = {
        consumer: () => overlaid(broker.consumer(), consumer ?? (() => ({}))),
        producer: (name) => overlaid(broker.producer(name), producer ?? (() => ({}))),
      }
      return troupe.start({ ...parts, broker: spoilt })
    },
  }
}

function overlaid<Part extends object>(part: Part, overlay: (part: Part) => Partial<Part>): Part {
  const changed = overlay(part)
  return new Proxy(part, {
    get(target, name) {
      const value: unknown = Reflect.get(changed, name) ?? Reflect.get(target, name)
      return typeof value === 'function' ? (value.bind(name in changed ? changed : target) as unknown) : value
    },
  })
}

/** Plays worlds until this promise is broken. */
async function breaks(promise: string, sabotage: Sabotage): Promise<boolean> {
  const engine = sabotaged(sabotage)
  for (let seed = 1; seed <= WORLDS; seed += 1) {
    const { violations } = await play(makeWorld(seed), engine)
    if (violations.some((each) => each.startsWith(`${promise}:`))) return true
  }
  return false
}

test('a position one too far', async () => {
  const found = await breaks('commitsAreTrue', {
    consumer: (inner) => ({
      storePositions: (positions) =>
        inner.storePositions(positions.map((each) => ({ ...each, position: each.position + 1, metadata: '' }))),
    }),
  })
  expect(found).toBe(true)
})

test('a write that counts as durable before it is', async () => {
  const found = await breaks('commitsAreTrue', {
    producer: (inner) => ({
      write: (records) => {
        inner.write(records).catch(() => undefined)
        return Promise.resolve(records.map(() => null))
      },
    }),
  })
  expect(found).toBe(true)
})

test('a record that is never handed over', async () => {
  let count = 0
  const found = await breaks('nothingIsLost', {
    consumer: (inner) => ({
      poll: async (maxRecords, timeoutMs) =>
        (await inner.poll(maxRecords, timeoutMs)).filter(() => (count += 1) % 20 !== 0),
    }),
  })
  expect(found).toBe(true)
})

test('records that are handed over in another order', async () => {
  const found = await breaks('outputsAreOrdered', {
    producer: (inner) => ({
      write: async (records) => [...(await inner.write([...records].reverse()))].reverse(),
    }),
  })
  expect(found).toBe(true)
})

test('lost partitions taken for revoked ones', async () => {
  const found = await breaks('fencedWritesNothing', {
    consumer: (inner) => ({
      subscribe: (topics, events) => {
        inner.subscribe(topics, {
          ...bound(events),
          onRebalance: (event) => {
            events.onRebalance({ ...event, lost: false })
          },
          onCommit: (report) => {
            events.onCommit({ ...report, result: 'accepted' })
          },
        })
      },
    }),
  })
  expect(found).toBe(true)
})

test('partitions given back before they are drained', async () => {
  const found = await breaks('fencedWritesNothing', {
    consumer: (inner) => {
      let early: number | null = null
      return {
        subscribe: (topics, events) => {
          inner.subscribe(topics, {
            ...bound(events),
            onRebalance: (event) => {
              if (event.type === 'revoke' && inner.unassign(event.id, event.partitions)) early = event.id
              events.onRebalance(event)
            },
          })
        },
        unassign: (id, partitions) => id === early || inner.unassign(id, partitions),
      }
    },
  })
  expect(found).toBe(true)
})

test('a completion map that is thrown away', async () => {
  const found = await breaks('finishedIsSkipped', {
    consumer: (inner) => ({
      committed: async (partitions) => (await inner.committed(partitions)).map((each) => ({ ...each, metadata: '' })),
    }),
  })
  expect(found).toBe(true)
})

test('a pause that never ends', async () => {
  expect(await breaks('everythingEnds', { consumer: () => ({ resume: () => undefined }) })).toBe(true)
})

type Events = Parameters<BrokerConsumer['subscribe']>[1]

function bound(events: Events): Events {
  return {
    onRebalance: (event) => {
      events.onRebalance(event)
    },
    onCommit: (report) => {
      events.onCommit(report)
    },
    onTrouble: (trouble) => {
      events.onTrouble(trouble)
    },
    onEndOfPartition: (at) => {
      events.onEndOfPartition(at)
    },
  }
}
