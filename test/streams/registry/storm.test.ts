/** Records whose ids somebody made up, through the codec and the client, to a registry on a real port that counts its calls. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import { silentLog } from '../../../src/log.ts'
import { RegistryStats } from '../../../src/metrics/registry-stats.ts'
import { avro } from '../../../src/streams/avro/avro.ts'
import { SchemaNeeded } from '../../../src/streams/flows/contract.ts'
import { RegistryClient } from '../../../src/streams/registry/registry-client.ts'
import { SchemaBook } from '../../../src/streams/registry/schema-book.ts'
import { RegistryServer, send, settingsOf } from '../../support/registry-server.ts'

const IDS = 1_000
const ROUNDS = 20
const kinds = ['read', 'nobody has it', 'no Avro', 'no JSON', 'too large an id'] as const
type Kind = (typeof kinds)[number]
const kindOf = (index: number): Kind => kinds[index % kinds.length]!
/** Beyond 31 bits there are no ids. */
const idOf = (index: number): number => (kindOf(index) === 'too large an id' ? 2 ** 31 + index : 1 + index)

let server: RegistryServer
let book: SchemaBook

beforeEach(async () => {
  server = await RegistryServer.start()
  server.spoil = ({ path }, response) => {
    const id = Number(/^\/schemas\/ids\/(\d+)/.exec(path)?.[1])
    const texts: Partial<Record<Kind, string>> = {
      // Each another text: what is kept of each is another schema.
      read: JSON.stringify({ type: 'string', doc: `schema ${id}` }),
      'no Avro': JSON.stringify({ type: 'nonsense', doc: `schema ${id}` }),
      'no JSON': '{"type": ',
    }
    const schema = texts[kindOf(id - 1)]
    if (schema === undefined) send(response, 404, { error_code: 40403, message: 'no such schema' })
    else send(response, 200, { schema })
    return true
  }
  const stats = new RegistryStats()
  const registry = await RegistryClient.open({
    settings: settingsOf(server.url),
    clock: systemClock,
    onOutcome: (outcome) => {
      stats.requests[outcome] += 1
    },
  })
  book = new SchemaBook({
    registry,
    registerSchemas: 'never',
    clock: systemClock,
    random: Math.random,
    log: silentLog,
    stats,
  })
})

afterEach(async () => {
  book.close()
  await server.stop()
})

test('a storm of 1,000 ids, good, unknown and malformed, is at most one call each, however often they come', async () => {
  const codec = avro({ type: 'string' }).contract.bind({ topic: 'orders', part: 'value' }, book)
  const framed = (id: number): Buffer => {
    const header = Buffer.alloc(5)
    header.writeUInt32BE(id, 1)
    return Buffer.concat([header, Buffer.from([4, 0x68, 0x69])])
  }

  /** As a lane does: what needs a schema goes again when that has come. */
  async function become(bytes: Buffer): Promise<unknown> {
    for (;;) {
      try {
        return codec.decode(bytes)
      } catch (error) {
        if (!(error instanceof SchemaNeeded)) return 'refused'
        await new Promise<void>((resolve) => book.whenKnown(error.id, resolve))
      }
    }
  }

  const became = new Map<Kind, Set<unknown>>(kinds.map((kind) => [kind, new Set()]))
  for (let round = 0; round < ROUNDS; round += 1) {
    await Promise.all(
      Array.from({ length: IDS }, async (_, index) =>
        became.get(kindOf(index))!.add(await become(framed(idOf(index)))),
      ),
    )
  }
  expect(server.paths.length).toBe(new Set(server.paths).size)
  expect(server.paths.length).toBe((IDS / kinds.length) * (kinds.length - 1))
  expect(server.mostOpen).toBeLessThanOrEqual(4)
  const { read, ...others } = Object.fromEntries([...became].map(([kind, all]) => [kind, [...all]]))
  expect(read).toEqual(['hi'])
  expect(Object.values(others)).toEqual(kinds.slice(1).map(() => ['refused']))
})
