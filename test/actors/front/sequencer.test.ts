import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { newInvocation, type Invocation } from '../../../src/actors/invocation.ts'
import { Sequencer } from '../../../src/actors/front/sequencer.ts'

const invocation = (offset: number): Invocation =>
  newInvocation(
    { topic: 'orders', partition: 0, offset, timestamp: 0, key: null, value: null, headers: [] },
    offset + 1,
    0,
    0,
  )

function concluded(sequencer: Sequencer<string>): string[] {
  const said: string[] = []
  for (let next = sequencer.next(); next !== null; next = sequencer.next()) {
    const [{ record }, word] = next
    said.push(`${record.offset} ${word}`)
  }
  return said
}

describe('Sequencer', () => {
  it('concludes records in offset order, in whatever order they finish', () => {
    const orders = fc.integer({ min: 0, max: 1_500 }).chain((count) =>
      fc.shuffledSubarray(
        Array.from({ length: count }, (_, at) => at),
        { minLength: count, maxLength: count },
      ),
    )
    fc.assert(
      fc.property(orders, (order) => {
        const sequencer = new Sequencer<string>()
        const all = order.map((_, at) => invocation(at))
        for (const each of all) sequencer.admit(each)
        const said: string[] = []
        const finished = new Set<number>()
        for (const offset of order) {
          sequencer.note(all[offset]!, 'done')
          finished.add(offset)
          said.push(...concluded(sequencer))
          expect(finished.has(said.length)).toBe(false)
          expect(sequencer.waiting).toBe(finished.size - said.length)
        }
        expect(said).toEqual(all.map((_, at) => `${at} done`))
      }),
      { numRuns: 10 },
    )
  })

  it('leaves what stands behind a record that nobody handles here to the next owner', () => {
    const sequencer = new Sequencer<string>()
    const all = [0, 1, 2, 3].map(invocation)
    for (const each of all) sequencer.admit(each)
    sequencer.note(all[3]!, 'done')
    sequencer.note(all[1]!, 'done')
    expect(sequencer.cut([all[2]!]).map(({ record }) => record.offset)).toEqual([3])
    sequencer.note(all[0]!, 'done')
    expect(concluded(sequencer)).toEqual(['0 done', '1 done'])
    expect(sequencer.waiting).toBe(0)
  })
})
