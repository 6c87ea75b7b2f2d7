/** Plays worlds with an engine that breaks the guarantee, until a checker cries out. */
import type { Broker } from '../../src/streams/broker.ts'
import type { BrokerConsumer, BrokerProducer, BrokerReader } from '../../src/streams/broker-port.ts'
import type { TransactionalProducer } from '../../src/streams/transaction-port.ts'
import { troupe, type EngineUnderTest } from './engine-under-test.ts'
import { play } from './play.ts'
import { makeWorld, type World } from './world.ts'

const WORLDS = 300

export interface Sabotage {
  readonly consumer?: (consumer: BrokerConsumer) => Partial<BrokerConsumer>
  readonly producer?: (producer: BrokerProducer) => Partial<BrokerProducer>
  readonly reader?: (reader: BrokerReader) => Partial<BrokerReader>
  readonly transactions?: (producer: TransactionalProducer) => Partial<TransactionalProducer>
}

/** The engine, on a broker of which some calls do something else. */
function sabotaged({ consumer, producer, reader, transactions }: Sabotage): EngineUnderTest {
  return {
    start: (parts) => {
      const { broker } = parts
      const spoilt: Broker = {
        consumer: () => overlaid(broker.consumer(), consumer ?? (() => ({}))),
        producer: (name) => overlaid(broker.producer(name), producer ?? (() => ({}))),
        reader: (name) => overlaid(broker.reader(name), reader ?? (() => ({}))),
        transactionalProducer: (options) =>
          overlaid(broker.transactionalProducer(options), transactions ?? (() => ({}))),
        admin: () => broker.admin(),
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

/** Plays worlds until this promise is broken: the first ones, of those that are suitable. */
export async function breaks(
  promise: string,
  sabotage: Sabotage = {},
  isSuitable: (world: World) => boolean = () => true,
): Promise<boolean> {
  return (await findBroken(promise, sabotage, isSuitable, makeWorld)) !== null
}

/** The first world in which it is; null: none of the first ones. */
export async function findBroken(
  promise: string,
  sabotage: Sabotage,
  isSuitable: (world: World) => boolean,
  make: (seed: number) => World,
): Promise<World | null> {
  const engine = sabotaged(sabotage)
  for (let seed = 1, played = 0; played < WORLDS; seed += 1) {
    const world = make(seed)
    if (!isSuitable(world)) continue
    played += 1
    const { violations } = await play(world, engine)
    if (violations.some((each) => each.startsWith(`${promise}:`))) return world
  }
  return null
}
