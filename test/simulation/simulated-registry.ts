/** The schema registry of a world, and what each process knows of it. */
import type { Clock } from '../../src/clock.ts'
import type { Codec } from '../../src/streams/flows/codec.ts'
import { FakeSchemas } from '../support/fake-schemas.ts'
import { headed, withId } from '../support/header-codec.ts'
import type { Plan } from './world.ts'

/** What a record is whose value names no schema at all. */
export const garbage = 'no JSON'

export class SimulatedRegistry {
  readonly #ids = new Set<number>()
  readonly #processes: FakeSchemas[] = []
  #isAway = false
  /** How often a process has asked. */
  get questions(): number {
    return this.#processes.reduce((sum, { asked }) => sum + asked.length, 0)
  }

  open(clock: Clock): FakeSchemas {
    const process = new FakeSchemas(clock)
    process.register(Buffer.from(garbage).readUInt32BE(0), null)
    for (const id of this.#ids) process.register(id)
    if (this.#isAway) process.goAway()
    this.#processes.push(process)
    return process
  }

  register(id: number): void {
    this.#ids.add(id)
    for (const process of this.#processes) process.register(id)
  }

  goAway(): void {
    this.#isAway = true
    for (const process of this.#processes) process.goAway()
  }

  comeBack(): void {
    this.#isAway = false
    for (const process of this.#processes) process.comeBack()
  }
}

/** A plan in bytes that name its schema. */
export function planBytes(schema: number, plan: Plan): Buffer {
  return withId(schema, plan)
}

export function planCodec(): Codec<Plan> {
  const { contract, name } = headed()
  const unbound = (): never => {
    throw new Error('a codec with a contract does nothing before it is bound')
  }
  return {
    name,
    decode: unbound,
    encode: unbound,
    contract: {
      subjectsAt: (place) => contract!.subjectsAt(place),
      bind(place, schemas) {
        const bound = contract!.bind(place, schemas)
        return {
          name: bound.name,
          decode: (bytes) => bound.decode(bytes).body as Plan,
          encode: (body) => bound.encode({ body, schema: '' }),
        }
      },
    },
  }
}
