/** What a thread knows of schemas: what it was told, within bounds, and never longer than is true. */
import { describe, expect, test } from 'vitest'
import { ThreadSchemas, type NewsInbox } from '../../../src/actors/threads/schemas/thread-schemas.ts'
import { Lookout } from '../../../src/lookout.ts'
import type { WriterSchema } from '../../../src/streams/flows/contract.ts'
import type { SchemaNews } from '../../../src/streams/registry/schema-port.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'

class HeldInbox implements NewsInbox {
  onNews: (news: SchemaNews) => void = () => undefined
  isClosed = false
  readonly #held: SchemaNews[] = []

  /** It has come, and the event loop has not turned. */
  hold(...writers: SchemaNews['writers']): void {
    this.#held.push({ ids: [], writers })
  }

  holdIds(...ids: SchemaNews['ids']): void {
    this.#held.push({ ids, writers: [] })
  }

  turn(): void {
    for (const news of this.#held.splice(0)) this.onNews(news)
  }

  take(): SchemaNews | undefined {
    return this.#held.shift()
  }

  close(): void {
    this.isClosed = true
  }
}

const schema = (text = '{}'): WriterSchema => ({ type: 'AVRO', text, references: [] })
const needed = (id: number): unknown => expect.objectContaining({ name: 'SchemaNeeded', id })

function world(bounds?: ConstructorParameters<typeof ThreadSchemas>[2]) {
  const clock = new ManualClock()
  const inbox = new HeldInbox()
  const schemas = new ThreadSchemas(inbox, new Lookout(clock), bounds)
  const asked = (id: number): unknown => {
    try {
      return schemas.writerOf(id).text
    } catch (error) {
      return error
    }
  }
  return { asked, clock, inbox, schemas }
}

describe('what a thread knows of schemas', () => {
  test('is what it was told, also what has come while its loop was held', () => {
    const { asked, inbox } = world()
    expect(asked(1)).toEqual(needed(1))
    inbox.hold([1, schema('one')])
    inbox.turn()
    inbox.hold([2, schema('two')])
    expect([asked(1), asked(2), asked(3)]).toEqual(['one', 'two', needed(3)])
  })

  test('is bounded, by their number and by their bytes: it says again that it needs one', () => {
    const few = world({ maxSchemas: 2, maxBytes: 1_000_000 })
    for (const id of [1, 2, 3]) few.inbox.hold([id, schema()])
    few.inbox.turn()
    expect([1, 2, 3].map(few.asked)).toEqual([needed(1), '{}', '{}'])
    const small = world({ maxSchemas: 100, maxBytes: 3_000 })
    for (const id of [1, 2, 3]) small.inbox.hold([id, schema('x'.repeat(500))])
    small.inbox.turn()
    expect([1, 3].map(small.asked)).toEqual([needed(1), 'x'.repeat(500)])
  })

  test('is what it was told last, however much has come behind it or however large it is: a record never goes round in circles', () => {
    const { asked, inbox } = world({ maxSchemas: 2, maxBytes: 1_000 })
    for (let id = 1; id <= 10; id += 1) inbox.hold([id, schema()])
    expect(asked(1)).toBe('{}')
    inbox.turn()
    inbox.hold([11, schema('x'.repeat(100_000))])
    expect(asked(11)).toHaveLength(100_000)
  })

  test('that there is none is true for seconds only', async () => {
    const { asked, clock, inbox } = world()
    inbox.hold([1, null])
    expect(asked(1)).toMatchObject({ code: 'SCHEMA_UNKNOWN' })
    await clock.advance(9_000)
    expect(asked(1)).toMatchObject({ code: 'SCHEMA_UNKNOWN' })
    await clock.advance(2_000)
    expect(asked(1)).toEqual(needed(1))
    inbox.hold([1, schema('registered since')])
    expect(asked(1)).toBe('registered since')
  })

  test('of what the app writes with are the ids, for which a thread can wait', async () => {
    const { inbox, schemas } = world()
    expect(() => schemas.idOf('a-value')).toThrow(expect.objectContaining({ code: 'SCHEMA_MISSING' }) as Error)
    let isReady = false
    const waiting = schemas.whenKnown(['a-value', 'b-value']).then(() => (isReady = true))
    inbox.holdIds(['a-value', 1])
    inbox.turn()
    await Promise.resolve()
    expect(isReady).toBe(false)
    inbox.holdIds(['b-value', 2])
    inbox.turn()
    await waiting
    expect([schemas.idOf('a-value'), schemas.idOf('b-value')]).toEqual([1, 2])
    inbox.holdIds(['c-value', 3])
    expect(schemas.idOf('c-value')).toBe(3)
    await schemas.whenKnown([])
  })
})
