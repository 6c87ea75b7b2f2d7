/** What a record holds is the same on a thread as on main. */
import { afterEach, expect, test } from 'vitest'
import { fixtureUrl, scripts, startPool, textOf } from './pool-fixture.ts'

let running: Awaited<ReturnType<typeof startPool>> | undefined

afterEach(async () => {
  await running?.pool.destroy()
  running = undefined
})

async function copiesOf(documents: readonly string[]): Promise<readonly string[]> {
  running = await startPool(fixtureUrl('copy.js'))
  const { delivery, finished, send } = running
  send(scripts(documents.map(() => ({}))).map((record, at) => ({ ...record, value: Buffer.from(documents[at]!) })))
  await finished()
  return [...delivery.outputs, ...delivery.deadLetters].map(({ value }) =>
    value === null ? 'null value' : textOf(value),
  )
}

const levels = (count: number) => '['.repeat(count) + ']'.repeat(count)

test('a document of many levels is copied, however many they are', async () => {
  const documents = [levels(5_000), levels(50_000)]
  const copies = await copiesOf(documents)
  expect(copies.map((copy, at) => copy === documents[at])).toEqual([true, true])
  expect(running?.delivery.deadLetters).toEqual([])
})

test('a copy of a document null is a document null', async () => {
  expect(await copiesOf(['null'])).toEqual(['null'])
})
